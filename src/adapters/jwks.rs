//! Issuers' keys: fetched, kept, refreshed, never replaced by something worse.
//!
//! Good keys are served from memory; a task fetches them again before they are old. A `kid` that no key has causes
//! one fetch for all who ask, and then none for a while, so that made-up ids can't be turned into load on the
//! issuer. When a fetch fails, for whatever reason, the good keys stay, but only up to `max_stale`: after that a key
//! that the issuer has withdrawn could still be honoured, so there are no keys, and exchanges are refused.

pub mod fetch;
pub mod source;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jiff::{SignedDuration, Timestamp};
use moka::future::Cache;

use crate::adapters::config::JwksLimits;
use crate::judgement::jose::keys::KeySet;
use crate::words::clock::Clock;
use crate::words::refusal::Reason;
use fetch::{FetchError, Fetcher};
pub use source::Source;

/// How long after a failed fetch callers get the same answer before another is tried.
const PAUSE_AFTER_FAILURE: SignedDuration = SignedDuration::from_secs(1);
/// First and longest pause of the background task after failures.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// Sees what happens to keys; for metrics.
pub trait JwksObserver: Send + Sync {
    /// A fetch ended.
    fn refreshed(&self, outcome: Result<(), &FetchError>);
}

/// The keys of one issuer. Clones share them.
#[derive(Clone)]
pub struct JwksCache(Arc<Inner>);

/// There are no keys that may be used.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the issuer's keys can't be had: {0}")]
pub struct JwksError(Arc<FetchError>);

struct Inner {
    fetcher: Fetcher,
    limits: JwksLimits,
    clock: Clock,
    observer: Arc<dyn JwksObserver>,
    held: ArcSwapOption<Held>,
    attempts: Mutex<Attempts>,
    /// One fetch at a time: the key is the generation that the fetch is to replace.
    flights: Cache<u64, Arc<Held>>,
}

/// A good key set.
struct Held {
    keys: Arc<KeySet>,
    fetched: Timestamp,
    /// Counts up with every good fetch.
    generation: u64,
}

#[derive(Default)]
struct Attempts {
    unknown_kid: Option<Timestamp>,
    failed: Option<(Timestamp, Arc<FetchError>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// The background task's turn.
    Scheduled,
    /// No usable keys are held.
    Missing,
    /// A token names a key that is not among those held.
    UnknownKid,
}

impl JwksCache {
    /// Keys from this source. Nothing is fetched yet.
    pub fn new(fetcher: Fetcher, limits: JwksLimits, clock: Clock, observer: Arc<dyn JwksObserver>) -> Self {
        Self(Arc::new(Inner {
            fetcher,
            limits,
            clock,
            observer,
            held: ArcSwapOption::empty(),
            attempts: Mutex::default(),
            flights: Cache::new(1),
        }))
    }

    /// The keys, and if none of them has this `kid`, newer ones where these can be had. That the `kid` is among what
    /// is returned is not promised. Errors if no good keys younger than `max_stale` can be had.
    pub async fn keys(&self, kid: Option<&str>) -> Result<Arc<KeySet>, JwksError> {
        let held = self.0.held.load_full();
        let generation = Held::generation(held.as_deref());
        let Some(held) = held.filter(|held| self.0.usable(held)) else {
            let newer = self.refresh(generation, Cause::Missing).await;
            return newer.map(|held| Arc::clone(&held.keys)).map_err(JwksError);
        };
        if kid.is_none_or(|kid| held.keys.contains(kid)) {
            return Ok(Arc::clone(&held.keys));
        }
        // What is held stays good if the fetch fails or is not due; the token's key is then unknown, and says so.
        let newer = self.refresh(generation, Cause::UnknownKid).await;
        Ok(newer.map_or_else(|_| Arc::clone(&held.keys), |held| Arc::clone(&held.keys)))
    }

    /// The keys held, without fetching, if they may be used.
    pub fn held(&self) -> Option<Arc<KeySet>> {
        self.0.held.load_full().filter(|held| self.0.usable(held)).map(|held| Arc::clone(&held.keys))
    }

    /// Time since the keys held were fetched; none if there never were any. For metrics and readiness.
    pub fn age(&self) -> Option<SignedDuration> {
        self.0.held.load().as_ref().map(|held| self.0.age(held))
    }

    /// Fetches the keys once, so that the first exchange need not wait. Failure is the background task's business.
    pub async fn warm(&self) {
        if self.held().is_none() {
            self.scheduled().await.ok();
        }
    }

