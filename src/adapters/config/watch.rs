//! Watches the configuration files for changes.
//!
//! Cambio looks at the files again and again instead of waiting for events: a mounted `ConfigMap` changes through a symbolic
//! link, editors rename files, and some file systems send no events. A look asks for each file's times, and reads a file only
//! if they changed. With very many files, Cambio looks less often, so that looks take about one per cent of a core.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};

use super::load::files::{Listing, audience_files, is_audience_file, read, read_audience, sha256};
use super::settings::{Config, Sources};

/// How often Cambio looks, and how long a file must rest. Tests that wait for a change have a shorter pace.
#[derive(Clone, Copy, Debug)]
pub struct WatchPace {
    /// Time between two looks.
    pub interval: Duration,
    /// Time between two looks while a file is being written.
    pub short_interval: Duration,
    /// How long a file must not have changed before it counts. Until then, somebody may still write to the file.
    pub quiet: Duration,
}

impl WatchPace {
    /// The pace of `serve`: a change that nobody adds to counts after a second and a quarter at most.
    pub const SERVE: Self = Self {
        interval: Duration::from_secs(1),
        short_interval: Duration::from_millis(250),
        quiet: Duration::from_secs(1),
    };
}

/// A look at very many files takes CPU time: Cambio rests this many times as long before the next one.
const REST: u32 = 120;

/// How many times as long Cambio rests while a file is being written, which is seldom.
const SHORT_REST: u32 = 10;

/// Longest time between two looks.
const LONGEST_INTERVAL: Duration = Duration::from_secs(3);

/// How old a change must be before the times of a file can tell the next change from it. Some file systems count in seconds.
const TELLS_APART: Duration = Duration::from_secs(2);

/// How many looks in a row a file may be missing before that counts as a change: replacing a file takes a moment.
const PATIENCE: u32 = 2;

/// Watches the files of a configuration.
#[derive(Clone, Debug)]
pub struct ConfigWatch {
    main: PathBuf,
    pace: WatchPace,
    sources: Sources,
    seen: HashMap<PathBuf, Seen>,
    /// The files of the last look that are no audience's.
    named: Vec<PathBuf>,
    /// Whether the last look saw what the configuration in force was made from, file by file.
    is_even: bool,
    /// Whether the next look counts, whatever it sees.
    again: bool,
    missing: u32,
    pause: Duration,
    /// Files that somebody may still write to, and whether one of them is a file of the platform. Until
    /// the first look, it may be.
    unsettled: BTreeSet<PathBuf>,
    waits: bool,
    seen_last: Look,
}

/// File → SHA-256 of its bytes, in hexadecimal; `None` if the file could not be read.
pub(super) type Digests = BTreeMap<PathBuf, Option<String>>;

/// What a look saw.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// The folder of the audience files.
    folder: Option<PathBuf>,
    digests: Digests,
}

impl Look {
    /// The digests of the files, if the audience files are in this folder.
    pub(super) fn of_folder(&self, folder: &Path) -> Option<&Digests> {
        (self.folder.as_deref() == Some(folder)).then_some(&self.digests)
    }
}

/// A file as it was at the last look.
#[derive(Clone, Debug)]
struct Seen {
    stamp: Stamp,
    /// SHA-256 of the bytes, in hexadecimal; `None` if the file could not be read.
    hash: Option<String>,
    /// Whether the next change will change the stamp, too.
    sure: bool,
    /// When Cambio saw this stamp first.
    since: Instant,
}

/// What the file system says of a file, which changes with every change of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// Time of the last change of the file or of its properties, in nanoseconds since 1970. Nobody can set it.
    changed: i128,
}

impl ConfigWatch {
    /// Watches the files of `config` and `path`, its `cambio.yaml`. A change since the files were read counts, too.
    pub fn new(config: &Config, path: &Path, pace: WatchPace) -> Self {
        Self {
            main: path.to_owned(),
            pace,
            sources: config.sources.clone(),
            seen: HashMap::new(),
            named: Vec::new(),
            is_even: false,
            again: false,
            missing: 0,
            pause: pace.interval,
            unsettled: BTreeSet::new(),
            waits: true,
            seen_last: Look::default(),
        }
    }

    /// Watches other files from now on. Call it after every attempt to load, also after a failed one, with the sources of
    /// that attempt: then Cambio notices when a file that was named for the first time is mended.
    pub fn follow(&mut self, sources: Sources) {
        self.sources = sources;
        self.missing = 0;
        self.is_even = false;
    }

