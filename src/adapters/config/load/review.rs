//! Reads the files for a reviewer, who has the text of the configuration and not the platform's secrets.
//!
//! The files are read and checked by the code that `serve` starts with. A file or an environment variable that is not there
//! is no problem here; what needs its contents is left out, and [`Review::absent`] names it. No audience file refers to such
//! contents. Everything else is checked as at a start.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::document;
use super::environment::Environment;
use super::policy::{Before, MainFile, ReadPolicy, policy};
use super::problem::ProblemList;
use super::tree::{self, Node};
pub use super::written::{Setting, SettingPath};
use super::{main_file, written};
use crate::adapters::config::file;
use crate::adapters::config::problem::Problem;
use crate::adapters::config::schema;
use crate::adapters::config::settings::audience_files::AudienceFiles;
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
}

/// Reads `path` and the audience files that belong to it.
///
/// # Errors
/// Every problem of every file, those of audience files included: half a configuration can't be reviewed.
pub fn review(path: &Path, env: &dyn Environment) -> Result<Review, Vec<Problem>> {
    let base = path.parent().map(Path::to_owned).unwrap_or_default();
    let report = ProblemList::forgiving(&base);
    report.open(path);
    let schema = schema::config();
    let Ok(document) = document::read::<file::Config>(path, &schema, Some(env), &report) else {
        // A value that the type needs may be one that is not there.
        return Err(sorted([report.problems.into_inner(), report.absent.into_inner()].concat()));
    };
    let main = main_file(&document, env, &report);
    let before = Before { files: &AudienceFiles::default(), unsettled: &BTreeSet::new(), look: None, serving: false };
    let main_file = MainFile { path, document: Some(&document), config: main.as_ref() };
    let folder = report.resolve(&document.file.audiences);
    let ReadPolicy { policy, files: audience_files } = policy(&folder, main_file, before, &report);
    let mut problems = report.problems.into_inner();
    problems.extend(audience_files.problems());
    let absent = sorted(report.absent.into_inner());
    // Every check that fails names a problem.
    if problems.is_empty() && main.is_none() && absent.is_empty() {
        problems.push(Problem::of_file(path, "not valid"));
    }
    if !problems.is_empty() {
        return Err(sorted(problems));
    }
    let settings = written::settings(&document.tree, &schema);
    Ok(Review { file: document.file, settings, policy, audience_files, base, absent })
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
        let mut node = self.0.as_ref()?;
        for step in key.split(['.', '[']) {
            let below = match step.strip_suffix(']') {
                Some(index) => index.parse().ok().and_then(|index| node.item(index)),
                None => node.field(step),
            };
            let Some(below) = below else { break };
            node = below;
        }
        Some(node.place.line)
    }
}
