//! One audience file: the version on disk, and the last good version.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value as Json;

use super::before::Before;
use crate::adapters::config::file::audience::Audience;
use crate::adapters::config::load::audience::{self, Main, Placed};
use crate::adapters::config::load::document::{self, ReadDocument};
use crate::adapters::config::load::files;
use crate::adapters::config::load::problem::{At, ProblemList};
use crate::adapters::config::load::tree::{self, Location, Node, Value};
use crate::adapters::config::problem::Problem;
use crate::adapters::config::settings::audience_files::{
    AudienceFiles, AudienceVersion, BrokenAudienceFile, Contested,
};
use crate::adapters::config::watch::Digests;
use crate::judgement::policy::broken::FileNames;

/// Longest name that Cambio reads from a broken file, in bytes: log and audit lines repeat the name.
const LONGEST_NAME: usize = 200;

/// An audience file and its versions. What is in force is the fresh version, else the last good one, else nothing.
pub(super) struct AudienceFile {
    pub(super) path: PathBuf,
    /// The bytes on disk, if they could be read.
    bytes: Option<Arc<[u8]>>,
    /// The version on disk, if it is good.
    pub(super) fresh: Option<Version>,
    /// The last good version, if Cambio falls back to it.
    pub(super) kept: Option<Version>,
    pub(super) names: FileNames,
    /// Why the version on disk is not in force.
    pub(super) problems: Vec<Problem>,
    /// What the version on disk lost to other files, now or when Cambio read it first.
    pub(super) contested: Option<Contested>,
    /// Nothing is there, so the file counts as removed, and so do its permissions.
    pub(super) gone: bool,
}

/// A good version of a file.
pub(super) struct Version {
    pub(super) bytes: Arc<[u8]>,
    pub(super) hash: String,
    pub(super) placed: Placed,
    pub(super) names: FileNames,
    pub(super) warnings: Arc<[Problem]>,
}

impl Version {
    /// A version that was judged before.
    fn of(last: &AudienceVersion) -> Self {
        Self {
            bytes: Arc::clone(&last.bytes),
            hash: last.hash.clone(),
            placed: Placed {
                realm: last.names.realm.clone().unwrap_or_default(),
                audience: Arc::clone(&last.audience),
            },
            names: last.names.clone(),
            warnings: Arc::clone(&last.warnings),
        }
    }
}

impl AudienceFile {
    fn new(path: PathBuf, names: FileNames) -> Self {
        let (bytes, fresh, kept, contested) = (None, None, None, None);
        Self { path, bytes, fresh, kept, names, problems: Vec::new(), contested, gone: false }
    }

    /// What is in force.
    pub(super) fn version(&self) -> Option<&Version> {
        self.fresh.as_ref().or(self.kept.as_ref())
    }

    /// The file and its owner, for messages about other files.
    pub(super) fn shown(&self) -> String {
        let owner = self.names.owner.as_deref().unwrap_or("unknown");
        let note = match (&self.fresh, &self.kept) {
            (Some(_), _) => "",
            (None, Some(_)) => ", whose last good version is in force",
            (None, None) => ", which is broken",
        };
        format!("{} (owner {owner}){note}", self.path.display())
    }
}

/// What versions are checked against.
pub(super) struct Ground<'a> {
    pub(super) folder: &'a Path,
    main: Main<'a>,
    schema: &'a Json,
    /// What is in force so far.
    pub(super) last: &'a AudienceFiles,
    broken: HashMap<&'a Path, &'a BrokenAudienceFile>,
    /// SHA-256 of `cambio.yaml`, in hexadecimal, if it is in order.
    judged_with: Option<&'a str>,
    /// Files that somebody may still write to: what is in them does not count yet.
    unsettled: &'a BTreeSet<PathBuf>,
    look: Option<&'a Digests>,
}

impl<'a> Ground<'a> {
    pub(super) fn new(
        folder: &'a Path,
        main: Main<'a>,
        schema: &'a Json,
        before: Before<'a>,
        judged_with: Option<&'a str>,
    ) -> Self {
        let Before { files: last, unsettled, look, .. } = before;
        let look = look.and_then(|look| look.of_folder(folder));
        let broken = last.broken.iter().map(|file| (file.path.as_path(), file)).collect();
        Self { folder, main, schema, last, broken, judged_with, unsettled, look }
    }

    /// The names of all realms.
    pub(super) fn realms(&self) -> impl Iterator<Item = &str> {
        self.main.realms.into_iter().flat_map(BTreeMap::keys).map(String::as_str)
    }
}

/// Reads and checks versions.
pub(super) struct VersionReader<'a> {
    pub(super) ground: &'a Ground<'a>,
    pub(super) report: &'a ProblemList,
}

impl<'a> Deref for VersionReader<'a> {
    type Target = Ground<'a>;

    fn deref(&self) -> &Ground<'a> {
        self.ground
    }
}

