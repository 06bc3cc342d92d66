//! A cache of answers that are used again for a short, stated time.

use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use moka::future::Cache;

use crate::words::clock::Clock;

/// Answers that are remembered.
const REMEMBERED: u64 = 10_000;
/// Longest time for which an answer takes up memory, whatever the clock does.
const LONGEST: Duration = Duration::from_secs(120);

/// Answers by question. For equal questions, one request is sent at a time.
pub(super) struct RecentAnswers<K, V, E> {
    answers: Cache<K, Arc<Recent<V, E>>>,
    life: SignedDuration,
    clock: Clock,
}

struct Recent<V, E> {
    outcome: Result<V, E>,
    fresh_until: Timestamp,
}

impl<K, V, E> RecentAnswers<K, V, E>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    pub(super) fn new(life: Duration, clock: &Clock) -> Self {
        let answers = Cache::builder().max_capacity(REMEMBERED).time_to_live(LONGEST).build();
        Self { answers, life: SignedDuration::try_from(life).unwrap_or_default(), clock: clock.clone() }
    }

    /// An answer that was asked for at most `life` ago. An error goes to callers that already wait for it.
    pub(super) async fn get_or(&self, key: K, fetch: impl Future<Output = Result<V, E>>) -> Result<V, E> {
        let stale = |kept: &Arc<Recent<V, E>>| kept.fresh_until <= self.clock.steady();
        let fetched = async {
            // The question's time: what changes after it is unknown to the answer.
            let asked = self.clock.steady();
            let outcome = fetch.await;
            let life = if outcome.is_ok() { self.life } else { SignedDuration::ZERO };
            Arc::new(Recent { outcome, fresh_until: asked.saturating_add(life).unwrap_or(asked) })
        };
        self.answers.entry(key).or_insert_with_if(fetched, stale).await.value().outcome.clone()
    }

    /// The next answer to this question is a new one.
    pub(super) async fn forget(&self, key: &K) {
        self.answers.invalidate(key).await;
    }
}

impl<K, V, E> std::fmt::Debug for RecentAnswers<K, V, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecentAnswers")
    }
}
