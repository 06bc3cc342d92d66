//! Some audience files, for their owner, who may not have the platform's file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::platform::ReadPlatform;
use crate::adapters::config::file::audience::Audience;
use crate::adapters::config::load::audience::{self, Main};
use crate::adapters::config::load::document;
use crate::adapters::config::load::environment::Environment;
use crate::adapters::config::load::files::{is_test_file, read_audience};
use crate::adapters::config::load::policy::distinct;
use crate::adapters::config::load::problem::{At, ProblemList};
use crate::adapters::config::load::tree::{self, Location};
use crate::adapters::config::problem::Problem;
use crate::adapters::config::schema;

/// What was found in some audience files.
#[derive(Default)]
pub struct FilesReview {
    /// What is wrong, in the order of files and lines.
    pub problems: Vec<Problem>,
    /// What their owners should look at.
    pub warnings: Vec<Problem>,
    /// The files with the right keys and types.
    pub files: Vec<ReviewedFile>,
    /// Files of tests, which are no audience files.
    pub tests: Vec<PathBuf>,
    /// Realm → the clients that Cambio authenticates itself. Empty without the platform's file.
    pub clients: BTreeMap<String, BTreeSet<String>>,
    /// How many problems the platform's file has itself.
    pub problems_of_platform: usize,
}

/// An audience file with the right keys and types.
pub struct ReviewedFile {
    /// The path.
    pub path: PathBuf,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What the file says.
    pub file: Audience,
    /// The realm: the written one, or the platform's only one.
    pub realm: Option<String>,
}

/// Reads and checks some audience files. No other file is read but `platform`, and no secret is needed. Without the platform's
/// file, what the files say is not compared with any realm or issuer.
///
/// # Errors
/// Every problem of the platform's file, if that file can't be read into its type.
pub fn review_files(
    paths: &[PathBuf],
    platform: Option<&Path>,
    env: &dyn Environment,
) -> Result<FilesReview, Vec<Problem>> {
    let platform = platform.map(|path| ReadPlatform::of(path, env)).transpose()?;
    let main = Main {
        realms: platform.as_ref().map(|platform| &platform.document.file.realms),
        issuers: platform.as_ref().and_then(|platform| platform.config.as_ref()).map(|config| &config.issuers),
    };
    let (report, schema, mut review) = (ProblemList::default(), schema::audience(), FilesReview::default());
    for path in paths {
        if is_test_file(path) {
            review.tests.push(path.clone());
            continue;
        }
        report.open(path);
        let Some((bytes, document)) = read(path, &schema, &report) else { continue };
        let at = At::root(&document.tree, &report);
        distinct(&document.file.resources, &at.field("resources"));
        let placed = audience::audience(&document.file, main, &at);
        let realm = placed.map(|placed| placed.realm).or_else(|| document.file.realm.clone());
        review.files.push(ReviewedFile { path: path.clone(), bytes, file: document.file, realm });
    }
    claimed_twice(&review.files, &report);
    review.problems = report.problems.into_inner();
    review.warnings = report.warnings.into_inner();
    review.problems.sort();
    review.warnings.sort();
    if let Some(platform) = platform {
        review.problems_of_platform = platform.report.problems.borrow().len();
        let realms = platform.document.file.realms;
        review.clients = realms.into_iter().map(|(name, one)| (name, one.clients.into_keys().collect())).collect();
    }
    Ok(review)
}

/// The file in its type, with its bytes.
fn read(
    path: &Path,
    schema: &serde_json::Value,
    report: &ProblemList,
) -> Option<(Vec<u8>, document::ReadDocument<Audience>)> {
    let folder = path.parent().unwrap_or(path);
    let bytes = match read_audience(folder, path) {
        Ok(bytes) => bytes.to_vec(),
        Err(error) => {
            report.problem(Location::default(), "", error.to_string());
            return None;
        }
    };
    let is_platforms = |tree: &tree::Node| tree.field("upstream").is_some() && tree.field("realms").is_some();
    let parsed = report.apart(|| document::parse::<Audience>(&bytes, schema, None, report));
    if parsed.result.is_err()
        && let Some(tree) = tree::parse(&bytes).ok().filter(is_platforms)
    {
        report.problem(tree.place, "", "is the platform's file and no audience file: write --config before its name");
        return None;
    }
    report.problems.borrow_mut().extend(parsed.problems);
    report.warnings.borrow_mut().extend(parsed.warnings);
    parsed.result.ok().map(|document| (bytes, document))
}

/// Reports an audience or a resource that two of the files claim in one realm.
fn claimed_twice(files: &[ReviewedFile], report: &ProblemList) {
    let mut claims: BTreeMap<(&Option<String>, &str, &str), Vec<&ReviewedFile>> = BTreeMap::new();
    for file in files {
        claims.entry((&file.realm, "audience", &file.file.audience)).or_default().push(file);
        for resource in &file.file.resources {
            claims.entry((&file.realm, "resources", resource)).or_default().push(file);
        }
    }
    for ((_, key, name), claimants) in claims.into_iter().filter(|(_, claimants)| claimants.len() > 1) {
        for (index, file) in claimants.iter().enumerate() {
            let others = claimants.iter().enumerate().filter(|(other, _)| *other != index);
            let others: Vec<_> = others.map(|(_, other)| other.path.display().to_string()).collect();
            let Ok(tree) = tree::parse(&file.bytes) else { continue };
            report.open(&file.path);
            let root = At::root(&tree, report);
            let position = file.file.resources.iter().position(|one| one == name).unwrap_or_default();
            let at = if key == "audience" { root.field(key) } else { root.field(key).item(position) };
            at.problem(format!("{name:?} is in {}, too: only one file of a realm can have it", others.join(", ")));
        }
    }
}
