//! A cache of introspection answers, with one request at a time for each token.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use jiff::{SignedDuration, Timestamp};
use moka::future::Cache;

use crate::judgement::token::introspected::stated_expiry;
use crate::words::clock::Clock;
use crate::words::oauth::introspection::IntrospectionAnswer;
use crate::words::secret::Secret;

/// Longest time for which "not active" is remembered: long enough against a flood, short enough for a token that the
/// issuer accepts a moment later.
const INACTIVE: SignedDuration = SignedDuration::from_secs(2);
/// Bytes of answers that are remembered.
const REMEMBERED: u64 = 8 << 20;

/// Remembers answers, or an error of type `E` for callers that already wait for it.
pub(super) struct AnswerCache<E> {
    /// The key is a keyed hash of the token, so that memory holds no token.
    answers: Cache<[u8; 32], Arc<Remembered<E>>>,
    key: hmac::Key,
    cache_for: SignedDuration,
    clock: Clock,
}

/// The outcome of an introspection, and how long further callers get it.
struct Remembered<E> {
    outcome: Result<IntrospectionAnswer, E>,
    fresh_until: Timestamp,
}

impl<E: Clone + Send + Sync + 'static> AnswerCache<E> {
    /// Remembers answers for at most `cache_for`.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub(super) fn new(cache_for: Duration, clock: Clock) -> Result<Self, Unspecified> {
        let weight = |_: &[u8; 32], remembered: &Arc<Remembered<E>>| {
            let size = remembered.outcome.as_ref().map_or(0, IntrospectionAnswer::size);
            u32::try_from(size + 256).unwrap_or(u32::MAX)
        };
        let answers = Cache::builder()
            .weigher(weight)
            .max_capacity(REMEMBERED)
            .time_to_live(cache_for.max(Duration::from_secs(1)))
            .build();
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?;
        let cache_for = SignedDuration::try_from(cache_for).unwrap_or(SignedDuration::ZERO);
        Ok(Self { answers, key, cache_for, clock })
    }

    /// The remembered answer about a token, or the outcome of `introspection`.
    ///
    /// # Errors
    /// Those of `introspection`.
    pub(super) async fn get_or(
        &self,
        token: &Secret,
        introspection: impl Future<Output = Result<IntrospectionAnswer, E>>,
    ) -> Result<IntrospectionAnswer, E> {
        let tag = hmac::sign(&self.key, token.expose().as_bytes());
        let mut name = [0; 32];
        name.copy_from_slice(tag.as_ref());
        let stale = |kept: &Arc<Remembered<E>>| kept.fresh_until <= self.clock.steady();
        let introspected = async {
            let outcome = introspection.await;
            Arc::new(Remembered { fresh_until: self.fresh_until(&outcome), outcome })
        };
        let entry = self.answers.entry(name).or_insert_with_if(introspected, stale).await;
        entry.value().outcome.clone()
    }

    /// An active token is remembered until its `exp` at the longest, if it has one. A failure goes to callers that already wait.
    fn fresh_until(&self, outcome: &Result<IntrospectionAnswer, E>) -> Timestamp {
        let now = self.clock.steady();
        let after = |time: SignedDuration| now.saturating_add(time).unwrap_or(now);
        let left = |expires: Timestamp| expires.duration_since(self.clock.now()).max(SignedDuration::ZERO);
        let Ok(answer) = outcome else { return now };
        match answer.claims() {
            None => after(self.cache_for.min(INACTIVE)),
            Some(claims) => match stated_expiry(claims) {
                Ok(Some(expires)) => after(left(expires).min(self.cache_for)),
                Ok(None) => after(self.cache_for),
                Err(_) => now,
            },
        }
    }
}
