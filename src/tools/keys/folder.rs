//! Changes to a folder of signing keys. The folder loads at every moment, also after a crash: new private keys are written
//! first, then the manifest is replaced in one step, and old private keys are removed last.

use std::fmt::Write as _;
use std::fs::{DirBuilder, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value;

use crate::adapters::config::load::keys::{FolderKey, MANIFEST, read};
use crate::judgement::issue::key::{KeyKind, SigningKey, generate};
use crate::judgement::issue::ring::KeyState;
use crate::tools::keys::error::KeysError;
use crate::tools::private_file;
use crate::words::secret::Secret;

/// Name of the new manifest before it replaces the old one.
const DRAFT: &str = ".keys.yaml.new";

/// A folder that no other `cambio keys` can change meanwhile.
#[derive(Debug)]
pub(super) struct LockedFolder {
    path: PathBuf,
    /// The open folder. It is locked until it is closed.
    handle: File,
}

/// A new key, not written yet.
#[derive(Debug)]
pub(super) struct NewKey {
    pub(super) key: FolderKey,
    name: String,
    pem: Secret,
}

/// A change to a folder.
#[derive(Debug)]
pub(super) struct FolderChange {
    /// New keys.
    pub(super) write: Vec<NewKey>,
    /// All keys, the new ones included.
    pub(super) keys: Vec<FolderKey>,
}

/// One step of a change. The folder loads after each step.
#[derive(Debug)]
pub(super) enum ChangeStep {
    /// Write a private key that no manifest names yet.
    Write(String, Secret),
    /// Write the new manifest beside the old one.
    Draft(String),
    /// Replace the old manifest with the new one.
    Replace,
    /// Remove private keys that the manifest no longer names.
    Clean(Vec<String>),
}

/// The keys of a folder.
pub(super) fn keys(path: &Path) -> Result<Vec<FolderKey>, KeysError> {
    read(path).map(|folder| folder.keys).map_err(KeysError::Folder)
}

/// Sorts keys as they are published and listed: the next key, the active key, then retired keys, the last retired first.
pub(super) fn sort(keys: &mut [FolderKey]) {
    keys.sort_by_key(|key| (key.state, std::cmp::Reverse(key.since)));
}

/// Writes a new file that only its owner can read.
pub(super) fn create(path: &Path, bytes: &[u8]) -> Result<(), KeysError> {
    private_file::create(path, bytes).map_err(|cause| match cause.kind() {
        ErrorKind::AlreadyExists => KeysError::Exists(path.to_owned()),
        _ => KeysError::File(path.to_owned(), cause),
    })
}

impl NewKey {
    /// Makes a key and writes nothing.
    pub(super) fn make(kind: KeyKind, state: KeyState, now: Timestamp) -> Result<Self, KeysError> {
        let pem = generate(kind)?;
        let pair = SigningKey::from_pem(pem.expose().as_bytes())?;
        // A kid may begin with "-", which many programs take for an option.
        let name = format!("key-{}.pem", pair.kid());
        let key = FolderKey {
            kid: pair.kid().to_owned(),
            state,
            since: now,
            file: Some(name.clone()),
            jwk: pair.jwk().clone(),
        };
        Ok(Self { key, name, pem })
    }
}

impl LockedFolder {
    /// Locks a folder. A folder that does not exist is made first, readable for its owner only.
    pub(super) fn made(path: &Path) -> Result<Self, KeysError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|cause| KeysError::File(path.to_owned(), cause))?;
        Self::existing(path)
    }

    /// Locks a folder that exists.
    pub(super) fn existing(path: &Path) -> Result<Self, KeysError> {
        let handle = File::open(path).map_err(|cause| KeysError::File(path.to_owned(), cause))?;
        match handle.try_lock() {
            Err(TryLockError::WouldBlock) => Err(KeysError::Busy(path.to_owned())),
            // Some network file systems have no locks for folders.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Self { path: path.to_owned(), handle }),
        }
    }

    /// The folder's keys.
    pub(super) fn keys(&self) -> Result<Vec<FolderKey>, KeysError> {
        keys(&self.path)
    }

    /// Makes the change.
    pub(super) fn apply(&self, change: FolderChange) -> Result<(), KeysError> {
        self.steps(change)?.into_iter().try_for_each(|step| self.step(step))
    }

    /// The steps of the change.
    pub(super) fn steps(&self, change: FolderChange) -> Result<Vec<ChangeStep>, KeysError> {
        let FolderChange { write, mut keys } = change;
        sort(&mut keys);
        let named: Vec<&str> = keys.iter().filter_map(|key| key.file.as_deref()).collect();
        let before = if self.path.join(MANIFEST).exists() { self.keys()? } else { Vec::new() };
        let was_named = before.into_iter().filter_map(|key| key.file);
        let mut clean: Vec<String> = was_named.chain(self.left_behind()?).collect();
        clean.retain(|name| !named.contains(&name.as_str()));
        clean.sort();
        clean.dedup();
        let draft = ChangeStep::Draft(manifest(&keys));
        let writes = write.into_iter().map(|new| ChangeStep::Write(new.name, new.pem));
        Ok(writes.chain([draft, ChangeStep::Replace, ChangeStep::Clean(clean)]).collect())
    }

    /// Takes one step.
    pub(super) fn step(&self, step: ChangeStep) -> Result<(), KeysError> {
        match step {
            ChangeStep::Write(name, pem) => create(&self.path.join(name), pem.expose().as_bytes()),
            ChangeStep::Draft(text) => {
                // A crash may have left a draft behind.
                self.remove(DRAFT)?;
                create(&self.path.join(DRAFT), text.as_bytes())?;
                // The private keys must be on disk before a manifest that names them.
                self.sync()
            }
            ChangeStep::Replace => {
                self.try_on(MANIFEST, |path| std::fs::rename(self.path.join(DRAFT), path))?;
                self.sync()
            }
            ChangeStep::Clean(names) => {
                names.iter().try_for_each(|name| self.remove(name))?;
                self.sync()
            }
        }
    }

    /// Private keys with names that [`NewKey`] gives. If the manifest does not name one of them, a crash left it behind.
    fn left_behind(&self) -> Result<Vec<String>, KeysError> {
        self.try_on("", |_| {
            let mut names = Vec::new();
            for entry in std::fs::read_dir(&self.path)? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                let kid = name.strip_prefix("key-").and_then(|rest| rest.strip_suffix(".pem"));
                if kid.is_some_and(|kid| kid.len() == 43) {
                    names.push(name);
                }
            }
            Ok(names)
        })
    }

    /// Removes a file, if it is there.
    fn remove(&self, name: &str) -> Result<(), KeysError> {
        self.try_on(name, |path| match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
    }

    fn sync(&self) -> Result<(), KeysError> {
        self.try_on("", |_| self.handle.sync_all())
    }

    /// Does the work on a file of the folder, or on the folder itself. An error names the path.
    fn try_on<T>(&self, name: &str, work: impl FnOnce(&Path) -> std::io::Result<T>) -> Result<T, KeysError> {
        let path = if name.is_empty() { self.path.clone() } else { self.path.join(name) };
        work(&path).map_err(|cause| KeysError::File(path, cause))
    }
}

/// The text of `keys.yaml`. Names and JWKs are written as JSON, which is YAML.
fn manifest(keys: &[FolderKey]) -> String {
    let mut text = String::from(
        "# Made by `cambio keys`. Nothing here is secret: the private keys are in the files named below.\nkeys:\n",
    );
    for FolderKey { kid, state, since, file, jwk } in keys {
        let held = match file {
            Some(file) => format!("file: {}", Value::from(file.as_str())),
            None => format!("jwk: {jwk}"),
        };
        let state = state.as_str();
        let _ = write!(text, "  - kid: \"{kid}\"\n    state: {state}\n    since: {since}\n    {held}\n");
    }
    text
}
