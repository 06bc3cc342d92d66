//! Reads the files and checks them: all problems of all files at once, or a [`Config`] in which nothing is in doubt.
//!
//! The way of a file: bytes → located tree → `${NAME}` → shape against the schema of its type → the type →
//! checked values. Whoever may change these files decides who gets which token: what is not understood stops the
//! start, and never widens anything.

mod audience;
mod clients;
mod dpop;
mod environment;
pub(super) mod files;
mod introspection;
mod issuers;
pub mod keys;
mod platform;
mod problem;
mod refresh;
mod shape;
mod store;
mod tree;
mod value;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value as Json;

pub use self::environment::{Environment, ProcessEnvironment};
use self::problem::{At, ProblemList};
use self::tree::{Location, Node};
pub use self::value::parse_period;
use super::problem::Problem;
use super::settings::{Config, Sources};
use super::{file, schema};
use crate::judgement::expression::Expression;
use crate::judgement::policy::model::Policy;

/// Reads `path` and the audience files that belong to it.
///
/// # Errors
/// Every problem of every file, in the order of files and lines.
pub fn load(path: &Path, env: &dyn Environment) -> Result<Config, Vec<Problem>> {
    attempt(path, env).0
}

/// As [`load`], with the files that were looked at: after a failure, a change of one of them is a reason to try again.
pub fn attempt(path: &Path, env: &dyn Environment) -> (Result<Config, Vec<Problem>>, Sources) {
    let base = path.parent().map(Path::to_owned).unwrap_or_default();
    let mut report = ProblemList { base, ..ProblemList::default() };
    report.open(path);
    let written = read::<file::Config>(path, &schema::config(), Some(env), &mut report);
    // Where cambio.yaml is broken, the audience files are checked as far as they can be without it.
    let folder = match &written {
        Ok(read) => Some(report.resolve(&read.file.audiences)),
        Err(tree) => tree.as_ref().and_then(|tree| match &tree.field("audiences")?.value {
            tree::Value::Text(folder) => Some(report.resolve(folder)),
            _ => None,
        }),
    };
    let folder = folder.unwrap_or_else(|| report.resolve("audiences"));
    let written = written.ok();
    let main = written.as_ref().and_then(|read| main_file(read, &mut report));
    let usernames = main.as_ref().map(usernames);
    let policy = self::policy(&folder, written.as_ref(), usernames, &mut report);
    let sources = Sources { files: std::mem::take(&mut report.files), audiences: Some(folder) };
    if !report.problems.is_empty() {
        report.problems.sort();
        report.problems.dedup();
        return (Err(report.problems), sources);
    }
    let Some(mut config) = main else {
        // Every check that gives nothing names a problem; a slip in one of them must not start a half-checked Cambio.
        let problem = Problem {
            file: path.to_owned(),
            line: 0,
            column: 0,
            key: String::new(),
            message: "not valid".to_owned(),
        };
        return (Err(vec![problem]), sources);
    };
    config.policy = policy;
    report.warnings.sort();
    config.warnings = report.warnings;
    config.sources = sources.clone();
    (Ok(config), sources)
}

/// A file in its type, or the tree that does not fit it; neither where there is no tree.
type Reading<T> = Result<Read<T>, Option<Node>>;

/// A file in its type, with the tree that knows the places.
struct Read<T> {
    file: T,
    tree: Node,
    hash: String,
}

fn read<T: DeserializeOwned>(
    path: &Path,
    schema: &Json,
    env: Option<&dyn Environment>,
    report: &mut ProblemList,
) -> Reading<T> {
    let bytes = match files::read_noted(path, report) {
        Ok(bytes) => bytes,
        Err(message) => {
            report.problem(Location::default(), "", message);
            return Err(None);
        }
    };
    let mut tree = match tree::parse(&bytes) {
        Ok(tree) => tree,
        Err((place, message)) => {
            report.problem(place, "", message);
            return Err(None);
        }
    };
    environment::expand(&mut tree, "", env, report);
    if !shape::check(&mut tree, schema, report) {
        return Err(Some(tree));
    }
    match serde_json::from_value(tree.to_json()) {
        Ok(file) => Ok(Read { file, tree, hash: files::sha256(&bytes) }),
        Err(error) => {
            report.problem(tree.place, "", error.to_string());
            Err(Some(tree))
        }
    }
}

