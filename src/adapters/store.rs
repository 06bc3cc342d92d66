//! What was used and what was revoked: in the memory of this process, or in a Redis or Valkey that replicas share.
//!
//! An entry stays until the token that it names can't be used any more. If the store can't answer, the caller refuses the
//! request: an outage never lets a token be used twice.

mod error;
mod key;
mod memory;
mod moment;
mod redis;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

pub use self::error::{RedisError, StoreError};
pub use self::key::{MarkKey, MarkKind};
use self::memory::MemoryMarks;
use self::moment::Moment;
use self::redis::RedisMarks;
use crate::adapters::config;
use crate::adapters::metrics::{Metrics, StoreOperation, StoreOutcome};
use crate::adapters::tls::TlsError;
use crate::words::clock::Clock;

/// Entries stay this much longer than asked: a replica whose clock is late still accepts the token.
const MARGIN: SignedDuration = SignedDuration::from_secs(60);

/// Most time for which an entry is kept longer because the clock may be wrong.
const MOST_DOUBT: SignedDuration = SignedDuration::from_hours(24);

/// What was used and what was revoked.
pub struct MarkStore {
    place: Place,
    /// The least number of seconds by which the wall clock was ahead of the steady time.
    least_ahead: AtomicI64,
    clock: Clock,
    metrics: Arc<Metrics>,
    /// Whether the last operation failed: an outage is logged when it begins and when it ends.
    away: AtomicBool,
}

enum Place {
    Memory(MemoryMarks),
    Redis(Box<RedisMarks>),
}

impl MarkStore {
    /// The store that the configuration names. It does not connect yet: without Redis, Cambio starts, and refuses what
    /// needs it.
    ///
    /// # Errors
    /// TLS towards Redis can't be set up.
    pub fn new(config: &config::Store, clock: Clock, metrics: Arc<Metrics>) -> Result<Self, TlsError> {
        let place = match config {
            config::Store::Memory => Place::Memory(MemoryMarks::new()),
            config::Store::Redis(redis) => Place::Redis(Box::new(RedisMarks::new(redis)?)),
        };
        Ok(Self::at(place, clock, metrics))
    }

    fn at(place: Place, clock: Clock, metrics: Arc<Metrics>) -> Self {
        let ahead = clock.now().duration_since(clock.steady()).as_secs();
        Self { place, least_ahead: AtomicI64::new(ahead), clock, metrics, away: AtomicBool::new(false) }
    }

    /// Claims a key that is good for one use; true for the first caller. The claim lasts until `until`, when what the key
    /// names has expired. A lost answer is not taken for another caller's claim: the store asks again, whose the key is.
    ///
    /// # Errors
    /// The store can't tell who was first, even when it was asked again. The key may be claimed all the same.
    pub async fn claim(&self, key: &MarkKey, until: Timestamp) -> Result<bool, StoreError> {
        let started = Instant::now();
        let (kept, now) = self.term(until);
        let result = match &self.place {
            Place::Memory(memory) => memory.claim(key, kept, now),
            Place::Redis(redis) => redis.claim(key, kept.after(now)).await.map_err(StoreError::from),
        };
        let outcome = |first: &bool| if *first { StoreOutcome::Ok } else { StoreOutcome::Used };
        self.ended(StoreOperation::Claim, result.as_ref().map(outcome), started);
        result
    }

    /// Marks a key, for instance as revoked, until `until`. Marking it again only ever prolongs the mark.
    ///
    /// # Errors
    /// The mark may be missing.
    pub async fn mark(&self, key: &MarkKey, until: Timestamp) -> Result<(), StoreError> {
        let started = Instant::now();
        let (kept, now) = self.term(until);
        let result = match &self.place {
            Place::Memory(memory) => memory.mark(key, kept, now),
            Place::Redis(redis) => redis.mark(key, kept.after(now)).await.map_err(StoreError::from),
        };
        self.ended(StoreOperation::Mark, result.as_ref().map(|()| StoreOutcome::Ok), started);
        result
    }

    /// Whether a key is marked or claimed.
    ///
    /// # Errors
    /// The store can't tell.
    pub async fn is_marked(&self, key: &MarkKey) -> Result<bool, StoreError> {
        let started = Instant::now();
        let result = match &self.place {
            Place::Memory(memory) => memory.is_marked(key, self.now()),
            Place::Redis(redis) => redis.is_marked(key).await.map_err(StoreError::from),
        };
        let outcome = |marked: &bool| if *marked { StoreOutcome::Used } else { StoreOutcome::Ok };
        self.ended(StoreOperation::Look, result.as_ref().map(outcome), started);
        result
    }

