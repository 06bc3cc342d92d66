//! Reads the files for a reviewer, who has the text of the configuration and not the platform's secrets.
//!
//! The files are read and checked by the code that `serve` starts with. A file or an environment variable that is not there
//! is no problem here: [`Review::absent`] names it, and a stand-in takes its place. No decision looks at such contents.
//! Everything else is checked as at a start.

pub mod files;
mod platform;
mod stand_in;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use self::platform::ReadPlatform;
use super::environment::Environment;
use super::policy::{Before, MainFile, ReadPolicy, policy};
use super::tree::{self, Location, Node};
use super::written;
pub use super::written::{Setting, SettingPath};
use crate::adapters::config::file;
use crate::adapters::config::problem::Problem;
use crate::adapters::config::schema;
use crate::adapters::config::settings::audience_files::AudienceFiles;
use crate::adapters::config::settings::{Config, Sources};
use crate::judgement::policy::model::Policy;

/// What the files say.
pub struct Review {
    /// `cambio.yaml`, with defaults and presets.
    pub file: file::Config,
    /// The settings of `cambio.yaml`, with defaults and presets.
    pub settings: BTreeMap<SettingPath, Setting>,
    /// The audience files' rules.
    pub policy: Policy,
    /// The audience files.
    pub audience_files: AudienceFiles,
    /// The folder of the configuration.
    pub base: PathBuf,
    /// Files and variables that are not there.
    pub absent: Vec<Problem>,
    /// Everything else, without the audience files. A stand-in is in the place of each secret that is not there.
    config: Option<Config>,
}

/// Reads `path` and the audience files that belong to it.
///
/// # Errors
/// Every problem of every file, those of audience files included: half a configuration can't be reviewed.
pub fn review(path: &Path, env: &dyn Environment) -> Result<Review, Vec<Problem>> {
    let (review, problems) = ReadPlatform::of(path, env).map_err(sorted)?.with_audiences();
    let problems = sorted([problems, review.audience_files.problems()].concat());
    if problems.is_empty() { Ok(review) } else { Err(problems) }
}

/// The configuration `path`, for whoever decides with it and serves nobody. A broken audience file is no error, as at a start.
///
/// # Errors
/// Every problem, if one of them is not an audience file's, or every variable that decides and is not set.
pub fn deciding(path: &Path, env: &dyn Environment) -> Result<Config, Vec<Problem>> {
    ReadPlatform::of(path, env).map_err(sorted)?.deciding()
}

impl ReadPlatform {
    /// Reads the audience files, too. Returns the problems of `cambio.yaml`.
    fn with_audiences(self) -> (Review, Vec<Problem>) {
        let Self { path, document, config, report } = self;
        let before =
            Before { files: &AudienceFiles::default(), unsettled: &BTreeSet::new(), look: None, serving: false };
        let main_file = MainFile { path: &path, document: Some(&document), config: config.as_ref() };
        let folder = report.resolve(&document.file.audiences);
        let ReadPolicy { policy, files: audience_files } = policy(&folder, main_file, before, &report);
        let mut problems = report.problems.into_inner();
        let absent = sorted(report.absent.into_inner());
        // Every check that fails names a problem.
        if problems.is_empty() && config.is_none() && absent.is_empty() && audience_files.broken.is_empty() {
            problems.push(Problem::of_file(&path, "not valid"));
        }
        let settings = written::settings(&document.tree, &schema::config());
        let sources = Sources { audiences: Some(folder), ..Sources::default() };
        let config = config.map(|config| Config { sources, ..config });
        let (file, base) = (document.file, report.base);
        (Review { file, settings, policy, audience_files, base, absent, config }, problems)
    }

    fn deciding(self) -> Result<Config, Vec<Problem>> {
        let (review, problems) = self.with_audiences();
        let Review { policy, audience_files, absent, config, .. } = review;
        if !problems.is_empty() {
            return Err(sorted([problems, audience_files.problems()].concat()));
        }
        config.map(|config| Config { policy, audience_files, ..config }).ok_or(absent)
    }
}

fn sorted(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort();
    problems.dedup();
    problems
}

/// The lines of a file's values.
pub struct Places(Option<Node>);

impl Places {
    /// The places in a file that was read before.
    pub fn of(bytes: &[u8]) -> Self {
        Self(tree::parse(bytes).ok())
    }

    /// The line of the value under a key such as `permissions[2]` or `roles.map[0]`, or of the nearest mapping or list above
    /// the value.
    pub fn line(&self, key: &str) -> Option<u64> {
        self.location(key).map(|place| place.line)
    }

    /// A message about the value under a key.
    pub fn problem(&self, file: &Path, key: &str, message: String) -> Problem {
        let Location { line, column } = self.location(key).unwrap_or_default();
        Problem { file: file.to_owned(), line, column, key: key.to_owned(), message }
    }

    /// Whether the file has a value under a key.
    pub fn has(&self, key: &str) -> bool {
        self.node(key).is_some_and(|(_, is_whole)| is_whole)
    }

    /// The key of the entry with this text in the list under a key; the key itself if there is no such entry.
    pub fn entry(&self, key: &str, text: &str) -> String {
        let list = self.node(key).filter(|(_, is_whole)| *is_whole).map(|(node, _)| node);
        let is_meant = |index: &usize| {
            let entry = list.and_then(|list| list.item(*index));
            entry.is_some_and(|entry| matches!(&entry.value, tree::Value::Text(one) if one == text))
        };
        let count = match list.map(|list| &list.value) {
            Some(tree::Value::List(entries)) => entries.len(),
            _ => 0,
        };
        (0..count).find(is_meant).map_or_else(|| key.to_owned(), |index| format!("{key}[{index}]"))
    }

    fn location(&self, key: &str) -> Option<Location> {
        self.node(key).map(|(node, _)| node.place)
    }

    /// The value under a key, and whether it is the whole key's or that of a beginning of the key.
    fn node(&self, key: &str) -> Option<(&Node, bool)> {
        let mut node = self.0.as_ref()?;
        for step in key.split(['.', '[']) {
            let below = match step.strip_suffix(']') {
                Some(index) => index.parse().ok().and_then(|index| node.item(index)),
                None => node.field(step),
            };
            let Some(below) = below else { return Some((node, false)) };
            node = below;
        }
        Some((node, true))
    }
}
