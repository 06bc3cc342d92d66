//! `cambio keys rotate`: the next key becomes active, the active key retires, a new next key is made.

use std::io::Write;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::arguments::RotateKeysArguments;
use super::error::KeysError;
use super::folder::{FolderChange, LockedFolder, NewKey};
use super::list;
use crate::adapters::config::load::keys::FolderKey;
use crate::judgement::issue::key::KeyKind;
use crate::judgement::issue::ring::{KeyState, gone};

/// Rotates the folder's keys.
pub(super) fn run(
    arguments: &RotateKeysArguments,
    now: Timestamp,
    output: &mut impl Write,
    notes: &mut impl Write,
) -> Result<(), KeysError> {
    let folder = LockedFolder::existing(&arguments.dir)?;
    let min_published = if arguments.now { SignedDuration::MIN } else { arguments.min_published };
    let mut rotated = rotate(folder.keys()?, min_published, now)?;
    let kind = arguments.kind.map(KeyKind::from).or(rotated.kind).unwrap_or(KeyKind::Rsa);
    let new = NewKey::make(kind, KeyState::Next, now)?;
    rotated.keys.push(new.key.clone());
    folder.apply(FolderChange { write: vec![new], keys: rotated.keys })?;
    for kid in rotated.pruned {
        writeln!(notes, "dropped {kid}: its last token has expired").map_err(KeysError::Output)?;
    }
    list::print(&arguments.dir, false, output)
}

/// The keys after a rotation, without the new next key.
pub(super) struct RotatedKeys {
    pub(super) keys: Vec<FolderKey>,
    /// The kids of the retired keys that were dropped.
    pub(super) pruned: Vec<String>,
    /// The kind of the key that became active.
    pub(super) kind: Option<KeyKind>,
}

/// Makes the next key active, retires the active key, and drops retired keys whose last token has expired.
pub(super) fn rotate(
    keys: Vec<FolderKey>,
    min_published: SignedDuration,
    now: Timestamp,
) -> Result<RotatedKeys, KeysError> {
    let next = keys.iter().find(|key| key.state == KeyState::Next).ok_or(KeysError::NextIsMissing)?;
    if now.duration_since(next.since) < min_published {
        let (kid, since) = (next.kid.clone(), next.since);
        let from = since.checked_add(min_published).unwrap_or(Timestamp::MAX);
        return Err(KeysError::TooYoung { kid, since, from });
    }
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
    Ok(RotatedKeys { keys: kept, pruned, kind })
}

fn kind_of(algorithm: &str) -> Option<KeyKind> {
    match algorithm {
        "RS256" => Some(KeyKind::Rsa),
        "ES256" => Some(KeyKind::P256),
        "ES384" => Some(KeyKind::P384),
        "EdDSA" => Some(KeyKind::Ed25519),
        _ => None,
    }
}
