//! `cambio keys generate`, `cambio keys list` and `cambio keys rotate`.

use std::io::Write;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::adapters::config::load::keys::{FolderKey, MANIFEST};
use crate::judgement::issue::key::{self, KeyKind, SigningKey};
use crate::judgement::issue::ring::{KeyState, gone};
use crate::tools::keys::arguments::{GenerateKeyArguments, ListKeysArguments, RotateKeysArguments, kind_of};
use crate::tools::keys::error::KeysError;
use crate::tools::keys::folder::{self, FolderChange, LockedFolder, NewKey};

/// How long the next key is published before it signs: resource servers keep key sets for minutes.
const MIN_PUBLISHED: SignedDuration = SignedDuration::from_mins(10);
/// How long a next key with another algorithm is published before it signs. Some resource servers read the algorithms
/// only when they start, and need the time to be restarted.
const MIN_PUBLISHED_ALGORITHM: SignedDuration = SignedDuration::from_hours(24);

/// Makes a key, or changes a folder of keys.
///
/// A single private key goes to the file (mode 0600) or to standard output. Its public JWK goes to standard output, or to
/// standard error if the private key is on standard output, so that `>` catches one thing only. The `kid` always goes to
/// standard error.
pub(super) fn generate(
    arguments: &GenerateKeyArguments,
    now: Timestamp,
    output: &mut impl Write,
    notes: &mut impl Write,
) -> Result<(), KeysError> {
    let kind = arguments.kind;
    if let Some(folder) = &arguments.dir {
        return into_folder(folder, kind, now, output);
    }
    let pem = key::generate(kind)?;
    let key = SigningKey::from_pem(pem.expose().as_bytes())?;
    if let Some(path) = &arguments.out {
        folder::create(path, pem.expose().as_bytes())?;
        writeln!(output, "{}", key.jwk()).map_err(KeysError::Output)?;
    } else {
        write!(output, "{}", pem.expose()).map_err(KeysError::Output)?;
        writeln!(notes, "{}", key.jwk()).map_err(KeysError::Output)?;
    }
    writeln!(notes, "kid {}", key.kid()).map_err(KeysError::Output)
}

/// Prints the folder's keys.
pub(super) fn list(arguments: &ListKeysArguments, output: &mut impl Write) -> Result<(), KeysError> {
    print(&arguments.dir, arguments.json, output)
}

/// Rotates the folder's keys.
pub(super) fn rotate(
    arguments: &RotateKeysArguments,
    now: Timestamp,
    output: &mut impl Write,
    notes: &mut impl Write,
) -> Result<(), KeysError> {
    let folder = LockedFolder::existing(&arguments.dir)?;
    let min_published = if arguments.now { Some(SignedDuration::MIN) } else { arguments.min_published };
    let mut rotated = rotated(folder.keys()?, min_published, now)?;
    let kind = arguments.kind.or(rotated.kind).unwrap_or(KeyKind::Rsa);
    let new = NewKey::make(kind, KeyState::Next, now)?;
    rotated.keys.push(new.key.clone());
    folder.apply(FolderChange { write: vec![new], keys: rotated.keys })?;
    if let Some(remark) = rotated.remark {
        writeln!(notes, "{remark}").map_err(KeysError::Output)?;
    }
    for kid in rotated.pruned {
        writeln!(notes, "dropped {kid}: its last token has expired").map_err(KeysError::Output)?;
    }
    print(&arguments.dir, false, output)
}

/// Makes a folder with its active and its next key, or adds the next key to a folder.
fn into_folder(path: &Path, kind: KeyKind, now: Timestamp, output: &mut impl Write) -> Result<(), KeysError> {
    let folder = LockedFolder::made(path)?;
    let first = !path.join(MANIFEST).exists();
    let mut keys = if first { Vec::new() } else { folder.keys()? };
    if let Some(next) = keys.iter().find(|key| key.state == KeyState::Next) {
        return Err(KeysError::NextIsThere(next.kid.clone()));
    }
    let mut write = vec![NewKey::make(kind, KeyState::Next, now)?];
    if first {
        write.push(NewKey::make(kind, KeyState::Active, now)?);
    }
    keys.extend(write.iter().map(|new| new.key.clone()));
    folder.apply(FolderChange { write, keys })?;
    print(path, false, output)
}

/// The keys after a rotation, without the new next key.
pub(super) struct RotatedKeys {
    pub(super) keys: Vec<FolderKey>,
    /// The kids of the retired keys that were dropped.
    pub(super) pruned: Vec<String>,
    /// The kind of the key that became active.
    pub(super) kind: Option<KeyKind>,
    /// What some resource servers may need.
    pub(super) remark: Option<String>,
}

/// Makes the next key active, retires the active key, and drops retired keys whose last token has expired. The next key
/// must have been published for `min_published`, or for the default of its algorithm.
pub(super) fn rotated(
    keys: Vec<FolderKey>,
    min_published: Option<SignedDuration>,
    now: Timestamp,
) -> Result<RotatedKeys, KeysError> {
    let next = keys.iter().find(|key| key.state == KeyState::Next).ok_or(KeysError::NextIsMissing)?;
    let is_new = keys.iter().any(|key| key.state == KeyState::Active && algorithm(key) != algorithm(next));
    let least = min_published.unwrap_or(if is_new { MIN_PUBLISHED_ALGORITHM } else { MIN_PUBLISHED });
    if now.duration_since(next.since) < least {
        let (kid, since) = (next.kid.clone(), next.since);
        let from = since.checked_add(least).unwrap_or(Timestamp::MAX);
        let algorithm = algorithm(next).to_owned();
        return Err(match min_published {
            None if is_new => KeysError::NewAlgorithm { kid, algorithm, since, from },
            _ => KeysError::TooYoung { kid, since, from },
        });
    }
    let remark = is_new.then(|| {
        let (algorithm, since) = (algorithm(next), next.since);
        format!(
            "resource servers that read the algorithms only when they start refuse {algorithm} if they were started before {since}"
        )
    });
    let kind = next.jwk.get("alg").and_then(Value::as_str).and_then(kind_of);
    let (mut kept, mut pruned) = (Vec::new(), Vec::new());
    for mut key in keys {
        match key.state {
            KeyState::Next => (key.state, key.since) = (KeyState::Active, now),
            KeyState::Active => {
                // If the clock was set back, `now` may be earlier than the moment from which the key signed.
                (key.state, key.since, key.file) = (KeyState::Retired, now.max(key.since), None);
            }
            KeyState::Retired if gone(key.since) <= now => {
                pruned.push(key.kid);
                continue;
            }
            KeyState::Retired => {}
        }
        kept.push(key);
    }
    Ok(RotatedKeys { keys: kept, pruned, kind, remark })
}

/// Prints one line for each key, in the order in which they are published, or a JSON array.
fn print(path: &Path, json: bool, output: &mut impl Write) -> Result<(), KeysError> {
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