    /// Whether a file of the platform changed between the last look and a load, so that the load may have read half of it.
    /// Files that the look did not know do not count.
    pub fn was_overtaken(&self, loaded: &Sources) -> bool {
        let platform = loaded.files.iter().filter(|(path, _)| !self.is_audience(path));
        platform
            .filter_map(|(path, hash)| Some((hash, self.seen_last.digests.get(path)?)))
            .any(|(hash, seen)| hash != seen)
    }

    /// Lets the next look count, as soon as nobody writes to a file of the platform.
    pub fn look_again(&mut self) {
        self.again = true;
    }

    /// What the last look saw that counted.
    pub fn seen_last(&self) -> &Look {
        &self.seen_last
    }

    /// How long to wait before the next look.
    pub fn pause(&self) -> Duration {
        self.pause
    }

    /// The audience files that somebody may still write to, according to the last look; `None` while a file of the platform
    /// is being written.
    pub fn unsettled(&self) -> Option<&BTreeSet<PathBuf>> {
        (!self.waits).then_some(&self.unsettled)
    }

    /// Looks at all files because somebody asks for a load, and returns the audience files that somebody may still write to.
    pub fn look_on_request(&mut self, clock: Timestamp) -> BTreeSet<PathBuf> {
        let _ = self.look(clock);
        self.unsettled.iter().filter(|path| self.is_audience(path)).cloned().collect()
    }

    /// Looks at all files. After a change that counts, returns the audience files that somebody may still write to: what
    /// is in them does not count yet. Nothing counts while a file of the platform is being written. `clock` is the time now
    /// by the clock that gives files their times.
    pub fn look(&mut self, clock: Timestamp) -> Option<BTreeSet<PathBuf>> {
        let started = cpu_time();
        if self.is_even && !self.again && self.is_as_seen() {
            self.rest(self.pace.interval, REST, started);
            return None;
        }
        let counting = self.compare(clock);
        let is_quiet = self.unsettled.is_empty();
        let (least, rest) = if is_quiet { (self.pace.interval, REST) } else { (self.pace.short_interval, SHORT_REST) };
        self.rest(least, rest, started);
        counting
    }

    /// Chooses the time until the next look.
    fn rest(&mut self, least: Duration, rest: u32, started: Duration) {
        let taken = cpu_time().saturating_sub(started);
        self.pause = least.max(taken * rest).min(LONGEST_INTERVAL);
    }

    /// Whether every file is as at the last look, at which each of them was quiet, and no file came or went.
    fn is_as_seen(&self) -> bool {
        let folder = self.sources.audiences.as_deref();
        let Ok(listing) = folder.map_or(Ok(Listing::default()), audience_files) else { return false };
        let mut count = 0;
        let mut all = listing.files.iter().chain(&self.named);
        listing.hidden.is_empty()
            && all.all(|path| {
                count += 1;
                self.seen.get(path).is_some_and(|seen| seen.sure && Stamp::of(path) == Some(seen.stamp))
            })
            && count == self.seen.len()
    }

    fn compare(&mut self, clock: Timestamp) -> Option<BTreeSet<PathBuf>> {
        let now = self.read(clock);
        let changed: Vec<_> = now.iter().filter(|(path, hash)| self.sources.files.get(*path) != Some(*hash)).collect();
        let unsettled: BTreeSet<_> =
            changed.iter().map(|(path, _)| *path).filter(|path| !self.is_quiet(path, clock)).cloned().collect();
        let is_removed = self.sources.files.keys().any(|path| !now.contains_key(path));
        let counts = is_removed || changed.len() > unsettled.len();
        let waits = unsettled.iter().any(|path| !self.is_audience(path));
        (self.unsettled, self.waits) = (unsettled.clone(), waits);
        let counts = counts || self.again;
        self.is_even = changed.is_empty() && !is_removed;
        if !counts || waits {
            if unsettled.is_empty() {
                self.missing = 0;
            }
            return None;
        }
        if self.is_missing(&now) && self.missing < PATIENCE {
            self.missing += 1;
            return None;
        }
        (self.missing, self.again) = (0, false);
        self.seen_last = Look { folder: self.sources.audiences.clone(), digests: now.clone() };
        let before = std::mem::take(&mut self.sources.files);
        self.sources.files = now.into_iter().filter(|(path, _)| !unsettled.contains(path)).collect();
        let kept = before.into_iter().filter(|(path, _)| unsettled.contains(path));
        self.sources.files.extend(kept);
        Some(unsettled)
    }

