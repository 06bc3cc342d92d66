//! Proofs that are good for a while, by a keyed hash of what they depend on: neither secrets nor a digest that could be
//! guessed at stay in memory. Another secret, or another configured hash, is another key.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use jiff::{SignedDuration, Timestamp};
use moka::future::Cache;

use crate::judgement::client::verify::AuthenticatedClient;
use crate::words::refusal::Refusal;

/// Most proofs that are remembered; each takes some hundred bytes.
const MOST: u64 = 10_000;
/// Longest time that any is, whatever the clock does.
const LONGEST: Duration = Duration::from_secs(300);

/// A proof on its way; boxed, because the cache copies it.
pub(in crate::edge::gateway) type Finding<'f> =
    Pin<Box<dyn Future<Output = Result<AuthenticatedClient, Refusal>> + Send + 'f>>;

/// Proofs by keyed hash.
pub(in crate::edge::gateway) struct Remembered {
    /// Made at start, and never written anywhere. Without chance there is none, and nothing is remembered.
    key: Option<hmac::Key>,
    proofs: Cache<[u8; 32], Entry>,
}

#[derive(Clone)]
struct Entry {
    proven: AuthenticatedClient,
    from: Timestamp,
    until: Timestamp,
}

impl Remembered {
    pub(in crate::edge::gateway) fn new() -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &aws_lc_rs::rand::SystemRandom::new()).ok();
        Self { key, proofs: Cache::builder().max_capacity(MOST).time_to_live(LONGEST).build() }
    }

    /// The proof that depends on `parts` alone: remembered, or found by what `find` makes, of which one runs at a time for
    /// the same parts. Refusals are shared by those who wait for it, and not remembered.
    pub(in crate::edge::gateway) async fn or_else<'f>(
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
            if entry.holds_at(now()) {
                return Ok(entry.proven);
            }
            self.proofs.invalidate(&digest).await;
        }
        let from = now();
        let found = find();
        let made = async move {
            let proven = found.await?;
            Ok(Entry { proven, from, until: from.saturating_add(keep).unwrap_or(from) })
        };
        let entry = self.proofs.try_get_with(digest, made).await;
        entry.map(|entry| entry.proven).map_err(Arc::unwrap_or_clone)
    }

    /// Each part with its length before it, so that no two lists have one digest.
    fn digest(&self, parts: &[&str]) -> Option<[u8; 32]> {
        let mut context = hmac::Context::with_key(self.key.as_ref()?);
        for part in parts {
            context.update(&part.len().to_be_bytes());
            context.update(part.as_bytes());
        }
        context.sign().as_ref().try_into().ok()
    }
}

impl Entry {
    /// A clock that was set back ends it: else it would last as much longer.
    fn holds_at(&self, now: Timestamp) -> bool {
        (self.from..self.until).contains(&now)
    }
}

impl std::fmt::Debug for Remembered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Remembered")
    }
}
