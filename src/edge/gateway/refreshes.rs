//! Refreshes that are being answered. Several uses of one refresh token at one time are a race of one client. A use that
//! begins after another was answered is reuse, and a sign of theft.
//!
//! No use is answered before a moment has passed since it came. So all that a client sent at once have come, even if
//! one of them could be answered at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::adapters::store::MarkKey;

/// Shortest time from a refresh to its answer.
const MOMENT: Duration = Duration::from_millis(20);
/// Longest time after a use for which another, which overlaps it, is a race.
const RACE: Duration = Duration::from_secs(1);

/// Refresh tokens in use at this moment.
#[derive(Clone, Debug, Default)]
pub struct RefreshesInFlight(Arc<Mutex<HashMap<MarkKey, Race>>>);

/// When one of the uses that overlap each other was about to be answered.
type Race = Arc<OnceLock<Instant>>;

/// One use of a refresh token, until it is dropped.
#[derive(Debug)]
pub struct RefreshInFlight {
    all: RefreshesInFlight,
    key: MarkKey,
    race: Race,
    began: Instant,
}

impl RefreshesInFlight {
    /// A use of the refresh token begins.
    pub fn begin(&self, key: &MarkKey) -> RefreshInFlight {
        let race = Arc::clone(self.lock().entry(*key).or_default());
        RefreshInFlight { all: self.clone(), key: *key, race, began: Instant::now() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<MarkKey, Race>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RefreshInFlight {
    /// This use, which found the refresh token unused, is about to use it up.
    pub async fn claims(&self) {
        tokio::time::sleep_until(self.began + MOMENT).await;
        self.race.get_or_init(Instant::now);
    }

    /// Whether a use that overlaps this one, directly or through others, has used up the refresh token.
    pub fn is_overtaken(&self) -> bool {
        self.race.get().is_some_and(|claimed| claimed.elapsed() < RACE)
    }
}

impl Drop for RefreshInFlight {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        // The table's and this one: nobody else can get another while the table is locked.
        if Arc::strong_count(&self.race) == 2 {
            all.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::store::MarkKind;

    #[tokio::test(start_paused = true)]
    async fn only_uses_that_overlap_are_a_race() {
        let all = RefreshesInFlight::default();
        let key = |id: &str| MarkKey::new(MarkKind::RefreshToken, &["corp", id]);
        let (one, other) = (all.begin(&key("a")), all.begin(&key("b")));
        let second = all.begin(&key("a"));
        one.claims().await;
        assert!(second.is_overtaken() && !other.is_overtaken());
        drop(one);
        let third = all.begin(&key("a"));
        assert!(third.is_overtaken(), "it overlaps one that overlapped the first");
        tokio::time::advance(RACE).await;
        assert!(!third.is_overtaken(), "nobody can keep a race going");
        drop((second, third));
        assert!(!all.begin(&key("a")).is_overtaken(), "all of them were answered before");
        drop(other);
        assert!(all.lock().is_empty());
    }
}