    /// Whether a file is missing that is no audience's: somebody may be replacing it.
    fn is_missing(&self, now: &Digests) -> bool {
        let has_folder = self.sources.audiences.as_deref().is_some_and(Path::is_dir);
        self.sources.files.iter().any(|(path, before)| {
            let removed = has_folder && self.is_audience(path);
            before.is_some() && !removed && now.get(path).is_none_or(Option::is_none)
        })
    }

    /// Whether nobody has written to the file for a while.
    fn is_quiet(&self, path: &Path, clock: Timestamp) -> bool {
        let Some(seen) = self.seen.get(path) else { return true };
        // The file system's clock may be another machine's.
        seen.since.elapsed() >= self.pace.quiet || seen.stamp.age(clock).is_some_and(|age| age >= self.pace.quiet)
    }

    /// The digests of all files, including new ones in the folder. A file that can't be read has none, so that the file
    /// counts as changed once it can be read.
    fn read(&mut self, clock: Timestamp) -> Digests {
        let folder = self.sources.audiences.clone();
        let listed = folder.as_deref().and_then(|folder| audience_files(folder).ok()).unwrap_or_default();
        // Files in a folder that can't be listed are not removed: they can't be read.
        let known = self.sources.files.keys().filter(|path| listed.hides(path)).cloned();
        let mut hashes: Digests = known.chain(listed.hidden.iter().cloned()).map(|path| (path, None)).collect();
        // A folder that could not be listed, and can be now, is no file any more.
        let is_listed = |path: &Path| folder.as_deref().is_some_and(|folder| path.starts_with(folder)) && path.is_dir();
        let is_named = |path: &&PathBuf| !self.is_audience(path) && !listed.hides(path) && !is_listed(path);
        let named: BTreeSet<_> = self.sources.files.keys().filter(is_named).chain([&self.main]).cloned().collect();
        self.named = named.iter().cloned().collect();
        let paths: BTreeSet<_> = named.into_iter().chain(listed.files.iter().cloned()).collect();
        let mut last = std::mem::take(&mut self.seen);
        for path in paths {
            let Some(stamp) = Stamp::of(&path) else {
                hashes.insert(path, None);
                continue;
            };
            let known = last.remove(&path).filter(|known| known.stamp == stamp);
            let seen = match known {
                Some(known) if known.sure => known,
                known => {
                    let hash = match folder.as_deref().filter(|_| self.is_audience(&path)) {
                        Some(folder) => read_audience(folder, &path).ok(),
                        None => read(&path).ok(),
                    };
                    let hash = hash.map(|bytes| sha256(&bytes));
                    let sure = hash.is_some() && stamp.age(clock).is_some_and(|age| age >= TELLS_APART);
                    // A change that did not change the stamp is a change all the same.
                    let since = known.filter(|known| known.hash == hash).map_or_else(Instant::now, |known| known.since);
                    Seen { stamp, hash, sure, since }
                }
            };
            hashes.insert(path.clone(), seen.hash.clone());
            self.seen.insert(path, seen);
        }
        hashes
    }

    fn is_audience(&self, path: &Path) -> bool {
        path != self.main && self.sources.audiences.as_deref().is_some_and(|folder| is_audience_file(folder, path))
    }
}

/// CPU time of this thread: on a busy machine, a look takes long for other reasons.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or_default(), time.tv_nsec.try_into().unwrap_or_default())
}

impl Stamp {
    /// Follows links, since the target of a link may change.
    fn of(path: &Path) -> Option<Self> {
        let data = fs::metadata(path).ok()?;
        let changed = i128::from(data.ctime()) * 1_000_000_000 + i128::from(data.ctime_nsec());
        Some(Self { device: data.dev(), inode: data.ino(), size: data.size(), changed })
    }

    /// Time since the last change; `None` if the file system's clock is ahead.
    fn age(self, clock: Timestamp) -> Option<Duration> {
        let age = clock.as_nanosecond().checked_sub(self.changed)?;
        Some(Duration::from_nanos(u64::try_from(age).ok()?))
    }
}

#[cfg(test)]
mod tests;
