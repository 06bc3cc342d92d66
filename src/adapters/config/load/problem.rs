//! Problems and warnings, collected with their places: one run names them all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::tree::{Location, Node};
use crate::adapters::config::problem::Problem;

/// Problems, warnings and the files that were read.
#[derive(Debug, Default)]
pub(super) struct ProblemList {
    /// The file that is being checked.
    pub(super) file: PathBuf,
    /// The folder that relative paths start from.
    pub(super) base: PathBuf,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
    /// File → SHA-256 of its bytes; `None` if it could not be read.
    pub(super) files: BTreeMap<PathBuf, Option<String>>,
}

impl ProblemList {
    pub(super) fn problem(&mut self, place: Location, key: &str, message: impl Into<String>) {
        self.problems.push(self.entry(place, key, message.into()));
    }

    fn entry(&self, place: Location, key: &str, message: String) -> Problem {
        Problem { file: self.file.clone(), line: place.line, column: place.column, key: key.to_owned(), message }
    }

    /// `path` as a file of this configuration.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        let joined = self.base.join(path.strip_prefix("./").unwrap_or(path));
        if joined.as_os_str().is_empty() { PathBuf::from(".") } else { joined }
    }

    /// Further problems belong to `file`.
    pub(super) fn open(&mut self, file: &Path) {
        file.clone_into(&mut self.file);
    }
}

/// A value of the tree with its full key: the place of a problem.
#[derive(Clone, Debug)]
pub(super) struct At<'a> {
    node: Option<&'a Node>,
    place: Location,
    key: String,
}

impl<'a> At<'a> {
    pub(super) fn root(node: &'a Node) -> Self {
        Self { node: Some(node), place: node.place, key: String::new() }
    }

    /// No place: for a value whose problems another check reports.
    pub(super) fn nowhere() -> Self {
        Self { node: None, place: Location::default(), key: String::new() }
    }

    /// The value under `name`; if it was left out, the place of its parent.
    pub(super) fn field(&self, name: &str) -> Self {
        let node = self.node.and_then(|node| node.field(name));
        Self { node, place: node.map_or(self.place, |node| node.place), key: join(&self.key, name) }
    }

    pub(super) fn item(&self, index: usize) -> Self {
        let node = self.node.and_then(|node| node.item(index));
        Self { node, place: node.map_or(self.place, |node| node.place), key: format!("{}[{index}]", self.key) }
    }

    /// Whether the value came from the environment, in part at least.
    pub(super) fn is_from_environment(&self) -> bool {
        self.node.is_some_and(|node| node.expanded)
    }

    /// `value` for a message: quoted, unless it came from the environment.
    pub(super) fn shown(&self, value: &str) -> String {
        self.node.map_or_else(|| format!("{value:?}"), |node| node.shown(value))
    }

    pub(super) fn problem(&self, report: &mut ProblemList, message: impl Into<String>) {
        if !self.broken() {
            report.problem(self.place, &self.key, message);
        }
    }

    fn broken(&self) -> bool {
        self.node.is_some_and(|node| node.broken)
    }

    pub(super) fn warning(&self, report: &mut ProblemList, message: impl Into<String>) {
        let entry = report.entry(self.place, &self.key, message.into());
        report.warnings.push(entry);
    }
}

/// A key with its parents.
pub(super) fn join(parent: &str, key: &str) -> String {
    if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") }
}

/// `Some(None)` if nothing was given, `None` if what was given is wrong.
#[expect(clippy::option_option, reason = "a value is left out, wrong or right, and `?` takes the second case away")]
pub(super) fn optional<T, U>(value: Option<T>, check: impl FnOnce(T) -> Option<U>) -> Option<Option<U>> {
    match value {
        None => Some(None),
        Some(value) => check(value).map(Some),
    }
}

/// All values; each is checked, also after a wrong one.
pub(super) fn all<T>(checked: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    let checked: Vec<Option<T>> = checked.collect();
    checked.into_iter().collect()
}