/// Everything of `cambio.yaml`; the policy comes later.
fn main_file(read: &Read<file::Config>, report: &mut ProblemList) -> Option<Config> {
    let (file, at) = (&read.file, At::root(&read.tree));
    let upstream = platform::upstream(&file.upstream, &at.field("upstream"), report);
    let listen = platform::listen(&file.listen, &at.field("listen"), report);
    let listen_address = listen.as_ref().map(|listen| listen.address);
    let admin = platform::admin(&file.admin, listen_address, &at.field("admin"), report);
    let written = issuers::Written { realms: &file.realms, issuers: &file.issuers };
    let realms = issuers::realms(written, &at.field("realms"), report);
    let issuers = issuers::issuers(written, &at.field("issuers"), report);
    let store = store::store(&file.store, &at.field("store"), report);
    clients::certificates_come(&file.realms, &file.listen, &at.field("realms"), report);
    let audit = platform::audit(&file.audit, &at.field("audit"), report);
    let log = platform::log(&file.log, &at.field("log"), report);
    let threads = platform::threads(&file.runtime, &at.field("runtime"), report);
    Some(Config {
        upstream: upstream?,
        listen: listen?,
        admin: admin?,
        realms: realms?,
        issuers: issuers?,
        policy: Policy::default(),
        store: store?,
        audit: audit?,
        log: log?,
        threads: threads?,
        hash: read.hash.clone(),
        sources: Sources::default(),
        warnings: Vec::new(),
    })
}

/// Where an audience or a resource was seen first: realm, then name or URI → file.
type FirstSeen = BTreeMap<(String, String), PathBuf>;

/// The local names of foreign subjects, by issuer.
fn usernames(config: &Config) -> BTreeMap<String, Expression> {
    let mapped = config.issuers.values().filter_map(|one| Some((one.name.clone(), one.username.clone()?)));
    mapped.collect()
}

fn policy(
    folder: &Path,
    main: Option<&Read<file::Config>>,
    usernames: Option<BTreeMap<String, Expression>>,
    report: &mut ProblemList,
) -> Policy {
    let realms = main.map(|read| &read.file.realms);
    let mut policy = Policy::default();
    let paths = audience_paths(folder, main, report);
    let schema = schema::audience();
    let (mut audiences, mut resources) = (FirstSeen::new(), FirstSeen::new());
    // The text of `sha256sum *` in the folder, so that the hash can be had without Cambio, too.
    let mut listing = String::new();
    for file in &paths {
        report.open(file);
        let Ok(read) = self::read::<file::audience::Audience>(file, &schema, None, report) else { continue };
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        listing.extend([&read.hash, "  ", &name, "\n"]);
        let at = At::root(&read.tree);
        let Some(placed) = audience::audience(&read.file, realms, usernames.as_ref(), &at, report) else {
            continue;
        };
        let key = (placed.realm.clone(), placed.audience.name.clone());
        if let Some(first) = audiences.insert(key, file.clone()) {
            let message = format!("the realm {} has it in {} already", placed.realm, first.display());
            at.field("audience").problem(report, message);
        }
        for (index, resource) in read.file.resources.iter().enumerate() {
            if let Some(first) = resources.insert((placed.realm.clone(), resource.clone()), file.clone()) {
                let message = format!("{resource:?} means the audience in {} already", first.display());
                at.field("resources").item(index).problem(report, message);
            }
        }
        policy.realms.entry(placed.realm).or_default().insert(placed.audience.name.clone(), placed.audience);
    }
    policy.usernames = usernames.unwrap_or_default();
    policy.hash = files::sha256(listing.as_bytes());
    policy
}

fn audience_paths(
    folder: &Path,
    main: Option<&Read<file::Config>>,
    report: &mut ProblemList,
) -> Vec<PathBuf> {
    let found = files::audience_files(folder);
    let Some(read) = main else { return found.unwrap_or_default() };
    let at = At::root(&read.tree).field("audiences");
    match found {
        Ok(paths) => {
            if paths.is_empty() {
                at.warning(
                    report,
                    format!("no audience file in {}: every exchange is refused", folder.display()),
                );
            }
            paths
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            at.warning(report, format!("no folder {}: every exchange is refused", folder.display()));
            Vec::new()
        }
        Err(error) => {
            at.problem(report, format!("the folder {} can't be read: {error}", folder.display()));
            Vec::new()
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
