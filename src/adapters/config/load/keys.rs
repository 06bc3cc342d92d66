//! The signing keys of a realm: one PEM file, or a folder with a manifest.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::document;
use super::files::{Holds, contents};
use super::problem::{At, ProblemList, all};
use crate::adapters::config::file::keys as file;
use crate::adapters::config::file::realm::Realm;
use crate::adapters::config::problem::Problem;
use crate::adapters::config::schema;
use crate::judgement::issue::key::SigningKey;
use crate::judgement::issue::ring::{KeyRing, KeyState, Retired};
use crate::judgement::jose::keys::{KeySet, thumbprint};

/// Name of the manifest in a folder of signing keys.
pub const MANIFEST: &str = "keys.yaml";

/// A folder of signing keys, checked.
#[derive(Clone, Debug)]
pub struct Folder {
    /// The keys in the order of the manifest.
    pub keys: Vec<FolderKey>,
    /// The keys as a realm uses them.
    pub ring: KeyRing,
}

/// A key of a folder, as in the manifest.
#[derive(Clone, Debug)]
pub struct FolderKey {
    /// The `kid`.
    pub kid: String,
    /// What the key is used for.
    pub state: KeyState,
    /// When the key came into this state.
    pub since: Timestamp,
    /// Name of the file with the private key. A retired key has none.
    pub file: Option<String>,
    /// The public half.
    pub jwk: Value,
}

/// Reads a folder without a configuration, for `cambio keys`.
///
/// # Errors
/// Every problem in the folder.
pub fn read(folder: &Path) -> Result<Folder, Vec<Problem>> {
    let mut report = ProblemList::default();
    let read = self::folder(folder, &mut report);
    report.problems.sort();
    match read {
        Some(folder) if report.problems.is_empty() => Ok(folder),
        _ => Err(report.problems),
    }
}

/// `signingKey` or `signingKeys` of a realm, if there is one.
#[expect(clippy::option_option, reason = "nothing is written, or what is written is wrong")]
pub(super) fn signing(written: &Realm, at: &At<'_>, report: &mut ProblemList) -> Option<Option<KeyRing>> {
    match (&written.signing_key, &written.signing_keys) {
        (None, None) => Some(None),
        (Some(path), None) => one_file(path, &at.field("signingKey"), report).map(Some),
        (None, Some(path)) => named_folder(path, &at.field("signingKeys"), report).map(Some),
        (Some(_), Some(_)) => {
            at.field("signingKeys").problem(report, "is given together with signingKey: keep one of them");
            None
        }
    }
}

fn one_file(path: &str, at: &At<'_>, report: &mut ProblemList) -> Option<KeyRing> {
    let file = report.resolve(path);
    let key = private_key(&file, path, at, report)?;
    usable(KeyRing::try_from(key), at, report)
}

fn named_folder(path: &str, at: &At<'_>, report: &mut ProblemList) -> Option<KeyRing> {
    let folder = report.resolve(path);
    if path.is_empty() || !folder.join(MANIFEST).is_file() {
        // Watched from now on, so that Cambio notices when it is mended.
        report.files.insert(folder.join(MANIFEST), None);
        let (shown, make) = (at.shown(path), "`cambio keys generate --dir` makes one");
        at.problem(report, format!("the folder {shown} has no {MANIFEST}: {make}"));
        return None;
    }
    let checked = std::mem::take(&mut report.file);
    let read = self::folder(&folder, report);
    report.file = checked;
    read.map(|folder| folder.ring)
}

fn folder(folder: &Path, report: &mut ProblemList) -> Option<Folder> {
    let manifest = folder.join(MANIFEST);
    report.open(&manifest);
    let read = document::read::<file::Manifest>(&manifest, &schema::keys(), None, report).ok()?;
    let at = At::root(&read.tree).field("keys");
    let written = &read.file.keys;
    unambiguous(written, &at, report);
    let checked = all(written.iter().enumerate().map(|(index, key)| self::key(key, folder, &at.item(index), report)));
    let (mut active, mut next, mut retired, mut keys) = (None, Vec::new(), Vec::new(), Vec::new());
    for (key, signing) in checked? {
        match key.state {
            KeyState::Next => next.push(key.jwk.clone()),
            KeyState::Active => active = signing,
            KeyState::Retired => retired.push(Retired { jwk: key.jwk.clone(), at: key.since }),
        }
        keys.push(key);
    }
    let ring = usable(KeyRing::new(active?, next, retired), &at, report)?;
    Some(Folder { keys, ring })
}