impl VersionReader<'_> {
    /// Reads the version on disk, or the versions of a folder that can't be listed. A file that somebody may still write to is
    /// as it was before, and is left out if it was not there.
    pub(super) fn read(&self, path: PathBuf) -> Vec<AudienceFile> {
        if !files::is_audience_file(self.folder, &path) {
            return self.read_folder(path);
        }
        let waits = self.unsettled.contains(&path) || self.look.is_some_and(|look| !look.contains_key(&path));
        if waits { self.as_before(path) } else { self.read_now(path) }.into_iter().collect()
    }

    /// The files in a folder that can't be listed are not removed: their last good versions stay in force.
    fn read_folder(&self, folder: PathBuf) -> Vec<AudienceFile> {
        let known = self.last.in_force.keys().map(PathBuf::as_path).chain(self.broken.keys().copied());
        let known: BTreeSet<_> = known.filter(|path| path.starts_with(&folder) && *path != folder).collect();
        let mut files: Vec<_> = known.into_iter().filter_map(|path| self.read_now(path.to_owned())).collect();
        self.report.open(&folder);
        self.report.watch(&folder, None);
        let error = std::fs::read_dir(&folder).err().map(|error| format!(": {error}")).unwrap_or_default();
        let in_force = if files.is_empty() {
            "nothing in it is in force"
        } else {
            "the last good versions of the files in it stay in force"
        };
        let message = format!("the folder can't be read{error}; {in_force}");
        let mut file = AudienceFile::new(folder, FileNames::default());
        file.problems = self.report.apart(|| self.report.problem(Location::default(), "", message)).problems;
        files.push(file);
        files
    }

    fn as_before(&self, path: PathBuf) -> Option<AudienceFile> {
        let (last, broken) = (self.last.in_force.get(&path), self.broken.get(path.as_path()).copied());
        self.report.documents.borrow_mut().insert(path.clone());
        // The file counts as changed once nobody writes to it any more.
        self.report.watch(&path, last.map(|last| last.hash.clone()));
        let names = last.map(|last| &last.names).or(broken.map(|broken| &broken.names))?;
        let mut file = AudienceFile::new(path, names.clone());
        if let Some(last) = last {
            self.judge(&mut file, Arc::clone(&last.bytes));
        } else if let Some(broken) = broken {
            // While somebody mends it, nobody else gets what it claims.
            file.problems.clone_from(&broken.problems);
            file.contested.clone_from(&broken.contested);
        }
        Some(file)
    }

    /// What the look saw. `None` if that is nothing any more, and nothing was there before.
    fn read_now(&self, path: PathBuf) -> Option<AudienceFile> {
        let report = self.report;
        let seen = self.look.and_then(|look| look.get(&path));
        let last = self.last.in_force.get(&path);
        if let (Some(Some(seen)), Some(last)) = (seen, last)
            && *seen == last.hash
        {
            report.open(&path);
            report.documents.borrow_mut().insert(path.clone());
            report.watch(&path, Some(last.hash.clone()));
            let mut file = AudienceFile::new(path, last.names.clone());
            self.judge(&mut file, Arc::clone(&last.bytes));
            return Some(file);
        }
        report.open(&path);
        report.documents.borrow_mut().insert(path.clone());
        let names = self.names(&path, None);
        let mut file = AudienceFile::new(path, names);
        let bytes = match files::read_audience(self.folder, &file.path) {
            Ok(bytes) => bytes,
            Err(error) => {
                report.watch(&file.path, None);
                let noted = report.apart(|| report.problem(Location::default(), "", error.to_string()));
                file.problems = noted.problems;
                file.gone = error.is_gone();
                return Some(file);
            }
        };
        let hash = files::sha256(&bytes);
        if seen.is_some_and(|seen| seen.as_ref() != Some(&hash)) {
            // Somebody wrote to the file after the look.
            return self.as_before(file.path);
        }
        report.watch(&file.path, Some(hash));
        self.judge(&mut file, bytes.as_slice().into());
        Some(file)
    }

    fn judge(&self, file: &mut AudienceFile, bytes: Arc<[u8]>) {
        let last = self.last.in_force.get(&file.path);
        match self.check(&bytes, last) {
            Checked::Good(version) => {
                file.names = version.names.clone();
                file.contested = self.contested(&file.path).filter(|before| before.hash == version.hash).cloned();
                if last.is_some_and(|last| has_end(&last.bytes)) && !has_end(&bytes) {
                    file.problems = self.without_end();
                } else {
                    file.fresh = Some(*version);
                }
            }
            Checked::Broken { problems, tree } => {
                file.names = self.names(&file.path, tree.or_else(|| salvage(&bytes)).as_ref());
                file.problems = problems;
            }
        }
        file.bytes = Some(bytes);
    }

    /// The version may be half written.
    fn without_end(&self) -> Vec<Problem> {
        let message = "the file ends without `...`, and its last version had it: it may be half written";
        self.report.apart(|| self.report.problem(Location::default(), "", message)).problems
    }

    /// What the file lost to other files in the last load.
    fn contested(&self, path: &Path) -> Option<&Contested> {
        self.broken.get(path)?.contested.as_ref()
    }

    /// Falls back to the last good version, unless the file was removed, or `cambio.yaml` does not allow the version any more.
    pub(super) fn fall_back(&self, file: &mut AudienceFile) {
        let was_good = file.fresh.take().is_some();
        let last = self.last.in_force.get(&file.path).filter(|_| !file.gone);
        // What is on disk was checked already.
        let Some(last) = last.filter(|last| was_good || file.bytes.as_ref() != Some(&last.bytes)) else { return };
        self.report.open(&file.path);
        match self.check(&last.bytes, Some(last)) {
            Checked::Good(version) => file.kept = Some(*version),
            Checked::Broken { problems, .. } => {
                let misfits = problems.into_iter().map(|problem| Problem {
                    line: 0,
                    column: 0,
                    message: format!("its last good version does not fit cambio.yaml any more: {}", problem.message),
                    ..problem
                });
                file.problems.extend(misfits);
            }
        }
    }

    /// `last` is what the file said before. Nothing is checked twice.
    fn check(&self, bytes: &Arc<[u8]>, last: Option<&AudienceVersion>) -> Checked {
        let is_judged = self.judged_with.is_some_and(|hash| hash == self.last.judged_with);
        if let Some(last) = last.filter(|last| is_judged && last.bytes == *bytes) {
            return Checked::Good(Box::new(Version::of(last)));
        }
        let report = self.report;
        let checked = report.apart(|| {
            let document = document::parse::<Audience>(bytes, self.schema, None, report)?;
            let at = At::root(&document.tree, report);
            distinct(&document.file.resources, &at.field("resources"));
            let placed = audience::audience(&document.file, self.main, &at);
            Ok((document, placed))
        });
        match checked.result {
            Ok((document, Some(placed))) if checked.problems.is_empty() => {
                let ReadDocument { file, hash, .. } = document;
                let names = FileNames {
                    owner: Some(placed.audience.owner.clone()),
                    realm: Some(placed.realm.clone()),
                    audience: Some(file.audience),
                    resources: file.resources,
                };
                let warnings = checked.warnings.into();
                Checked::Good(Box::new(Version { bytes: Arc::clone(bytes), hash, placed, names, warnings }))
            }
            Ok((document, _)) => Checked::Broken { problems: checked.problems, tree: Some(document.tree) },
            Err(tree) => Checked::Broken { problems: checked.problems, tree },
        }
    }

    /// What the tree says of itself, else what was known of the file before.
    fn names(&self, path: &Path, tree: Option<&Node>) -> FileNames {
        let broken = || self.broken.get(path).map(|file| &file.names);
        let known = self.last.in_force.get(path).map(|version| &version.names).or_else(broken);
        let Some(tree) = tree else { return known.cloned().unwrap_or_default() };
        let text = |key: &str| match &tree.field(key)?.value {
            Value::Text(text) if (1..=LONGEST_NAME).contains(&text.trim().len()) => Some(text.trim().to_owned()),
            _ => None,
        };
        let only_realm = || self.realms().next().filter(|_| self.realms().count() == 1).map(str::to_owned);
        let resources = tree.field("resources").map(|node| match &node.value {
            Value::List(items) => items.iter().filter_map(text_of).collect(),
            _ => Vec::new(),
        });
        FileNames {
            owner: text("owner").or_else(|| known?.owner.clone()),
            // A file in a realm that does not exist may be about any.
            realm: text("realm").or_else(only_realm).filter(|name| self.realms().any(|realm| realm == name)),
            audience: text("audience").or_else(|| known?.audience.clone()),
            resources: resources.or_else(|| Some(known?.resources.clone())).unwrap_or_default(),
        }
    }
}

