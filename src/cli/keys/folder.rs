//! Changing a folder of signing keys so that it loads at every moment, also after a crash: new private keys first,
//! then the manifest in one step, old private keys last.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::KeysError;
use crate::adapters::config::load::keys::{FolderKey, MANIFEST, read};
use crate::judgement::issue::key::{KeyKind, SigningKey, generate};
use crate::judgement::issue::ring::KeyState;
use crate::words::secret::Secret;

/// Where the manifest is written before it takes the old one's place.
const DRAFT: &str = ".keys.yaml.new";

/// A folder that nobody else changes meanwhile.
#[derive(Debug)]
pub(super) struct Locked {
    path: PathBuf,
    /// The folder itself: synced, and locked until it is closed.
    handle: File,
}

/// A new key.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) key: FolderKey,
    name: String,
    pem: Secret,
}

/// What is to become of a folder.
#[derive(Debug)]
pub(super) struct Change {
    /// New keys.
    pub(super) write: Vec<Fresh>,
    /// All keys, the new ones included.
    pub(super) keys: Vec<FolderKey>,
}

/// One step of a change; after each, the folder loads.
#[derive(Debug)]
pub(super) enum Step {
    /// A private key that no manifest names yet.
    Write(String, Secret),
    /// The new manifest beside the old one.
    Draft(String),
    /// The new manifest in the place of the old one.
    Replace,
    /// Private keys that the manifest names no more.
    Clean(Vec<String>),
}

/// The keys of a folder.
pub(super) fn keys(path: &Path) -> Result<Vec<FolderKey>, KeysError> {
    read(path).map(|folder| folder.keys).map_err(KeysError::Folder)
}

/// Next, active, retired, the one retired last first: the order in which they are published and listed.
pub(super) fn sort(keys: &mut [FolderKey]) {
    keys.sort_by_key(|key| (key.state, std::cmp::Reverse(key.since)));
}

/// A new file that only its owner can read.
pub(super) fn create(path: &Path, bytes: &[u8]) -> Result<(), KeysError> {
    let failed = |cause| KeysError::File { path: path.to_owned(), cause };
    let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(KeysError::Exists(path.to_owned()));
        }
        Err(error) => return Err(failed(error)),
    };
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)
}

impl Fresh {
    /// Makes a key; nothing is written.
    pub(super) fn make(kind: KeyKind, state: KeyState, now: Timestamp) -> Result<Self, KeysError> {
        let pem = generate(kind)?;
        let pair = SigningKey::from_pem(pem.expose().as_bytes())?;
        // A kid may begin with "-", which many a tool takes for an option.
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

impl Locked {
    /// A folder that may have to be made first, for its owner alone.
    pub(super) fn made(path: &Path) -> Result<Self, KeysError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|cause| KeysError::File { path: path.to_owned(), cause })?;
        Self::existing(path)
    }

    /// A folder that is there.
    pub(super) fn existing(path: &Path) -> Result<Self, KeysError> {
        let handle = File::open(path).map_err(|cause| KeysError::File { path: path.to_owned(), cause })?;
        match handle.try_lock() {
            Err(TryLockError::WouldBlock) => Err(KeysError::Busy(path.to_owned())),
            // Some network file systems have no locks for folders.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Self { path: path.to_owned(), handle }),
        }
    }

    /// Its keys.
    pub(super) fn keys(&self) -> Result<Vec<FolderKey>, KeysError> {
        keys(&self.path)
    }

    /// Makes the change.
    pub(super) fn apply(&self, change: Change) -> Result<(), KeysError> {
        self.steps(change)?.into_iter().try_for_each(|step| self.step(step))
    }

    /// The change in steps.
    pub(super) fn steps(&self, change: Change) -> Result<Vec<Step>, KeysError> {
        let Change { write, mut keys } = change;
        sort(&mut keys);
        let named: Vec<&str> = keys.iter().filter_map(|key| key.file.as_deref()).collect();
        let before = if self.path.join(MANIFEST).exists() { self.keys()? } else { Vec::new() };
        let was_named = before.into_iter().filter_map(|key| key.file);
        let mut clean: Vec<String> = was_named.chain(self.left_behind()?).collect();
        clean.retain(|name| !named.contains(&name.as_str()));
        clean.sort();
        clean.dedup();
        let draft = Step::Draft(manifest(&keys)?);
        let writes = write.into_iter().map(|fresh| Step::Write(fresh.name, fresh.pem));
        Ok(writes.chain([draft, Step::Replace, Step::Clean(clean)]).collect())
    }

    /// Takes one step.
    pub(super) fn step(&self, step: Step) -> Result<(), KeysError> {
        match step {
            Step::Write(name, pem) => create(&self.path.join(name), pem.expose().as_bytes()),
            Step::Draft(text) => {
                let draft = self.path.join(DRAFT);
                self.try_on(DRAFT, |_| match std::fs::remove_file(&draft) {
                    // One that a crash left behind.
                    Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
                    _ => Ok(()),
                })?;
                create(&draft, text.as_bytes())?;
                // The private keys must be on disk before a manifest that names them.
                self.sync()
            }
            Step::Replace => {
                self.try_on(MANIFEST, |path| std::fs::rename(self.path.join(DRAFT), path))?;
                self.sync()
            }
            Step::Clean(names) => {
                for name in names {
                    self.try_on(&name, |path| match std::fs::remove_file(path) {
                        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
                        _ => Ok(()),
                    })?;
                }
                self.sync()
            }
        }
    }

    /// Private keys that [`Fresh`] named: those that the manifest does not name were left by a crash.
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

    fn sync(&self) -> Result<(), KeysError> {
        self.try_on("", |_| self.handle.sync_all())
    }

    /// Names the file with the error.
    fn try_on<T>(&self, name: &str, work: impl FnOnce(&Path) -> std::io::Result<T>) -> Result<T, KeysError> {
        let path = if name.is_empty() { self.path.clone() } else { self.path.join(name) };
        work(&path).map_err(|cause| KeysError::File { path, cause })
    }
}

/// `keys.yaml`. JSON is YAML.
fn manifest(keys: &[FolderKey]) -> Result<String, KeysError> {
    let mut text = String::from(
        "# Made by `cambio keys`. Nothing here is secret: the private keys are in the files that are named.\nkeys:\n",
    );
    for FolderKey { kid, state, since, file, jwk } in keys {
        let state = state.as_str();
        let since = since.to_string();
        text.extend(["  - kid: \"", kid, "\"\n    state: ", state, "\n    since: ", &since]);
        match file {
            Some(file) => {
                let file = serde_json::to_string(file).map_err(|error| KeysError::Output(error.into()))?;
                text.extend(["\n    file: ", &file, "\n"]);
            }
            None => text.extend(["\n    jwk: ", &jwk.to_string(), "\n"]),
        }
    }
    Ok(text)
}
