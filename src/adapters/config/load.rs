//! Reads and checks the files: all problems of all files at once, or a [`Config`]. A mistake in an audience file is no error
//! of the whole; the [`Config`] lists such files.
//!
//! `document` reads a file into its type and checks keys, types and scalars; the other modules check what crosses keys.
//! These files decide who gets which token: what Cambio does not understand in `cambio.yaml` stops the start, what Cambio does
//! not understand in an audience file stops that audience, and neither ever widens anything.

mod access;
mod audience;
mod clients;
mod closest;
mod document;
mod endpoints;
mod environment;
pub(super) mod files;
pub(super) mod format;
mod issuers;
pub mod keys;
mod limits;
mod platform;
mod policy;
mod preset;
mod problem;
mod realms;
pub mod review;
mod shape;
mod shared_secret;
mod store;
mod tree;
mod value;
mod written;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use self::document::ReadDocument;
pub use self::environment::{Environment, ProcessEnvironment};
pub use self::policy::Before;
use self::policy::{MainFile, ReadPolicy};
use self::problem::{At, ProblemList};
use self::tree::Value;
use super::problem::Problem;
use super::settings::audience_files::AudienceFiles;
use super::settings::{Config, Sources};
use super::{file, schema};
use crate::judgement::policy::model::Policy;

/// Reads `path` and the audience files that belong to it, as at a start. Audience files with a mistake are no error: they are
/// in [`Config::audience_files`], and none of their contents is in force.
///
/// # Errors
/// Every problem of every file, in the order of files and lines, if one of them is not an audience file's.
pub fn load(path: &Path, env: &dyn Environment) -> Result<Config, Vec<Problem>> {
    let before = Before { files: &AudienceFiles::default(), unsettled: &BTreeSet::new(), look: None, serving: false };
    attempt(path, env, before).0
}

/// Like [`load`], after another load. Also returns the files that were read: after a failure, a change of one of them is a
/// reason to try again.
pub fn attempt(path: &Path, env: &dyn Environment, before: Before<'_>) -> (Result<Config, Vec<Problem>>, Sources) {
    let base = path.parent().map(Path::to_owned).unwrap_or_default();
    let report = ProblemList::below(&base);
    report.open(path);
    let read = document::read::<file::Config>(path, &schema::config(), Some(env), &report);
    // If cambio.yaml is broken, the audience files are checked as far as possible without it.
    let folder = match &read {
        Ok(document) => Some(document.file.audiences.as_str()),
        Err(tree) => tree.as_ref().and_then(|tree| match &tree.field("audiences")?.value {
            Value::Text(folder) => Some(folder.as_str()),
            _ => None,
        }),
    };
    let folder = report.resolve(folder.unwrap_or("audiences"));
    let document = read.ok();
    let main = document.as_ref().and_then(|document| main_file(document, env, &report));
    let main_file = MainFile { path, document: document.as_ref(), config: main.as_ref() };
    let policy = policy::policy(&folder, main_file, before, &report);
    let sources = Sources { files: report.files.take(), documents: report.documents.take(), audiences: Some(folder) };
    (report.conclude(path, main, policy, &sources), sources)
}

/// The lines of the entries of `permissions` in an audience file, from 1. Nothing, if the file can't be read.
pub fn permission_lines(bytes: &[u8]) -> Vec<u64> {
    let tree = tree::parse(bytes).ok();
    let permissions = tree.as_ref().and_then(|tree| tree.field("permissions"));
    match permissions.map(|node| &node.value) {
        Some(Value::List(items)) => items.iter().map(|item| item.place.line).collect(),
        _ => Vec::new(),
    }
}

/// The audience files of a folder and of the folders in it, in the order of their names.
///
/// # Errors
/// The folder can't be read.
pub fn audience_files(folder: &Path) -> std::io::Result<Vec<std::path::PathBuf>> {
    Ok(files::audience_files(folder)?.sorted(folder))
}

/// The test files (`*.test.yaml`) of a folder of audience files, in the order of their names.
///
/// # Errors
/// The folder can't be read.
pub fn test_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    files::test_files(folder)
}

impl ProblemList {
    /// The configuration, if there is no problem.
    fn conclude(
        self,
        path: &Path,
        main: Option<Config>,
        read: ReadPolicy,
        sources: &Sources,
    ) -> Result<Config, Vec<Problem>> {
        let (mut problems, mut warnings) = (self.problems.into_inner(), self.warnings.into_inner());
        warnings.sort();
        if problems.is_empty() {
            let ReadPolicy { policy, files: audience_files } = read;
            // Every check that fails names a problem; a slip in one of them must not start a half-checked Cambio.
            let slip = || vec![Problem::of_file(path, "not valid")];
            let sources = sources.clone();
            return main.map(|main| Config { policy, audience_files, sources, warnings, ..main }).ok_or_else(slip);
        }
        problems.extend(read.files.problems());
        problems.sort();
        problems.dedup();
        Err(problems)
    }
}

/// Everything in `cambio.yaml`; the policy comes later.
fn main_file(document: &ReadDocument<file::Config>, env: &dyn Environment, report: &ProblemList) -> Option<Config> {
    let (file, at) = (&document.file, At::root(&document.tree, report));
    let upstream = platform::upstream(&file.upstream, &at.field("upstream"));
    let listen = platform::listen(&file.listen, &at.field("listen"));
    let admin = platform::admin(&file.admin, &file.listen, &at.field("admin"));
    if let (Some(listen), Some(admin)) = (&listen, &admin) {
        platform::leads_elsewhere(
            &file.upstream.url,
            listen.address,
            admin.address,
            &at.field("upstream").field("url"),
        );
    }
    let realms = realms::realms(file, &at.field("realms"));
    let observed_until = at.optional("observeUntil", file.observe_until.as_deref(), |day, at| {
        value::observed(day, "exchanges and closed grants of realms that are not configured are", at)
    });
    let proxies = access::proxies(file, env, report);
    let issuers = issuers::issuers(file, &proxies, &at.field("issuers"));
    let store = store::store(&file.store, &at.field("store"));
    clients::certificates_come(&file.realms, &file.listen, &at.field("realms"));
    let audit = platform::audit(&file.audit, &at.field("audit"));
    Some(Config {
        upstream: upstream?,
        listen: listen?,
        admin: admin?,
        realms: realms?,
        observed_until: observed_until?,
        issuers: issuers?,
        proxies,
        policy: Policy::default(),
        audience_files: AudienceFiles::default(),
        store: store?,
        audit: audit?,
        log: platform::log(&file.log),
        threads: platform::threads(&file.runtime)?,
        memory: platform::memory(&file.runtime),
        hash: document.hash.clone(),
        sources: Sources::default(),
        warnings: Vec::new(),
    })
}

#[cfg(test)]
pub(super) mod tests;