    /// Keeps a text until `until`, in the place of an earlier one. Whoever can read the store can read the text: secrets
    /// must be encrypted.
    ///
    /// # Errors
    /// The text may not be kept.
    pub async fn keep(&self, key: &MarkKey, text: &str, until: Timestamp) -> Result<(), StoreError> {
        let started = Instant::now();
        let (kept, now) = self.term(until);
        let result = match &self.place {
            Place::Memory(memory) => memory.keep(key, text, kept, now),
            Place::Redis(redis) => redis.keep(key, text, kept.after(now)).await.map_err(StoreError::from),
        };
        self.ended(StoreOperation::Mark, result.as_ref().map(|()| StoreOutcome::Ok), started);
        result
    }

    /// The text that is kept for a key.
    ///
    /// # Errors
    /// The store can't tell.
    pub async fn kept(&self, key: &MarkKey) -> Result<Option<String>, StoreError> {
        let started = Instant::now();
        let result = match &self.place {
            Place::Memory(memory) => memory.kept(key, self.now()),
            Place::Redis(redis) => redis.kept(key).await.map_err(StoreError::from),
        };
        self.ended(StoreOperation::Look, result.as_ref().map(|_| StoreOutcome::Ok), started);
        result
    }

    /// Forgets the text that is kept for a key.
    ///
    /// # Errors
    /// The text may still be kept, until its time is over.
    pub async fn forget(&self, key: &MarkKey) -> Result<(), StoreError> {
        let started = Instant::now();
        let result = match &self.place {
            Place::Memory(memory) => memory.forget(key, self.now()),
            Place::Redis(redis) => redis.forget(key).await.map_err(StoreError::from),
        };
        self.ended(StoreOperation::Mark, result.as_ref().map(|()| StoreOutcome::Ok), started);
        result
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// Why not.
    pub async fn reachable(&self) -> Result<(), StoreError> {
        match &self.place {
            Place::Memory(_) => Ok(()),
            Place::Redis(redis) => redis.ping().await.map_err(StoreError::from),
        }
    }

    /// Whether the store takes entries: a replica, or a server without memory or disk, answers and takes none.
    ///
    /// # Errors
    /// Why not.
    pub async fn takes_entries(&self) -> Result<(), StoreError> {
        self.reachable().await?;
        let (kept, now) = self.term(Timestamp::MIN);
        match &self.place {
            Place::Memory(memory) => memory.has_room(now),
            Place::Redis(redis) => {
                let probe = MarkKey::new(MarkKind::Probe, &[]);
                redis.mark(&probe, kept.after(now)).await.map_err(StoreError::from)
            }
        }
    }

    /// Whether replicas share the store.
    pub fn is_shared(&self) -> bool {
        matches!(self.place, Place::Redis(_))
    }

    fn now(&self) -> Moment {
        Moment { steady: self.clock.steady(), wall: self.clock.now() }
    }

    /// Until when an entry is kept, and the time now. An entry is kept for longer than asked, and never ends in the past,
    /// or the next request would not find it. If the wall clock is further ahead of the steady time than it was before,
    /// somebody may have set it wrong, and set it right later: an entry then lasts until it ends on the earlier clock, too.
    fn term(&self, until: Timestamp) -> (Moment, Moment) {
        let now = self.now();
        let ahead = now.wall.duration_since(now.steady);
        let least = self.least_ahead.fetch_min(ahead.as_secs(), Ordering::Relaxed).min(ahead.as_secs());
        let doubt = SignedDuration::from_secs(ahead.as_secs().saturating_sub(least)).min(MOST_DOUBT);
        let wall = until.max(now.wall).saturating_add(MARGIN).unwrap_or(Timestamp::MAX);
        let left = wall.duration_since(now.wall).saturating_add(doubt);
        (Moment { steady: now.steady.saturating_add(left).unwrap_or(Timestamp::MAX), wall }, now)
    }

    fn ended(&self, operation: StoreOperation, outcome: Result<StoreOutcome, &StoreError>, started: Instant) {
        let failed = outcome.is_err();
        self.metrics.store_answered(operation, outcome.unwrap_or(StoreOutcome::Error), started.elapsed());
        if self.away.load(Ordering::Relaxed) == failed || self.away.swap(failed, Ordering::Relaxed) == failed {
            return;
        }
        if let Err(error) = outcome {
            tracing::error!(%error, "the store does not answer; what needs it is refused until it does");
        } else {
            tracing::info!("the store answers again");
        }
    }
}

impl std::fmt::Debug for MarkStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_shared() { "MarkStore(redis)" } else { "MarkStore(memory)" })
    }
}

#[cfg(test)]
mod tests;
