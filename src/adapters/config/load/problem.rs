//! Problems and warnings, collected with their places: one run names them all.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::tree::{Location, Node};
use crate::adapters::config::problem::Problem;
use crate::judgement::expression::{Expression, ExpressionError, Other};

/// Problems, warnings and the files that were read.
#[derive(Debug, Default)]
pub(super) struct ProblemList {
    /// The folder that relative paths start from.
    pub(super) base: PathBuf,
    /// The file that is being checked.
    pub(super) file: RefCell<PathBuf>,
    pub(super) problems: RefCell<Vec<Problem>>,
    pub(super) warnings: RefCell<Vec<Problem>>,
    /// Whether the reader may lack what only a running Cambio needs: files and variables with secrets.
    pub(super) forgives: bool,
    /// What the reader lacks.
    pub(super) absent: RefCell<Vec<Problem>>,
    /// File → SHA-256 of its bytes; `None` if it could not be read.
    pub(super) files: RefCell<BTreeMap<PathBuf, Option<String>>>,
    /// The files among them that hold no secret.
    pub(super) documents: RefCell<BTreeSet<PathBuf>>,
    /// Sets of names in what was checked. Thousands of permissions list the same few.
    names: RefCell<HashSet<Arc<BTreeSet<String>>>>,
    /// What was compiled, by its source and its further variables. Compiling takes long, and many permissions have one
    /// condition.
    expressions: RefCell<HashMap<String, Vec<Compiled>>>,
}

/// A compiled expression, and the further variables that it may name.
type Compiled = (Vec<Other>, Expression);

/// The result of a check, with the problems and warnings that the check found.
#[derive(Debug)]
pub(super) struct Apart<T> {
    pub(super) result: T,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

impl ProblemList {
    pub(super) fn problem(&self, place: Location, key: &str, message: impl Into<String>) {
        self.problems.borrow_mut().push(self.entry(place, key, message.into()));
    }

    /// Reports something that is missing here, and may be there where Cambio runs.
    pub(super) fn lacks(&self, place: Location, key: &str, message: impl Into<String>) {
        let list = if self.forgives { &self.absent } else { &self.problems };
        list.borrow_mut().push(self.entry(place, key, message.into()));
    }

    /// An empty list. Relative paths start from `base`.
    pub(super) fn below(base: &Path) -> Self {
        Self { base: base.to_owned(), ..Self::default() }
    }

    /// An empty list for a reader who may lack secrets.
    pub(super) fn forgiving(base: &Path) -> Self {
        Self { forgives: true, ..Self::below(base) }
    }

    /// Adds what another list found.
    pub(super) fn absorb(&self, other: Self) {
        self.problems.borrow_mut().extend(other.problems.into_inner());
        self.warnings.borrow_mut().extend(other.warnings.into_inner());
        self.files.borrow_mut().extend(other.files.into_inner());
        self.documents.borrow_mut().extend(other.documents.into_inner());
    }

    fn entry(&self, place: Location, key: &str, message: String) -> Problem {
        let file = self.file.borrow().clone();
        Problem { file, line: place.line, column: place.column, key: key.to_owned(), message }
    }

    /// Runs a check, and returns its problems and warnings instead of adding them to the list.
    pub(super) fn apart<T>(&self, check: impl FnOnce() -> T) -> Apart<T> {
        let (problems, warnings) = (self.problems.take(), self.warnings.take());
        let result = check();
        Apart { result, problems: self.problems.replace(problems), warnings: self.warnings.replace(warnings) }
    }

    /// The set, once for all who list the same names.
    pub(super) fn shared(&self, set: BTreeSet<String>) -> Arc<BTreeSet<String>> {
        let mut known = self.names.borrow_mut();
        if let Some(shared) = known.get(&set) {
            return Arc::clone(shared);
        }
        let shared = Arc::new(set);
        known.insert(Arc::clone(&shared));
        shared
    }

    /// The compiled expression. What it gives depends on nothing but its source and the variables.
    pub(super) fn compiled(&self, source: &str, others: &[Other]) -> Result<Expression, ExpressionError> {
        let known = |known: &Vec<Compiled>| {
            known.iter().find(|(about, _)| about == others).map(|(_, compiled)| compiled.clone())
        };
        if let Some(compiled) = self.expressions.borrow().get(source).and_then(known) {
            return Ok(compiled);
        }
        let compiled = Expression::compile_about(source, others)?;
        let entry = (others.to_vec(), compiled.clone());
        self.expressions.borrow_mut().entry(source.to_owned()).or_default().push(entry);
        Ok(compiled)
    }

    /// `path` as a file of this configuration.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        let joined = self.base.join(path.strip_prefix("./").unwrap_or(path));
        if joined.as_os_str().is_empty() { PathBuf::from(".") } else { joined }
    }

    /// Further problems belong to `file`. Returns the file to which they belonged before.
    pub(super) fn open(&self, file: &Path) -> PathBuf {
        self.file.replace(file.to_owned())
    }

