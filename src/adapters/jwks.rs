//! A cache of an issuer's keys, which are refreshed and never replaced with an unusable answer.
//!
//! Good keys are served from memory, and a task refreshes them before they are old. An unknown `kid`, or a token that no
//! key verifies, causes one fetch for all callers, and then none for a while, so that made-up tokens put no load on the
//! issuer. A `kid` that fresh keys lack causes no further fetch within `refresh_interval`. When a fetch fails, the good
//! keys stay, but only up to `max_stale`. After that time Cambio could accept a key that the issuer has withdrawn, so
//! there are no keys, and exchanges are refused.

pub mod fetch;
pub mod source;
mod unknown;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jiff::{SignedDuration, Timestamp};
use moka::future::Cache;
use tokio::sync::Semaphore;

use crate::adapters::config::JwksLimits;
use crate::judgement::jose::keys::{KeySet, MAX_KEYS, NoUsableKey};
use crate::words::clock::Clock;
use crate::words::refusal::{Reason, RetryAfter};
use fetch::{FetchError, Fetcher};
pub use source::Source;
use unknown::{UnknownKids, within};

/// Time after a failed fetch during which callers get its error and no other fetch is tried.
const PAUSE_AFTER_FAILURE: SignedDuration = SignedDuration::from_secs(1);
/// First and longest pause of the background task after failures.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// Background fetches of all issuers at one time.
static SCHEDULED: Semaphore = Semaphore::const_new(32);

/// Is called with the outcome of every fetch, for metrics.
pub type FetchObserver = Box<dyn Fn(Result<(), &FetchError>) + Send + Sync>;

/// The keys of one issuer. Clones share them.
#[derive(Clone)]
pub struct JwksCache(Arc<Inner>);

