//! `cambio keys rotate`: the next key signs, the active one retires, a new one is next.

use std::io::Write;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::folder::{Change, Fresh, Locked};
use super::{KeysError, list};
use crate::adapters::config::load::keys::FolderKey;
use crate::judgement::issue::key::KeyKind;
use crate::judgement::issue::ring::{KeyState, gone};

/// Turns the folder's keys. Without a `kind`, the new key is of the kind of the one that begins to sign.
pub(super) fn run(
    path: &Path,
    kind: Option<KeyKind>,
    min_published: SignedDuration,
    now: Timestamp,
    output: &mut impl Write,
    notes: &mut impl Write,
) -> Result<(), KeysError> {
    let folder = Locked::existing(path)?;
    let Turned { mut keys, pruned, kind: same } = turn(folder.keys()?, min_published, now)?;
    let fresh = Fresh::make(kind.or(same).unwrap_or(KeyKind::Rsa), KeyState::Next, now)?;
    keys.push(fresh.key.clone());
    folder.apply(Change { write: vec![fresh], keys })?;
    for kid in pruned {
        writeln!(notes, "dropped {kid}: its last token has expired").map_err(KeysError::Output)?;
    }
    list::run(path, false, output)
}

/// The keys after a rotation, without a new next one.
pub(super) struct Turned {
    pub(super) keys: Vec<FolderKey>,
    /// The kids of retired keys whose time is over.
    pub(super) pruned: Vec<String>,
    /// The kind of the key that signs now.
    pub(super) kind: Option<KeyKind>,
}

/// Next becomes active, active becomes retired, and retired keys go whose last token has expired.
pub(super) fn turn(
    keys: Vec<FolderKey>,
    min_published: SignedDuration,
    now: Timestamp,
) -> Result<Turned, KeysError> {
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
                // By a clock that was set back it would have signed after its retirement.
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
    Ok(Turned { keys: kept, pruned, kind })
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