    /// Cambio watches `file` from now on.
    pub(super) fn watch(&self, file: &Path, hash: Option<String>) {
        self.files.borrow_mut().insert(file.to_owned(), hash);
    }
}

/// A value of the tree with its full key: the place of a problem.
#[derive(Clone, Debug)]
pub(super) struct At<'a> {
    pub(super) report: &'a ProblemList,
    node: Option<&'a Node>,
    place: Location,
    key: String,
}

impl<'a> At<'a> {
    pub(super) fn root(node: &'a Node, report: &'a ProblemList) -> Self {
        Self { report, node: Some(node), place: node.place, key: String::new() }
    }

    /// No place: for a value whose problems another check reports.
    pub(super) fn nowhere(report: &'a ProblemList) -> Self {
        Self { report, node: None, place: Location::default(), key: String::new() }
    }

    /// The value under `name`; if it was left out, the place of its parent.
    pub(super) fn field(&self, name: &str) -> Self {
        self.below(self.node.and_then(|node| node.field(name)), join(&self.key, name))
    }

    pub(super) fn item(&self, index: usize) -> Self {
        self.below(self.node.and_then(|node| node.item(index)), format!("{}[{index}]", self.key))
    }

    fn below(&self, node: Option<&'a Node>, key: String) -> Self {
        Self { report: self.report, node, place: node.map_or(self.place, |node| node.place), key }
    }

    /// Each value of a list, with its place.
    pub(super) fn items<'l, T>(&self, list: &'l [T]) -> impl Iterator<Item = (Self, &'l T)> {
        list.iter().enumerate().map(|(index, one)| (self.item(index), one))
    }

    /// Checks every value of a list, also after a wrong one.
    pub(super) fn all<T, U>(&self, list: &[T], mut check: impl FnMut(&T, &Self) -> Option<U>) -> Option<Vec<U>> {
        all(list.iter().enumerate().map(|(index, one)| check(one, &self.item(index))))
    }

    /// Checks every value of a mapping, also after a wrong one.
    pub(super) fn entries<T, U>(
        &self,
        map: &BTreeMap<String, T>,
        mut check: impl FnMut(&str, &T, &Self) -> Option<U>,
    ) -> Option<BTreeMap<String, U>> {
        let checked = all(map.iter().map(|(name, one)| Some((name.clone(), check(name, one, &self.field(name))?))))?;
        Some(checked.into_iter().collect())
    }

    /// Checks the value under `key`: `Some(None)` if it was left out, `None` if it is wrong.
    #[expect(clippy::option_option, reason = "a value is left out, wrong or right, and `?` takes the second case away")]
    pub(super) fn optional<T, U>(
        &self,
        key: &str,
        value: Option<T>,
        check: impl FnOnce(T, &Self) -> Option<U>,
    ) -> Option<Option<U>> {
        optional(value, |value| check(value, &self.field(key)))
    }

    /// Whether the value came from the environment, in part at least.
    pub(super) fn is_from_environment(&self) -> bool {
        self.node.is_some_and(|node| node.expanded)
    }

    /// The value as it is in the tree.
    pub(super) fn node(&self) -> Option<&'a Node> {
        self.node
    }

    /// `value` for a message: quoted, unless it came from the environment.
    pub(super) fn shown(&self, value: &str) -> String {
        self.node.map_or_else(|| format!("{value:?}"), |node| node.shown(value))
    }

    /// The message; it says so if the value came from a preset and is not in the file.
    fn with_origin(&self, message: impl Into<String>) -> String {
        let message = message.into();
        match self.node.and_then(|node| node.preset) {
            Some(preset) => format!("from preset {preset}: {message}"),
            None => message,
        }
    }

    pub(super) fn problem(&self, message: impl Into<String>) {
        if !self.node.is_some_and(|node| node.broken) {
            self.report.problem(self.place, &self.key, self.with_origin(message));
        }
    }

    /// Reports every key that is used and must not be.
    pub(super) fn unused(&self, keys: &[(&str, bool)], message: &str) {
        for (key, _) in keys.iter().filter(|(_, used)| *used) {
            self.field(key).problem(message);
        }
    }

    /// Reports a problem; there is no value then.
    pub(super) fn refuse<T>(&self, message: impl Into<String>) -> Option<T> {
        self.problem(message);
        None
    }

    /// Reports a file that can't be read; there is no value then.
    pub(super) fn unread<T>(&self, file: &Path, message: impl Into<String>) -> Option<T> {
        if file.exists() {
            return self.refuse(message);
        }
        self.report.lacks(self.place, &self.key, self.with_origin(message));
        None
    }

    /// The value, or its error as a problem.
    pub(super) fn ok<T>(&self, result: Result<T, impl ToString>) -> Option<T> {
        result.map_err(|error| self.problem(error.to_string())).ok()
    }

    pub(super) fn warning(&self, message: impl Into<String>) {
        let entry = self.report.entry(self.place, &self.key, self.with_origin(message));
        self.report.warnings.borrow_mut().push(entry);
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
