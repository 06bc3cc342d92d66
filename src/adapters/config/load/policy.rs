//! The audience files of the folder, together. A mistake in a file harms no audience but the file's own.

mod before;
mod claims;
mod read;
mod version;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::before::Before;
use self::read::read_all;
pub(super) use self::version::distinct;
use self::version::{AudienceFile, Ground, Version, VersionReader};
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
/// If a file is broken, its version in `before` stays in force, as long as `cambio.yaml` still allows it.
pub(super) fn policy(folder: &Path, main_file: MainFile<'_>, before: Before<'_>, report: &ProblemList) -> ReadPolicy {
    let last = before.files;
    let mut read = ReadPolicy::default();
    if let Some(config) = main_file.config {
        let mapped = config.issuers.values().filter_map(|one| Some((one.name.clone(), one.username.clone()?)));
        read.policy.usernames = mapped.collect();
    }
    let main = Main {
        realms: main_file.document.map(|document| &document.file.realms),
        issuers: main_file.config.map(|config| &config.issuers),
    };
    let paths = audience_paths(folder, main_file, last, report);
    let judged_with = main_file.config.map(|config| config.hash.as_str());
    let schema = schema::audience();
    let ground = Ground::new(folder, main, &schema, before, judged_with);
    let mut files = read_all(&ground, paths, before.serving, report);
    let reader = VersionReader { ground: &ground, report };
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
    read.policy.hash = files::sha256(listing(folder, &read).as_bytes());
    judged_with.unwrap_or_default().clone_into(&mut read.files.judged_with);
    read
}

impl ReadPolicy {
    fn add(&mut self, file: AudienceFile, report: &ProblemList) {
        let AudienceFile { path, fresh, kept, mut problems, names, contested, .. } = file;
        // The places of warnings about the last good version are those of another text.
        if let Some(version) = &fresh {
            report.warnings.borrow_mut().extend_from_slice(&version.warnings);
        } else {
            problems.sort();
            let (path, kept) = (path.clone(), kept.is_some());
            self.files.broken.push(BrokenAudienceFile { path, names, problems, more: 0, kept, contested });
        }
        let Some(version) = fresh.or(kept) else { return };
        let Version { bytes, hash, placed, names, warnings } = version;
        let audience = Arc::clone(&placed.audience);
        self.files.in_force.insert(path, AudienceVersion { bytes, hash, names, audience, warnings });
        self.policy.realms.entry(placed.realm).or_default().insert(placed.audience);
    }
}

/// What `sha256sum` prints for the files in the order of their paths' bytes, with paths relative to the folder, so that the
/// hash can be computed without Cambio, too.
fn listing(folder: &Path, read: &ReadPolicy) -> String {
    let line = |(path, version): (&PathBuf, &AudienceVersion)| {
        format!("{}  {}\n", version.hash, path.strip_prefix(folder).unwrap_or(path).display())
    };
    let mut files: Vec<_> = read.files.in_force.iter().collect();
    files.sort_by_key(|(path, _)| path.as_os_str());
    files.into_iter().map(line).collect()
}

fn audience_paths(folder: &Path, main: MainFile<'_>, last: &AudienceFiles, report: &ProblemList) -> Vec<PathBuf> {
    let found = files::audience_files(folder).map(|listing| listing.sorted(folder));
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
        // Whoever takes the folder away does not mean that everything is forbidden.
        Err(error) if error.kind() == ErrorKind::NotFound && !last.in_force.is_empty() => {
            at.problem(format!("the folder {shown}, which had audience files, is gone"));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            at.warning(format!("no folder {shown}: every exchange is refused"));
        }
        Err(error) => at.problem(format!("the folder {shown} can't be read: {error}")),
    }
    found.unwrap_or_default()
}

#[cfg(test)]
mod tests;