/// Exactly one key is active, at most one is next, and no id is there twice.
fn unambiguous(keys: &[file::ManifestKey], at: &At<'_>, report: &mut ProblemList) {
    let count = |state| keys.iter().filter(|key| key.state == state).count();
    match count(file::KeyState::Active) {
        1 => {}
        0 => at.problem(report, "no key is active: exactly one must be"),
        many => at.problem(report, format!("{many} keys are active: exactly one must be")),
    }
    let next = count(file::KeyState::Next);
    if next > 1 {
        at.problem(report, format!("{next} keys are next: at most one may be"));
    }
    let mut seen = BTreeSet::new();
    for (index, key) in keys.iter().enumerate() {
        if !seen.insert(&key.kid) {
            at.item(index).field("kid").problem(report, format!("{:?} is there twice", key.kid));
        }
    }
}

fn key(
    key: &file::ManifestKey,
    folder: &Path,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<(FolderKey, Option<SigningKey>)> {
    let state = match key.state {
        file::KeyState::Next => KeyState::Next,
        file::KeyState::Active => KeyState::Active,
        file::KeyState::Retired => KeyState::Retired,
    };
    let halves = match state {
        KeyState::Retired => public_half(key, at, report).map(|jwk| (jwk, None)),
        KeyState::Next | KeyState::Active => {
            // Cambio keeps only the private key that signs, and reads the other one to check that it fits.
            both_halves(key, folder, at, report)
                .map(|pair| (pair.jwk().clone(), (state == KeyState::Active).then_some(pair)))
        }
    };
    let (jwk, signing) = halves?;
    let file = key.file.clone().filter(|_| state != KeyState::Retired);
    Some((FolderKey { kid: key.kid.clone(), state, since: key.since.parse().ok()?, file, jwk }, signing))
}

/// The private key of a key that is next or active.
fn both_halves(key: &file::ManifestKey, folder: &Path, at: &At<'_>, report: &mut ProblemList) -> Option<SigningKey> {
    if key.jwk.is_some() {
        at.field("jwk").problem(report, "is for retired keys only: the public key of this key is in its file");
        return None;
    }
    let Some(name) = &key.file else {
        at.field("file")
            .problem(report, "is missing: a key that is next or active needs the file with its private key");
        return None;
    };
    let at_file = at.field("file");
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
        at_file.problem(report, format!("{name:?} must be the name of a file in this folder, without a path"));
        return None;
    }
    let signing = private_key(&folder.join(name), name, &at_file, report)?;
    if signing.kid() != key.kid {
        let message = format!("{:?} is not the key in {name}, which is {}", key.kid, signing.kid());
        at.field("kid").problem(report, message);
        return None;
    }
    Some(signing)
}

/// The public half of a retired key.
fn public_half(key: &file::ManifestKey, at: &At<'_>, report: &mut ProblemList) -> Option<Value> {
    if key.file.is_some() {
        at.field("file").problem(report, "a retired key does not sign: remove this line, and delete the file");
        return None;
    }
    let at = at.field("jwk");
    let Some(jwk) = &key.jwk else {
        at.problem(report, "is missing: Cambio publishes the public key of a retired key");
        return None;
    };
    let jwk = serde_json::to_value(jwk).ok()?;
    if jwk["kid"] != key.kid.as_str() || thumbprint(&jwk).as_ref() != Some(&key.kid) {
        at.problem(report, "does not fit the kid, which must be its RFC 7638 thumbprint");
        return None;
    }
    if let Err(error) = KeySet::parse(json!({ "keys": [jwk] }).to_string().as_bytes()) {
        at.problem(report, format!("can't be used to verify signatures: {error}"));
        return None;
    }
    Some(jwk)
}

fn private_key(file: &Path, shown: &str, at: &At<'_>, report: &mut ProblemList) -> Option<SigningKey> {
    let pem = contents(file, shown, Holds::PrivateKey, at, report)?;
    match SigningKey::from_pem(&pem) {
        Ok(key) => Some(key),
        Err(error) => {
            at.problem(report, format!("the file {} can't be used: {error}", at.shown(shown)));
            None
        }
    }
}

fn usable<E: std::fmt::Display>(ring: Result<KeyRing, E>, at: &At<'_>, report: &mut ProblemList) -> Option<KeyRing> {
    ring.map_err(|error| at.problem(report, error.to_string())).ok()
}

#[cfg(test)]
mod tests;
