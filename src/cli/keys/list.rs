//! `cambio keys list`: the public facts about a folder's keys.

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::arguments::ListKeysArguments;
use super::error::KeysError;
use super::folder;
use crate::adapters::config::load::keys::FolderKey;
use crate::judgement::issue::ring::{KeyState, gone};

/// Prints the folder's keys.
pub(super) fn run(arguments: &ListKeysArguments, output: &mut impl Write) -> Result<(), KeysError> {
    print(&arguments.dir, arguments.json, output)
}

/// Prints one line for each key, in the order in which they are published, or a JSON array.
pub(super) fn print(path: &Path, json: bool, output: &mut impl Write) -> Result<(), KeysError> {
    let mut keys = folder::keys(path)?;
    folder::sort(&mut keys);
    let text = if json {
        format!("{:#}\n", Value::Array(keys.iter().map(as_json).collect()))
    } else {
        let heading = format!("{:43}  {:5}  {:7}  {:20}  PUBLISHED UNTIL\n", "KID", "ALG", "STATE", "SINCE");
        heading + &keys.iter().map(as_line).collect::<String>()
    };
    output.write_all(text.as_bytes()).map_err(KeysError::Output)
}

fn as_line(key: &FolderKey) -> String {
    let until = until(key).unwrap_or_else(|| "-".to_owned());
    let FolderKey { kid, state, since, .. } = key;
    format!("{kid}  {:5}  {:7}  {since:20}  {until}\n", algorithm(key), state.as_str())
}

fn as_json(key: &FolderKey) -> Value {
    json!({
        "kid": key.kid,
        "alg": algorithm(key),
        "state": key.state.as_str(),
        "since": key.since.to_string(),
        "until": until(key),
    })
}

/// When the key will no longer be published: a retired key goes when its last token has expired.
fn until(key: &FolderKey) -> Option<String> {
    (key.state == KeyState::Retired).then(|| gone(key.since).to_string())
}

fn algorithm(key: &FolderKey) -> &str {
    key.jwk.get("alg").and_then(Value::as_str).unwrap_or_default()
}