/// Whether the last line ends the YAML document (YAML 1.2.2 section 9.1.2).
fn has_end(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_end();
    text.strip_suffix(b"...").is_some_and(|rest| rest.last().is_none_or(|before| matches!(before, b'\n' | b'\r')))
}

/// The result of a check.
enum Checked {
    Good(Box<Version>),
    Broken { problems: Vec<Problem>, tree: Option<Node> },
}

/// What a file that is no YAML says of itself: the lines that are YAML on their own.
fn salvage(bytes: &[u8]) -> Option<Node> {
    let text = String::from_utf8_lossy(bytes);
    let line_of = |key: &str| {
        let mut lines = text.lines().filter(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')));
        lines.find(|line| tree::parse(line.as_bytes()).is_ok())
    };
    let lines: Vec<_> = ["audience", "owner", "realm"].into_iter().filter_map(line_of).collect();
    tree::parse(lines.join("\n").as_bytes()).ok().filter(|_| !lines.is_empty())
}

fn text_of(node: &Node) -> Option<String> {
    match &node.value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}

/// Reports resources that are listed twice.
pub(in crate::adapters::config::load) fn distinct(resources: &[String], at: &At<'_>) {
    let mut seen = BTreeSet::new();
    for (at, resource) in at.items(resources) {
        if !seen.insert(resource) {
            at.problem(format!("{resource:?} is listed twice"));
        }
    }
}
