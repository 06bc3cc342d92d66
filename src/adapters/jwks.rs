//! A cache of an issuer's keys, which are refreshed and never replaced with an unusable answer.
//!
//! Good keys are served from memory, and a task refreshes them before they are old. An unknown `kid` causes one fetch
//! for all callers, and then none for a while, so that made-up ids put no load on the issuer. When a fetch fails, the
//! good keys stay, but only up to `max_stale`. After that time Cambio could accept a key that the issuer has withdrawn,
//! so there are no keys, and exchanges are refused.

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
use fetch::{FetchError, Fetcher};
pub use source::Source;

/// Time after a failed fetch during which callers get its error and no other fetch is tried.
const PAUSE_AFTER_FAILURE: SignedDuration = SignedDuration::from_secs(1);
/// First and longest pause of the background task after failures.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// Is called with the outcome of every fetch, for metrics.
pub type FetchObserver = Box<dyn Fn(Result<(), &FetchError>) + Send + Sync>;

/// The keys of one issuer. Clones share them.
#[derive(Clone)]
pub struct JwksCache(Arc<Inner>);

/// There are no usable keys.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the issuer's keys can't be had: {0}")]
pub struct JwksError(Arc<FetchError>);

struct Inner {
    fetcher: Fetcher,
    limits: JwksLimits,
    clock: Clock,
    observer: FetchObserver,
    held: ArcSwapOption<Held>,
    attempts: Mutex<Attempts>,
    /// One fetch at a time. The key is the generation that the fetch replaces.
    flights: Cache<u64, Arc<Held>>,
}

/// A good key set.
struct Held {
    keys: Arc<KeySet>,
    fetched: Timestamp,
    /// Counts the good fetches.
    generation: u64,
}

#[derive(Default)]
struct Attempts {
    unknown_kid: Option<Timestamp>,
    failed: Option<(Timestamp, Arc<FetchError>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// The background task refreshes the keys.
    Scheduled,
    /// No usable keys are held.
    Missing,
    /// A token names a key that Cambio does not have.
    UnknownKid,
}

impl JwksCache {
    /// Keys from this source. Nothing is fetched yet.
    pub fn new(fetcher: Fetcher, limits: JwksLimits, clock: Clock, observer: FetchObserver) -> Self {
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

    /// The keys. If none of them has this `kid`, they are fetched again, if a fetch is due. The returned keys may still
    /// lack the `kid`. Fails if there are no good keys younger than `max_stale`.
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
        // If the fetch fails or is not due, the present keys stay good, and the token's key is reported as unknown.
        let newer = self.refresh(generation, Cause::UnknownKid).await;
        Ok(newer.map_or_else(|_| Arc::clone(&held.keys), |held| Arc::clone(&held.keys)))
    }

    /// The present keys, without fetching, if they are usable.
    pub fn held(&self) -> Option<Arc<KeySet>> {
        self.0.held.load_full().filter(|held| self.0.usable(held)).map(|held| Arc::clone(&held.keys))
    }

    /// Time since the present keys were fetched; `None` if no fetch succeeded yet. For metrics and readiness.
    pub fn age(&self) -> Option<SignedDuration> {
        self.0.held.load().as_ref().map(|held| self.0.age(held))
    }

    /// Fetches the keys now, and again whenever they grow old, until the future is dropped (in a `select!` with a
    /// shutdown signal, or with its task). Files are read every few seconds, because nothing announces a change.
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

    /// One fetch for all callers that need a newer generation, even if they call after its end. The fetch runs in its
    /// own task, so a caller that hangs up neither ends it for others nor causes a second fetch.
    async fn refresh(&self, generation: u64, cause: Cause) -> Result<Arc<Held>, Arc<FetchError>> {
        loop {
            let inner = Arc::clone(&self.0);
            let flight =
                tokio::spawn(
                    async move { inner.flights.try_get_with(generation, inner.replace(generation, cause)).await },
                );
            match flight.await.map_err(|_| FetchError::Aborted)? {
                Ok(held) => return Ok(held),
                // This flight was made for an unknown `kid` and was not due. This caller has another cause, so it tries
                // again.
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

impl Held {
    /// The generation, counted from one; zero without keys.
    fn generation(held: Option<&Self>) -> u64 {
        held.map_or(0, |held| held.generation)
    }
}

impl Inner {
    fn usable(&self, held: &Held) -> bool {
        self.age(held).unsigned_abs() <= self.limits.max_stale
    }

    /// Fetches, and on success replaces generation `generation`. It runs once at a time per generation, so that
    /// `attempts` can't change under it.
    async fn replace(&self, generation: u64, cause: Cause) -> Result<Arc<Held>, FetchError> {
        // The caller read the generation before a flight ended and called after its end: that flight is for this
        // caller, too.
        if let Some(held) = self.held.load_full().filter(|held| held.generation > generation) {
            return Ok(held);
        }
        self.admit(cause)?;
        let result = self.fetcher.fetch().await;
        (self.observer)(result.as_ref().map(|_| ()));
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

/// Whether a pause that began at `start` still lasts. If the clock was set back, the pause ends: otherwise it would
/// last longer by that time.
fn within(pause: Duration, start: Timestamp, now: Timestamp) -> bool {
    let passed = now.duration_since(start);
    !passed.is_negative() && passed.unsigned_abs() < pause
}

/// Time from `earlier` to `now`; zero if the clock was set back.
fn since(earlier: Timestamp, now: Timestamp) -> SignedDuration {
    now.duration_since(earlier).max(SignedDuration::ZERO)
}

#[cfg(test)]
mod tests;
