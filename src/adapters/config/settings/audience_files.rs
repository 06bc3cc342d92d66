//! The audience files: the versions that are in force, and the files that are broken.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::adapters::config::problem::{Problem, printable};
use crate::judgement::policy::broken::{BrokenFile, FileNames};
use crate::judgement::policy::model::Audience;

/// The audience files of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AudienceFiles {
    /// File → the version that is in force. A later load falls back to the version if the file is broken then.
    pub in_force: BTreeMap<PathBuf, AudienceVersion>,
    /// The files whose contents are not in force, in the order of their names.
    pub broken: Vec<BrokenAudienceFile>,
    /// SHA-256 of the `cambio.yaml` with which the versions were judged, in hexadecimal.
    pub judged_with: String,
}

/// A good version of an audience file.
#[derive(Clone)]
pub struct AudienceVersion {
    /// The bytes. They are judged again with each new `cambio.yaml`.
    pub bytes: Arc<[u8]>,
    /// SHA-256 of the bytes, in hexadecimal.
    pub hash: String,
    /// The realm, the audience and its resources.
    pub names: FileNames,
    /// What the file says.
    pub audience: Arc<Audience>,
    /// What operators should look at.
    pub warnings: Arc<[Problem]>,
}

/// An audience file whose contents are not in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenAudienceFile {
    /// The file.
    pub path: PathBuf,
    /// What the file says of itself, as far as it can be read, completed with what its last good version says.
    pub names: FileNames,
    /// Every problem, or the first of them: see [`AudienceFiles::abridge`].
    pub problems: Vec<Problem>,
    /// How many more problems there are.
    pub more: usize,
    /// Whether the last good version of the file is in force. If not, nothing is.
    pub kept: bool,
    /// What the version on disk lost to other files, if it did.
    pub contested: Option<Contested>,
}

/// A version of an audience file that claims what other files had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contested {
    /// SHA-256 of the version, in hexadecimal.
    pub hash: String,
    /// The files that had what it claims.
    pub owners: BTreeSet<PathBuf>,
}

impl AudienceFiles {
    /// The problems of all files, in the order of files and lines.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems: Vec<_> = self.broken.iter().flat_map(|file| &file.problems).cloned().collect();
        problems.sort();
        problems.dedup();
        problems
    }

    /// How many broken files have a last good version in force (`kept`), or none.
    pub fn count(&self, kept: bool) -> usize {
        self.broken.iter().filter(|file| file.kept == kept).count()
    }

    /// Drops all but the first problems of each file.
    pub fn abridge(&mut self) {
        for file in &mut self.broken {
            file.more += file.problems.len().saturating_sub(Problem::KEPT);
            file.problems.truncate(Problem::KEPT);
            file.problems.shrink_to_fit();
        }
    }

    /// The broken files with their problems; `None` if no file is broken.
    pub fn complaint(&self) -> Option<String> {
        let lines: Vec<_> = self.broken.iter().map(|file| format!("{file}: {}", file.text())).collect();
        (!lines.is_empty()).then(|| format!("broken audience files:\n  {}", lines.join("\n  ")))
    }
}

impl BrokenAudienceFile {
    /// The owner, for messages.
    pub fn owner(&self) -> String {
        self.names.owner.as_deref().map_or_else(|| "unknown".to_owned(), printable)
    }

    /// What is in force instead of the file's contents.
    pub fn in_force(&self) -> &'static str {
        if self.kept { "its last good version" } else { "nothing" }
    }

    /// The problems in one line.
    pub fn text(&self) -> String {
        let mut lines: Vec<_> = self.problems.iter().map(ToString::to_string).collect();
        if self.more > 0 {
            lines.push(format!("and {} more problems", self.more));
        }
        lines.join("; ")
    }

    /// What the judgement needs to know.
    pub fn for_refusals(&self) -> BrokenFile {
        let problem = self.problems.first().map(ToString::to_string).unwrap_or_default();
        BrokenFile { file: self.path.display().to_string(), names: self.names.clone(), problem }
    }
}

/// Names the file's audience, or the file, and its owner.
impl fmt::Display for BrokenAudienceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.names.audience {
            Some(audience) => write!(f, "audience {}", printable(audience))?,
            None => f.write_str("an audience whose name can't be read")?,
        }
        write!(f, " (owner {}, in force is {})", self.owner(), self.in_force())
    }
}

/// The bytes say everything else.
impl PartialEq for AudienceVersion {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for AudienceVersion {}

impl fmt::Debug for AudienceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AudienceVersion({:?}, {} bytes)", self.names, self.bytes.len())
    }
}
