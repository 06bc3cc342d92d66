//! The signing keys of a realm: one PEM file, or a folder with a manifest.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::io::{Error, ErrorKind};
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::document;
use super::files::{self, Holds, contents};
use super::problem::{At, ProblemList};
use super::tree::Location;
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
    let report = ProblemList::default();
    let read = self::folder(folder, &report);
    let mut problems = report.problems.into_inner();
    problems.sort();
    read.filter(|_| problems.is_empty()).ok_or(problems)
}

/// `signingKey` or `signingKeys` of a realm, if there is one.
#[expect(clippy::option_option, reason = "nothing is written, or what is written is wrong")]
pub(super) fn signing(written: &Realm, at: &At<'_>) -> Option<Option<KeyRing>> {
    match (&written.signing_key, &written.signing_keys) {
        (None, None) => Some(None),
        (Some(path), None) => one_file(path, &at.field("signingKey")).map(Some),
        (None, Some(path)) => named_folder(path, &at.field("signingKeys")).map(Some),
        (Some(_), Some(_)) => at.field("signingKeys").refuse("is given together with signingKey: keep one of them"),
    }
}

fn one_file(path: &str, at: &At<'_>) -> Option<KeyRing> {
    at.ok(KeyRing::try_from(private_key(&at.report.resolve(path), path, at)?))
}

fn named_folder(path: &str, at: &At<'_>) -> Option<KeyRing> {
    let folder = at.report.resolve(path);
    let manifest = folder.join(MANIFEST);
    let found = manifest.metadata();
    if path.is_empty() || !found.as_ref().is_ok_and(Metadata::is_file) {
        // Watched from now on, so that Cambio notices when it is mended.
        at.report.watch(&manifest, None);
        let shown = at.shown(path);
        let is_missing = |error: &Error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
        if let Some(error) = found.err().filter(|error| !is_missing(error)) {
            let who = "the user that Cambio runs as must be able to read the folder and its files";
            return at.refuse(format!("{MANIFEST} in the folder {shown} can't be read ({error}): {who}"));
        }
        let message = format!("the folder {shown} has no {MANIFEST}: `cambio keys generate --dir` makes one");
        return if path.is_empty() { at.refuse(message) } else { at.unread(&manifest, message) };
    }
    let before = at.report.open(&manifest);
    let read = self::folder(&folder, at.report);
    at.report.open(&before);
    read.map(|folder| folder.ring)
}

fn folder(folder: &Path, report: &ProblemList) -> Option<Folder> {
    let manifest = folder.join(MANIFEST);
    report.open(&manifest);
    if !files::stays_in(folder, &manifest) {
        report.watch(&manifest, None);
        report.problem(Location::default(), "", files::LEADS_OUT);
        return None;
    }
    let read = document::read::<file::Manifest>(&manifest, &schema::keys(), None, report).ok()?;
    let at = At::root(&read.tree, report).field("keys");
    unambiguous(&read.file.keys, &at);
    let (mut active, mut next, mut retired, mut keys) = (None, Vec::new(), Vec::new(), Vec::new());
    for (key, signing) in at.all(&read.file.keys, |key, at| self::key(key, folder, at))? {
        match key.state {
            KeyState::Next => next.push(key.jwk.clone()),
            KeyState::Active => active = signing,
            KeyState::Retired => retired.push(Retired { jwk: key.jwk.clone(), at: key.since }),
        }
        keys.push(key);
    }
    let since = keys.iter().map(|key| (key.kid.clone(), key.since)).collect();
    let ring = at.ok(KeyRing::new(active?, next, retired))?.dated(since);
    Some(Folder { keys, ring })
}

/// Exactly one key is active, at most one is next, and no id is there twice.
fn unambiguous(keys: &[file::ManifestKey], at: &At<'_>) {
    let count = |state| keys.iter().filter(|key| key.state == state).count();
    match count(file::KeyState::Active) {
        1 => {}
        0 => at.problem("no key is active: exactly one must be"),
        many => at.problem(format!("{many} keys are active: exactly one must be")),
    }
    let next = count(file::KeyState::Next);
    if next > 1 {
        at.problem(format!("{next} keys are next: at most one may be"));
    }
    let mut seen = BTreeSet::new();
    for (at, key) in at.items(keys).filter(|(_, key)| !seen.insert(&key.kid)) {
        at.field("kid").problem(format!("{:?} is there twice", key.kid));
    }
}

fn key(key: &file::ManifestKey, folder: &Path, at: &At<'_>) -> Option<(FolderKey, Option<SigningKey>)> {
    let state = KeyState::from(key.state);
    let (jwk, signing) = if state == KeyState::Retired {
        (public_half(key, at)?, None)
    } else {
        // Cambio keeps only the private key that signs, and reads the other one to check that it fits.
        let pair = both_halves(key, folder, at)?;
        (pair.jwk().clone(), (state == KeyState::Active).then_some(pair))
    };
    let file = key.file.clone().filter(|_| state != KeyState::Retired);
    Some((FolderKey { kid: key.kid.clone(), state, since: key.since.parse().ok()?, file, jwk }, signing))
}

/// The private key of a key that is next or active.
fn both_halves(key: &file::ManifestKey, folder: &Path, at: &At<'_>) -> Option<SigningKey> {
    if key.jwk.is_some() {
        return at.field("jwk").refuse("is for retired keys only: the public key of this key is in its file");
    }
    let at_file = at.field("file");
    let Some(name) = &key.file else {
        return at_file.refuse("is missing: a key that is next or active needs the file with its private key");
    };
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
        return at_file.refuse(format!("{name:?} must be the name of a file in this folder, without a path"));
    }
    let file = folder.join(name);
    if !files::stays_in(folder, &file) {
        at.report.watch(&file, None);
        return at_file.refuse(format!("{name:?} {}", files::LEADS_OUT));
    }
    let signing = private_key(&file, name, &at_file)?;
    if signing.kid() != key.kid {
        return at.field("kid").refuse(format!("{:?} is not the key in {name}, which is {}", key.kid, signing.kid()));
    }
    Some(signing)
}

/// The public half of a retired key.
fn public_half(key: &file::ManifestKey, at: &At<'_>) -> Option<Value> {
    if key.file.is_some() {
        return at.field("file").refuse("a retired key does not sign: remove this line, and delete the file");
    }
    let at = at.field("jwk");
    let Some(jwk) = &key.jwk else {
        return at.refuse("is missing: Cambio publishes the public key of a retired key");
    };
    let jwk = serde_json::to_value(jwk).ok()?;
    if jwk["kid"] != key.kid.as_str() || thumbprint(&jwk).as_ref() != Some(&key.kid) {
        return at.refuse("does not fit the kid, which must be its RFC 7638 thumbprint");
    }
    let set = at.ok(KeySet::parse(json!({ "keys": [jwk] }).to_string().as_bytes()))?;
    if let Err(error) = set.check_usable() {
        return at.refuse(format!("can't be used to verify signatures: {error}"));
    }
    Some(jwk)
}

fn private_key(file: &Path, shown: &str, at: &At<'_>) -> Option<SigningKey> {
    let pem = contents(file, shown, Holds::PrivateKey, at)?;
    let key = SigningKey::from_pem(&pem);
    at.ok(key.map_err(|error| format!("the file {} can't be used: {error}", at.shown(shown))))
}

#[cfg(test)]
mod tests;
