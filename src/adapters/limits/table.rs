//! A table of a fixed size, whose entries end by themselves.
//!
//! Whoever can choose keys (a million peers, a million names of clients) fills the table, and no more. A full part of the
//! table forgets what would have ended first: a caller that came once, rather than a caller that has reached a limit. The
//! keys are digests with a secret of this process, so nobody can choose keys that fall into one part.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Parts, each with its own lock.
const PARTS: usize = 1 << 11;
/// Most entries of a part.
const ENTRIES: usize = 1 << 5;

/// A value that says nothing any more after some time.
pub(super) trait Entry: Copy {
    /// When the value ends, as time since the start.
    fn ends(&self) -> Duration;
}

/// A part of a table: digests of keys, with their values.
type Part<E> = Vec<(u64, E)>;

/// A table of at most [`Table::MOST`] entries.
#[derive(Debug)]
pub(super) struct Table<E> {
    secret: RandomState,
    parts: Box<[Mutex<Part<E>>]>,
}

impl<E> Default for Table<E> {
    fn default() -> Self {
        Self { secret: RandomState::new(), parts: (0..PARTS).map(|_| Mutex::default()).collect() }
    }
}

impl<E: Entry> Table<E> {
    /// Most entries.
    #[cfg(test)]
    pub(super) const MOST: usize = PARTS * ENTRIES;

    /// The digest of a key.
    pub(super) fn key(&self, key: impl Hash) -> u64 {
        self.secret.hash_one(key)
    }

    /// The value of this key.
    pub(super) fn get(&self, key: u64, now: Duration) -> Option<E> {
        let part = self.part(key);
        part.iter().find(|(of, value)| *of == key && value.ends() > now).map(|(_, value)| *value)
    }

    /// Replaces the value of this key with what `change` makes of the value, if that is something.
    pub(super) fn change<T>(&self, key: u64, now: Duration, change: impl FnOnce(Option<E>) -> (Option<E>, T)) -> T {
        let mut part = self.part(key);
        let place = part.iter().position(|(of, _)| *of == key);
        let old = place.and_then(|place| part.get(place)).map(|(_, value)| *value);
        let (new, result) = change(old.filter(|value| value.ends() > now));
        match (new, place.and_then(|place| part.get_mut(place))) {
            (Some(new), Some(entry)) => entry.1 = new,
            (Some(new), None) => insert(&mut part, (key, new), now),
            (None, _) => {}
        }
        result
    }

    /// Forgets this key.
    pub(super) fn forget(&self, key: u64) {
        self.part(key).retain(|(of, _)| *of != key);
    }

    /// The number of entries.
    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(|part| lock(part).len()).sum()
    }

    fn part(&self, key: u64) -> MutexGuard<'_, Vec<(u64, E)>> {
        let index = usize::try_from(key % PARTS as u64).unwrap_or_default();
        #[expect(clippy::indexing_slicing, reason = "a remainder")]
        lock(&self.parts[index])
    }
}

fn insert<E: Entry>(part: &mut Vec<(u64, E)>, entry: (u64, E), now: Duration) {
    if part.len() == part.capacity() {
        part.retain(|(_, value)| value.ends() > now);
        part.shrink_to((part.len() + 1).next_power_of_two());
    }
    if part.len() >= ENTRIES
        && let Some(first) = (0..part.len()).min_by_key(|at| part.get(*at).map(|(_, value)| value.ends()))
    {
        part.swap_remove(first);
    }
    part.push(entry);
}

fn lock<E>(part: &Mutex<Vec<(u64, E)>>) -> MutexGuard<'_, Vec<(u64, E)>> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}
