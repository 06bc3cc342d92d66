//! The audience files of the folder, together.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::audience::{self, Main, Placed};
use super::document::{self, ReadDocument};
use super::files;
use super::problem::{At, ProblemList};
use super::tree::Location;
use crate::adapters::config::file;
use crate::adapters::config::schema;
use crate::adapters::config::settings::Config;
use crate::judgement::policy::model::Policy;

/// Where an audience or a resource was seen first: realm and name or URI → file.
type FirstSeen = BTreeMap<(String, String), PathBuf>;

/// Reads the audience files in `folder`. Checks that refer to `cambio.yaml` are left out if it could not be read
/// (`document`) or checked (`config`).
pub(super) fn policy(
    folder: &Path,
    document: Option<&ReadDocument<file::Config>>,
    config: Option<&Config>,
    report: &ProblemList,
) -> Policy {
    let mut policy = Policy::default();
    if let Some(config) = config {
        let mapped = config.issuers.values().filter_map(|one| Some((one.name.clone(), one.username.clone()?)));
        policy.usernames = mapped.collect();
    }
    let main = Main {
        realms: document.map(|document| &document.file.realms),
        usernames: config.is_some().then_some(&policy.usernames),
    };
    let paths = audience_paths(folder, document, report);
    let schema = schema::audience();
    let (mut audiences, mut resources) = (FirstSeen::new(), FirstSeen::new());
    // The text of `sha256sum *` in the folder, so that the hash can be computed without Cambio, too.
    let mut listing = String::new();
    for path in &paths {
        report.open(path);
        if !files::stays_in(folder, path) {
            report.watch(path, None);
            report.problem(Location::default(), "", files::LEADS_OUT);
            continue;
        }
        let before = report.count();
        let Ok(document) = document::read::<file::audience::Audience>(path, &schema, None, report) else {
            continue;
        };
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        listing.extend([&document.hash, "  ", &name, "\n"]);
        let at = At::root(&document.tree, report);
        let Some(placed) = audience::audience(&document.file, main, &at) else { continue };
        if report.count() > before {
            continue;
        }
        let Placed { realm, audience } = placed;
        if let Some(first) = audiences.insert((realm.clone(), audience.name.clone()), path.clone()) {
            let message = format!("the realm {realm} already has it in {}", first.display());
            at.field("audience").problem(message);
        }
        for (index, resource) in document.file.resources.iter().enumerate() {
            if let Some(first) = resources.insert((realm.clone(), resource.clone()), path.clone()) {
                let message = format!("{resource:?} already stands for the audience in {}", first.display());
                at.field("resources").item(index).problem(message);
            }
        }
        policy.realms.entry(realm).or_default().insert(audience.name.clone(), audience);
    }
    policy.hash = files::sha256(listing.as_bytes());
    policy
}

fn audience_paths(folder: &Path, document: Option<&ReadDocument<file::Config>>, report: &ProblemList) -> Vec<PathBuf> {
    let found = files::audience_files(folder);
    let Some(document) = document else { return found.unwrap_or_default() };
    let at = At::root(&document.tree, report).field("audiences");
    let shown = folder.display();
    match &found {
        Ok(paths) if paths.is_empty() => {
            at.warning(format!("no audience file in {shown}: every exchange is refused"));
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            at.warning(format!("no folder {shown}: every exchange is refused"));
        }
        Err(error) => at.problem(format!("the folder {shown} can't be read: {error}")),
    }
    found.unwrap_or_default()
}
