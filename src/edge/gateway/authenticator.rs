//! What client authentication keeps from one request to the next.

mod hasher;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use jiff::{SignedDuration, Timestamp};
use moka::future::Cache;

use self::hasher::Hasher;
pub(super) use self::hasher::unavailable;
use crate::judgement::client::verify::{AuthenticatedClient, SlowSecret};
use crate::words::clock::Clock;
use crate::words::refusal::Refusal;
use crate::words::secret::Secret;

/// How long a secret that matched its slow hash is remembered.
const SLOW_FOR: SignedDuration = SignedDuration::from_secs(60);
/// Most proofs that are remembered; each needs some hundred bytes.
const MOST: u64 = 10_000;
/// Longest time for which a proof is remembered.
const LONGEST: Duration = Duration::from_secs(300);

/// What client authentication keeps from one request to the next.
#[derive(Debug)]
pub(super) struct Authenticator {
    pub(super) remembered: Remembered,
    hasher: Hasher,
}

impl Authenticator {
    pub(super) fn new() -> Self {
        Self { remembered: Remembered::new(), hasher: Hasher::new() }
    }

    /// Computes a slow hash on threads of its own, where it delays no other request. A secret that matched is remembered
    /// for a minute.
    pub(super) async fn hash_in_background(
        &self,
        slow: SlowSecret,
        clock: &Clock,
    ) -> Result<AuthenticatedClient, Refusal> {
        let inputs = slow.inputs();
        let parts: Vec<&str> = std::iter::once("hash").chain(inputs.iter().map(Secret::expose)).collect();
        let find = || Box::pin(self.hasher.check(slow)) as Finding<'_>;
        self.remembered.or_else(&parts, SLOW_FOR, || clock.steady(), find).await
    }
}

/// A future proof, boxed because the cache copies it.
pub(super) type Finding<'f> = Pin<Box<dyn Future<Output = Result<AuthenticatedClient, Refusal>> + Send + 'f>>;

/// Proofs that are good for a while, under a keyed hash of what they depend on: neither secrets nor a digest that could be
/// guessed at stay in memory. Another secret, or another configured hash, has another key.
pub(super) struct Remembered {
    /// Made at start, and never written anywhere. If the system gives no random numbers, there is no key, and nothing
    /// is remembered.
    key: Option<hmac::Key>,
    proofs: Cache<[u8; 32], Entry>,
}

#[derive(Clone)]
struct Entry {
    proven: AuthenticatedClient,
    until: Timestamp,
}

impl Remembered {
    pub(super) fn new() -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &aws_lc_rs::rand::SystemRandom::new()).ok();
        Self { key, proofs: Cache::builder().max_capacity(MOST).time_to_live(LONGEST).build() }
    }

    /// The proof that depends on `parts` alone, remembered or from the future that `find` makes. For equal parts, one
    /// such future runs at a time. A refusal goes to all callers that wait for it, and is not remembered.
    pub(super) async fn or_else<'f>(
        &self,
        parts: &[&str],
        keep: SignedDuration,
        now: impl Fn() -> Timestamp,
        find: impl FnOnce() -> Finding<'f>,
    ) -> Result<AuthenticatedClient, Refusal> {
        let Some(digest) = self.digest(parts).filter(|_| keep.is_positive()) else {
            return find().await;
        };
        if let Some(entry) = self.proofs.get(&digest).await {
            if now() < entry.until {
                return Ok(entry.proven);
            }
            self.proofs.invalidate(&digest).await;
        }
        let from = now();
        let found = find();
        let made = async move {
            let proven = found.await?;
            Ok(Entry { proven, until: from.saturating_add(keep).unwrap_or(from) })
        };
        let entry = self.proofs.try_get_with(digest, made).await;
        entry.map(|entry| entry.proven).map_err(Arc::unwrap_or_clone)
    }

    /// Each part with its length before it, so that different lists have different digests.
    fn digest(&self, parts: &[&str]) -> Option<[u8; 32]> {
        let mut context = hmac::Context::with_key(self.key.as_ref()?);
        for part in parts {
            context.update(&part.len().to_be_bytes());
            context.update(part.as_bytes());
        }
        context.sign().as_ref().try_into().ok()
    }
}

impl std::fmt::Debug for Remembered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Remembered")
    }
}