/// There are no usable keys.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JwksError {
    /// No key set could be fetched.
    #[error("the issuer's keys can't be had: {0}")]
    Unavailable(#[from] Arc<FetchError>),
    /// The issuer publishes no key that Cambio can use.
    #[error("{0}")]
    Unusable(#[from] NoUsableKey),
}

struct Inner {
    fetcher: Fetcher,
    limits: JwksLimits,
    clock: Clock,
    observer: FetchObserver,
    held: ArcSwapOption<Held>,
    attempts: Mutex<Attempts>,
    unknown: Mutex<UnknownKids>,
    /// What was last logged about keys that are not used.
    remarked: Mutex<String>,
    /// One fetch at a time. The key is the generation that the fetch replaces.
    flights: Cache<u64, Arc<Held>>,
}

/// A key set of the issuer.
struct Held {
    keys: Arc<KeySet>,
    /// The time before the fetch.
    asked: Timestamp,
    fetched: Timestamp,
    /// Counts the good fetches.
    generation: u64,
}

#[derive(Default)]
struct Attempts {
    because_of_token: Option<Timestamp>,
    failed: Option<(Timestamp, Arc<FetchError>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// The background task refreshes the keys.
    Scheduled,
    /// No usable keys are held.
    Missing,
    /// A token names a key that Cambio does not have, or no key verifies it.
    Token,
}

impl JwksError {
    /// The reason for which an exchange is refused.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Unavailable(_) => Reason::KeysUnavailable,
            Self::Unusable(_) => Reason::KeysUnusable,
        }
    }

    /// When to try again, if the server of the keys said that.
    pub fn retry_after(&self) -> Option<RetryAfter> {
        match self {
            Self::Unavailable(error) => error.retry_after(),
            Self::Unusable(_) => None,
        }
    }
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
            unknown: Mutex::default(),
            remarked: Mutex::default(),
            flights: Cache::new(1),
        }))
    }

    /// The keys to verify a token with. If the issuer publishes none with this `kid`, they are fetched again, if a fetch
    /// is due. The returned keys may still lack the `kid`.
    ///
    /// # Errors
    /// There are no keys younger than `max_stale`, or none of them can be used.
    pub async fn keys(&self, kid: Option<&str>) -> Result<Arc<KeySet>, JwksError> {
        let keys = self.published(kid).await?;
        keys.check_usable()?;
        Ok(keys)
    }

    /// The keys as the issuer publishes them, like [`Self::keys`] for a token with this `kid`. Maybe none can be used.
    ///
    /// # Errors
    /// There are no keys younger than `max_stale`.
    pub async fn published(&self, kid: Option<&str>) -> Result<Arc<KeySet>, JwksError> {
        let now = self.0.clock.steady();
        let held = self.0.held.load_full();
        let generation = Held::generation(held.as_deref());
        let Some(held) = held.filter(|held| self.0.usable(held)) else {
            return Ok(Arc::clone(&self.refresh(generation, Cause::Missing).await?.keys));
        };
        let Some(kid) = kid.filter(|kid| !held.keys.publishes(kid) && !self.0.is_unknown(kid, now)) else {
            return Ok(Arc::clone(&held.keys));
        };
        // If the fetch fails or is not due, the present keys stay good, and the token's key is reported as unknown.
        let Ok(newer) = self.refresh(generation, Cause::Token).await else { return Ok(Arc::clone(&held.keys)) };
        // A fetch that began before the token came may have been too early for its key.
        if newer.asked >= now && !newer.keys.publishes(kid) {
            self.0.unknown().remember(kid, now);
        }
        Ok(Arc::clone(&newer.keys))
    }

    /// The keys, if they are other ones than `verified_nothing`, which has no key that made the signature of a token.
    /// They are fetched again for this, if a fetch is due.
    pub async fn newer(&self, verified_nothing: &Arc<KeySet>) -> Option<Arc<KeySet>> {
        let held = self.0.held.load_full()?;
        let is_newer = |held: &Arc<Held>| !Arc::ptr_eq(&held.keys, verified_nothing);
        let held = if is_newer(&held) {
            held
        } else {
            self.refresh(held.generation, Cause::Token).await.ok().filter(is_newer)?
        };
        (self.0.usable(&held) && !held.keys.is_empty()).then(|| Arc::clone(&held.keys))
    }

    /// Whether [`Self::keys`] for a token with this `kid` would fetch nothing, if no other fetch were pending.
    pub fn has_keys_for(&self, kid: Option<&str>) -> bool {
        let is_settled = |keys: Arc<KeySet>| {
            kid.is_none_or(|kid| keys.publishes(kid) || self.0.is_unknown(kid, self.0.clock.steady()))
        };
        self.held().is_some_and(is_settled)
    }

    /// Whether a token that no key verifies would cause a fetch now.
    pub fn may_fetch_for_token(&self) -> bool {
        self.0.is_due(self.0.clock.steady())
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
            tokio::time::sleep(spread(pause)).await;
        }
    }

    async fn scheduled(&self) -> Result<Arc<Held>, Arc<FetchError>> {
        // Whoever needs the keys at once does not wait here.
        let _place = SCHEDULED.acquire().await;
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
                // This flight was made because of a token and was not due. This caller has another cause, so it tries
                // again.
                Err(error) if matches!(*error, FetchError::NotDue) && cause != Cause::Token => {
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
        let (asked, held) = (self.clock.steady(), self.held.load_full());
        let result = self.fetcher.fetch(held.as_deref().map(|held| &held.keys)).await;
        (self.observer)(result.as_ref().map(|_| ()));
        let now = self.clock.steady();
        match result {
            Ok(keys) => {
                self.remark(&keys);
                let held = Arc::new(Held { keys, asked, fetched: now, generation: generation + 1 });
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
        let now = self.clock.steady();
        let mut attempts = self.attempts();
        match cause {
            Cause::Scheduled => Ok(()),
            Cause::Missing => match &attempts.failed {
                Some((at, error)) if within(PAUSE_AFTER_FAILURE.unsigned_abs(), *at, now) => {
                    Err(FetchError::Earlier(Arc::clone(error)))
                }
                _ => Ok(()),
            },
            Cause::Token => {
                if !self.is_past_cooldown(&attempts, now) {
                    return Err(FetchError::NotDue);
                }
                attempts.because_of_token = Some(now);
                Ok(())
            }
        }
    }

    fn is_due(&self, now: Timestamp) -> bool {
        self.is_past_cooldown(&self.attempts(), now)
    }

    fn is_past_cooldown(&self, attempts: &Attempts, now: Timestamp) -> bool {
        !attempts.because_of_token.is_some_and(|at| within(self.limits.unknown_kid_cooldown, at, now))
    }

    fn is_unknown(&self, kid: &str, now: Timestamp) -> bool {
        self.unknown().contains(kid, self.limits.refresh_interval, now)
    }

    fn unknown(&self) -> std::sync::MutexGuard<'_, UnknownKids> {
        self.unknown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs which keys are published and not used, and why, whenever that changes.
    fn remark(&self, keys: &KeySet) {
        let mut remark = keys.left_out_summary();
        if keys.is_nearly_full() {
            let used = keys.len();
            remark = format!("{used} signing keys are used, of at most {MAX_KEYS}; {remark}");
        }
        let mut remarked = self.remarked.lock().unwrap_or_else(PoisonError::into_inner);
        if *remarked == remark {
            return;
        }
        if !remark.is_empty() {
            tracing::warn!(source = %self.fetcher, used = keys.len(), left_out = %remark, "not every published key is used");
        }
        *remarked = remark;
    }

    fn attempts(&self) -> std::sync::MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn age(&self, held: &Held) -> SignedDuration {
        since(held.fetched, self.clock.steady())
    }
}

/// Time from `earlier` to `now`.
fn since(earlier: Timestamp, now: Timestamp) -> SignedDuration {
    now.duration_since(earlier).max(SignedDuration::ZERO)
}

/// A part of the pause, at least nine tenths, by chance: a thousand issuers are not asked at one moment.
fn spread(pause: Duration) -> Duration {
    use std::hash::BuildHasher;
    let chance = std::hash::RandomState::new().hash_one(()) % 1000;
    pause.saturating_sub(pause / 10_000 * u32::try_from(chance).unwrap_or(0))
}

#[cfg(test)]
mod tests;