    /// Fetches the keys now and then again and again before they are old, until dropped (in a `select!` with a
    /// shutdown signal, or with its task). Files are looked at every few seconds, for nobody tells us of a change.
    pub async fn keep_fresh(&self) {
        let mut retry = FIRST_RETRY;
        loop {
            let pause = match self.scheduled().await {
                Ok(_) => {
                    retry = FIRST_RETRY;
                    self.0.fetcher.interval(self.0.limits.refresh_interval)
                }
                Err(error) => {
                    tracing::warn!(source = %self.0.fetcher, %error, "keys were not refreshed");
                    let pause = retry.min(self.0.limits.refresh_interval);
                    retry = (retry * 2).min(LAST_RETRY);
                    pause
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn scheduled(&self) -> Result<Arc<Held>, Arc<FetchError>> {
        let generation = Held::generation(self.0.held.load().as_deref());
        self.refresh(generation, Cause::Scheduled).await
    }

    /// One fetch for everybody who finds the same generation wanting, however long after its end he asks. It runs in
    /// a task of its own: a caller who hangs up neither ends it for the others nor starts a second one.
    async fn refresh(&self, generation: u64, cause: Cause) -> Result<Arc<Held>, Arc<FetchError>> {
        loop {
            let inner = Arc::clone(&self.0);
            let flight = tokio::spawn(async move {
                inner.flights.try_get_with(generation, inner.replace(generation, cause)).await
            });
            match flight.await.map_err(|_| FetchError::Aborted)? {
                Ok(held) => return Ok(held),
                // Somebody else's question, answered with "not yet": ours is another one.
                Err(error) if matches!(*error, FetchError::NotDue) && cause != Cause::UnknownKid => {
                    tokio::task::yield_now().await;
                }
                Err(error) => {
                    return Err(match &*error {
                        FetchError::Earlier(first) => Arc::clone(first),
                        _ => error,
                    });
                }
            }
        }
    }
}

impl std::fmt::Debug for JwksCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "JwksCache({})", self.0.fetcher)
    }
}

impl JwksError {
    /// The cause in the closed set.
    pub fn reason(&self) -> Reason {
        Reason::KeysUnavailable
    }
}

impl Held {
    /// Counts from one; zero is nothing yet.
    fn generation(held: Option<&Self>) -> u64 {
        held.map_or(0, |held| held.generation)
    }
}

impl Inner {
    fn usable(&self, held: &Held) -> bool {
        self.age(held).unsigned_abs() <= self.limits.max_stale
    }

    /// Fetches, and on success replaces generation `generation`. Runs once at a time per generation, so what it
    /// reads of `attempts` can't be outrun.
    async fn replace(&self, generation: u64, cause: Cause) -> Result<Arc<Held>, FetchError> {
        // Somebody who read the generation before a flight ended and asked after it: that flight was his.
        if let Some(held) = self.held.load_full().filter(|held| held.generation > generation) {
            return Ok(held);
        }
        self.admit(cause)?;
        let result = self.fetcher.fetch().await;
        self.observer.refreshed(result.as_ref().map(|_| ()));
        let now = self.clock.now();
        match result {
            Ok(keys) => {
                let held = Arc::new(Held { keys: Arc::new(keys), fetched: now, generation: generation + 1 });
                self.held.store(Some(Arc::clone(&held)));
                self.attempts().failed = None;
                Ok(held)
            }
            Err(error) => {
                let error = Arc::new(error);
                self.attempts().failed = Some((now, Arc::clone(&error)));
                Err(FetchError::Earlier(error))
            }
        }
    }

    /// Whether another fetch is due.
    fn admit(&self, cause: Cause) -> Result<(), FetchError> {
        let now = self.clock.now();
        let mut attempts = self.attempts();
        match cause {
            Cause::Scheduled => Ok(()),
            Cause::Missing => match &attempts.failed {
                Some((at, error)) if within(PAUSE_AFTER_FAILURE.unsigned_abs(), *at, now) => {
                    Err(FetchError::Earlier(Arc::clone(error)))
                }
                _ => Ok(()),
            },
            Cause::UnknownKid => {
                let cooldown = self.limits.unknown_kid_cooldown;
                if attempts.unknown_kid.is_some_and(|at| within(cooldown, at, now)) {
                    return Err(FetchError::NotDue);
                }
                attempts.unknown_kid = Some(now);
                Ok(())
            }
        }
    }

    fn attempts(&self) -> std::sync::MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn age(&self, held: &Held) -> SignedDuration {
        since(held.fetched, self.clock.now())
    }
}

/// Whether a pause that began at `start` lasts still. A clock that was set back ends it: else it would last as much longer.
fn within(pause: Duration, start: Timestamp, now: Timestamp) -> bool {
    let passed = now.duration_since(start);
    !passed.is_negative() && passed.unsigned_abs() < pause
}

/// Time from `earlier` to `now`; none if the clock was set back.
fn since(earlier: Timestamp, now: Timestamp) -> SignedDuration {
    now.duration_since(earlier).max(SignedDuration::ZERO)
}

#[cfg(test)]
mod tests;
