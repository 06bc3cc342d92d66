//! The audience files of the folder, together. A mistake in a file harms no audience but the file's own.

mod claims;
mod version;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use self::version::{AudienceFile, VersionReader};
use super::audience::Main;
use super::document::ReadDocument;
use super::files;
use super::problem::{At, ProblemList};
use crate::adapters::config::file;
use crate::adapters::config::problem::Problem;
use crate::adapters::config::schema;
use crate::adapters::config::settings::Config;
use crate::adapters::config::settings::audience_files::{AudienceFiles, AudienceVersion, BrokenAudienceFile};
use crate::judgement::policy::broken::BrokenFiles;
use crate::judgement::policy::model::Policy;

/// The policy, and the files that it comes from.
#[derive(Default)]
pub(super) struct ReadPolicy {
    pub(super) policy: Policy,
    pub(super) files: AudienceFiles,
}

/// `cambio.yaml`, as far as it could be read (`document`) and checked (`config`).
#[derive(Clone, Copy)]
pub(super) struct MainFile<'a> {
    pub(super) path: &'a Path,
    pub(super) document: Option<&'a ReadDocument<file::Config>>,
    pub(super) config: Option<&'a Config>,
}

/// Reads the audience files in `folder`. Checks that refer to `cambio.yaml` are left out if it could not be read or checked.
/// If a file is broken, its version in `last` stays in force, as long as `cambio.yaml` still allows it.
pub(super) fn policy(folder: &Path, main_file: MainFile<'_>, last: &AudienceFiles, report: &ProblemList) -> ReadPolicy {
    let mut read = ReadPolicy::default();
    if let Some(config) = main_file.config {
        let mapped = config.issuers.values().filter_map(|one| Some((one.name.clone(), one.username.clone()?)));
        read.policy.usernames = mapped.collect();
    }
    let main = Main {
        realms: main_file.document.map(|document| &document.file.realms),
        usernames: main_file.config.is_some().then_some(&read.policy.usernames),
    };
    let paths = audience_paths(folder, main_file, report);
    let reader = VersionReader { folder, main, schema: schema::audience(), last, report };
    let mut files: Vec<_> = paths.into_iter().map(|path| reader.read(path)).collect();
    for file in files.iter_mut().filter(|file| file.fresh.is_none()) {
        reader.fall_back(file);
    }
    claims::settle(&mut files, &reader);
    for mut file in files {
        // Every check that fails names a problem; without a good `cambio.yaml`, some checks were left out.
        if file.fresh.is_none() && file.problems.is_empty() && report.problems.borrow().is_empty() {
            file.problems.push(Problem::of_file(&file.path, "not valid"));
        }
        read.add(file, report);
    }
    read.policy.broken = BrokenFiles(read.files.broken.iter().map(BrokenAudienceFile::for_refusals).collect());
    read.policy.hash = files::sha256(listing(&read).as_bytes());
    read
}

impl ReadPolicy {
    fn add(&mut self, file: AudienceFile, report: &ProblemList) {
        let AudienceFile { path, fresh, kept, mut problems, names, contested, .. } = file;
        if fresh.is_none() {
            problems.sort();
            let (path, kept) = (path.clone(), kept.is_some());
            self.files.broken.push(BrokenAudienceFile { path, names, problems, more: 0, kept, contested });
        }
        let Some(version) = fresh.or(kept) else { return };
        report.warnings.borrow_mut().extend(version.warnings);
        let names = version.names;
        let (realm, audience) = (version.placed.realm, version.placed.audience);
        self.files.in_force.insert(path, AudienceVersion { bytes: version.bytes, hash: version.hash, names });
        self.policy.realms.entry(realm).or_default().insert(audience.name.clone(), audience);
    }
}

/// The text of `sha256sum *` in the folder, so that the hash can be computed without Cambio, too.
fn listing(read: &ReadPolicy) -> String {
    let line = |(path, version): (&PathBuf, &AudienceVersion)| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        format!("{}  {name}\n", version.hash)
    };
    read.files.in_force.iter().map(line).collect()
}

fn audience_paths(folder: &Path, main: MainFile<'_>, report: &ProblemList) -> Vec<PathBuf> {
    let found = files::audience_files(folder);
    let Some(document) = main.document else { return found.unwrap_or_default() };
    let at = At::root(&document.tree, report).field("audiences");
    let shown = folder.display();
    match &found {
        Ok(paths) if paths.is_empty() => {
            at.warning(format!("no audience file in {shown}: every exchange is refused"));
        }
        Ok(paths) => {
            // A link to this file is the mistake of whoever made the link.
            let same = main.path.parent().map(Path::canonicalize).and_then(Result::ok) == folder.canonicalize().ok();
            if same && paths.iter().any(|path| path.file_name() == main.path.file_name()) {
                at.problem(format!("the folder {shown} has this file among the audience files"));
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            at.warning(format!("no folder {shown}: every exchange is refused"));
        }
        Err(error) => at.problem(format!("the folder {shown} can't be read: {error}")),
    }
    found.unwrap_or_default()
}
