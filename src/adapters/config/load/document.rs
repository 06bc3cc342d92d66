//! Reads a file into its type: bytes → located tree → `${NAME}` → presets → check against the schema → the type.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::environment::{self, Environment};
use super::files;
use super::preset;
use super::problem::ProblemList;
use super::shape;
use super::tree::{self, Location, Node};
use crate::adapters::config::file::{Config, audience::Audience, keys::Manifest};

/// A file that people write.
pub(super) trait Written: DeserializeOwned {
    /// Fills in what the file says in other words.
    fn complete(_: &mut Node) {}
}

impl Written for Config {
    fn complete(tree: &mut Node) {
        preset::lay_under(tree);
    }
}

impl Written for Audience {}

impl Written for Manifest {}

/// A file in its type, with the tree that knows the places.
pub(super) struct ReadDocument<T> {
    pub(super) file: T,
    pub(super) tree: Node,
    /// SHA-256 of the bytes, in hexadecimal.
    pub(super) hash: String,
}

/// Reads `path`. The error is the tree that does not fit the type, if there is a tree.
pub(super) fn read<T: Written>(
    path: &Path,
    schema: &Json,
    env: Option<&dyn Environment>,
    report: &ProblemList,
) -> Result<ReadDocument<T>, Option<Node>> {
    report.documents.borrow_mut().insert(path.to_owned());
    let bytes = match files::read_noted(path, report) {
        Ok(bytes) => bytes,
        Err(message) => {
            report.problem(Location::default(), "", message);
            return Err(None);
        }
    };
    parse(&bytes, schema, env, report)
}

/// [`read`] for the bytes of a file.
pub(super) fn parse<T: Written>(
    bytes: &[u8],
    schema: &Json,
    env: Option<&dyn Environment>,
    report: &ProblemList,
) -> Result<ReadDocument<T>, Option<Node>> {
    let mut tree = match tree::parse(bytes) {
        Ok(tree) => tree,
        Err((place, message)) => {
            report.problem(place, "", message);
            return Err(None);
        }
    };
    environment::expand(&mut tree, env, report);
    T::complete(&mut tree);
    if !shape::check(&mut tree, schema, report) {
        return Err(Some(tree));
    }
    match serde_json::from_value(tree.to_json()) {
        Ok(file) => Ok(ReadDocument { file, tree, hash: files::sha256(bytes) }),
        Err(error) => {
            report.problem(tree.place, "", error.to_string());
            Err(Some(tree))
        }
    }
}
