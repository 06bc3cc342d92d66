//! The store within one process: bounded. It forgets nothing before its time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::error::StoreError;
use super::key::{MarkKey, MarkKind};
use super::moment::Moment;

/// Entries of one kind. Each takes about 120 bytes, so a kind that is full takes 60 MiB.
const ENTRIES: usize = 1 << 19;
/// Parts of a kind's room, so that requests on several threads seldom wait for each other.
const SHARDS: usize = 16;

/// Bytes of all kept texts of one kind.
const TEXTS: usize = 16 << 20;

type Digest = [u8; 32];

/// Entries by kind. Each kind has its own room: a flood of one kind does not take another's.
pub(super) struct MemoryMarks {
    kinds: [Box<[Mutex<Shard>]>; MarkKind::ALL.len()],
    shard_entries: usize,
    texts: Box<[Mutex<Texts>; MarkKind::ALL.len()]>,
}

/// The kept texts of one kind.
#[derive(Default)]
struct Texts {
    kept: HashMap<Digest, KeptText>,
    /// Texts by time. A text that took the place of another one has one entry for each of them; only the latest counts.
    times: BinaryHeap<Reverse<(Timestamp, Digest)>>,
    bytes: usize,
}

struct KeptText {
    text: String,
    until: Timestamp,
}

/// A part of a kind's room.
#[derive(Default)]
struct Shard {
    /// Until when an entry is kept.
    entries: HashMap<Digest, Moment>,
    /// Entries by time. An entry that was prolonged has one for each of its times; only the latest counts.
    times: BinaryHeap<Reverse<(Timestamp, Digest)>>,
}

impl MemoryMarks {
    pub(super) fn new() -> Self {
        Self::with_room(ENTRIES)
    }

    pub(super) fn with_room(entries: usize) -> Self {
        let kind = |_| (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { kinds: MarkKind::ALL.map(kind), shard_entries: entries / SHARDS, texts: Box::default() }
    }

    pub(super) fn claim(&self, key: &MarkKey, until: Moment, now: Moment) -> Result<bool, StoreError> {
        let mut shard = self.shard(key, now)?;
        if shard.entries.contains_key(key.digest()) {
            return Ok(false);
        }
        self.insert(&mut shard, key, until)?;
        Ok(true)
    }

    pub(super) fn mark(&self, key: &MarkKey, until: Moment, now: Moment) -> Result<(), StoreError> {
        let mut shard = self.shard(key, now)?;
        let kept = shard.entries.get(key.digest()).copied().unwrap_or(until);
        if shard.entries.contains_key(key.digest()) && kept.steady >= until.steady && kept.wall >= until.wall {
            return Ok(());
        }
        self.insert(&mut shard, key, until.later(kept))
    }

    pub(super) fn is_marked(&self, key: &MarkKey, now: Moment) -> Result<bool, StoreError> {
        Ok(self.shard(key, now)?.entries.contains_key(key.digest()))
    }

    /// Keeps a text in the place of an earlier one.
    pub(super) fn keep(&self, key: &MarkKey, text: &str, until: Moment, now: Moment) -> Result<(), StoreError> {
        self.texts(key, now)?.keep(*key.digest(), text, until)
    }

    pub(super) fn kept(&self, key: &MarkKey, now: Moment) -> Result<Option<String>, StoreError> {
        Ok(self.texts(key, now)?.kept.get(key.digest()).map(|kept| kept.text.clone()))
    }

    pub(super) fn forget(&self, key: &MarkKey, now: Moment) -> Result<(), StoreError> {
        self.texts(key, now)?.remove(key.digest());
        Ok(())
    }

    /// The texts of the key's kind, without those whose time is over.
    fn texts(&self, key: &MarkKey, now: Moment) -> Result<MutexGuard<'_, Texts>, StoreError> {
        let texts = self.texts.get(key.kind() as usize).ok_or(StoreError::Full)?;
        let mut texts = texts.lock().unwrap_or_else(PoisonError::into_inner);
        texts.expire(now.steady);
        Ok(texts)
    }

    fn insert(&self, shard: &mut Shard, key: &MarkKey, until: Moment) -> Result<(), StoreError> {
        // `times` is never shorter than `entries`.
        if shard.times.len() >= self.shard_entries {
            return Err(StoreError::Full);
        }
        shard.entries.insert(*key.digest(), until);
        shard.times.push(Reverse((until.steady, *key.digest())));
        Ok(())
    }

    /// Whether each part of the room takes an entry.
    pub(super) fn has_room(&self, now: Moment) -> Result<(), StoreError> {
        for shard in self.kinds.iter().flatten() {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.expire(now);
            if shard.times.len() >= self.shard_entries {
                return Err(StoreError::Full);
            }
        }
        Ok(())
    }

    /// The key's shard, without expired entries.
    fn shard(&self, key: &MarkKey, now: Moment) -> Result<MutexGuard<'_, Shard>, StoreError> {
        let [first, ..] = key.digest();
        let shard = self
            .kinds
            .get(key.kind() as usize)
            .and_then(|shards| shards.get(usize::from(*first) % SHARDS))
            .ok_or(StoreError::Full)?;
        // Nothing in here panics half way through a change.
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        shard.expire(now);
        Ok(shard)
    }
}

impl Shard {
    fn expire(&mut self, now: Moment) {
        while let Some(Reverse((_, digest))) = self.times.peek().filter(|next| next.0.0 <= now.steady).copied() {
            self.times.pop();
            let Some(kept) = self.entries.get_mut(&digest).filter(|kept| kept.steady <= now.steady) else { continue };
            match kept.still_valid(now) {
                Some(later) => {
                    *kept = later;
                    self.times.push(Reverse((later.steady, digest)));
                }
                None => {
                    self.entries.remove(&digest);
                }
            }
        }
    }
}

impl Texts {
    fn keep(&mut self, digest: Digest, text: &str, until: Moment) -> Result<(), StoreError> {
        self.remove(&digest);
        if self.bytes + text.len() > TEXTS {
            return Err(StoreError::Full);
        }
        self.bytes += text.len();
        let until = until.steady;
        self.kept.insert(digest, KeptText { text: text.to_owned(), until });
        if self.times.len() > 2 * self.kept.len() + SHARDS {
            self.times = self.kept.iter().map(|(digest, kept)| Reverse((kept.until, *digest))).collect();
        } else {
            self.times.push(Reverse((until, digest)));
        }
        Ok(())
    }

    fn remove(&mut self, digest: &Digest) {
        if let Some(removed) = self.kept.remove(digest) {
            self.bytes -= removed.text.len();
        }
    }

    fn expire(&mut self, now: Timestamp) {
        while let Some(Reverse((until, digest))) = self.times.peek().copied().filter(|next| next.0.0 <= now) {
            self.times.pop();
            if self.kept.get(&digest).is_some_and(|kept| kept.until <= until) {
                self.remove(&digest);
            }
        }
    }
}
