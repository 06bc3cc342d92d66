//! Watches the configuration files for changes.
//!
//! Cambio reads the files again and again instead of waiting for events: a mounted `ConfigMap` changes through a symbolic
//! link, editors rename files, and some file systems send no events. Reading a hundred small files takes a millisecond.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::load::files::{audience_files, read, read_audience, sha256};
use super::settings::{Config, Sources};

/// Time between two looks.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// How many looks in a row a file may be missing before that counts as a change: replacing a file takes a moment.
const PATIENCE: u32 = 2;

/// Watches the files of a configuration.
#[derive(Clone, Debug)]
pub struct ConfigWatch {
    main: PathBuf,
    interval: Duration,
    sources: Sources,
    missing: u32,
}

impl ConfigWatch {
    /// Watches the files of `config` and `path`, its `cambio.yaml`. A change since the files were read counts, too.
    pub fn new(config: &Config, path: &Path) -> Self {
        Self::of(config.sources.clone(), path, INTERVAL)
    }

    /// Like [`ConfigWatch::new`], for any sources and with another time between two looks.
    pub fn of(sources: Sources, path: &Path, interval: Duration) -> Self {
        Self { main: path.to_owned(), interval, sources, missing: 0 }
    }

    /// Watches other files from now on. Call it after every attempt to load, also after a failed one, with the sources of
    /// that attempt: then Cambio notices when a file that was named for the first time is mended.
    pub fn follow(&mut self, sources: Sources) {
        self.sources = sources;
        self.missing = 0;
    }

    /// Returns when something has changed. The future can be dropped at any time without losing a change.
    pub async fn changed(&mut self) {
        loop {
            tokio::time::sleep(self.interval).await;
            let (sources, main) = (self.sources.clone(), self.main.clone());
            let Ok(now) = tokio::task::spawn_blocking(move || look(&sources, &main)).await else { continue };
            if self.compare(now) {
                return;
            }
        }
    }

    /// Whether `now` is a change. If so, later looks are compared with `now`.
    fn compare(&mut self, now: BTreeMap<PathBuf, Option<String>>) -> bool {
        if now == self.sources.files {
            self.missing = 0;
            return false;
        }
        let folder = self.sources.audiences.as_deref();
        let gone = self.sources.files.iter().any(|(path, before)| {
            let audience = path.parent() == folder && folder.is_some_and(Path::is_dir);
            before.is_some() && !audience && now.get(path).is_none_or(Option::is_none)
        });
        if gone && self.missing < PATIENCE {
            self.missing += 1;
            return false;
        }
        self.missing = 0;
        self.sources.files = now;
        true
    }
}

/// The digests of all files, including new ones in the folder. A file that can't be read has none, so that the file counts
/// as changed once it can be read.
fn look(sources: &Sources, main: &Path) -> BTreeMap<PathBuf, Option<String>> {
    let folder = sources.audiences.as_deref();
    let listed = folder.and_then(|folder| audience_files(folder).ok()).unwrap_or_default();
    let is_listed_by_folder = |path: &Path| {
        let yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        yaml && path != main && path.parent() == folder
    };
    let named = sources.files.keys().filter(|path| !is_listed_by_folder(path)).cloned();
    let paths = named.chain(listed).chain([main.to_owned()]);
    let digest = |path: &Path| {
        let bytes = match folder.filter(|_| is_listed_by_folder(path)) {
            Some(folder) => read_audience(folder, path).ok(),
            None => read(path).ok(),
        };
        bytes.map(|bytes| sha256(&bytes))
    };
    paths.map(|path| (path.clone(), digest(&path))).collect()
}

#[cfg(test)]
mod tests;
