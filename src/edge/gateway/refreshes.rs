//! Refreshes that are being answered, one at a time for each refresh token: an identity provider that rotates its own
//! refresh tokens would take a second request for theft. Several uses of one refresh token at one time are a race of one client. A use that
//! begins after another was answered is reuse, and a sign of theft.
//!
//! No use is answered before a moment has passed since it came. So all that a client sent at once have come, even if
//! one of them could be answered at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use crate::adapters::store::MarkKey;

/// Shortest time from a refresh to its answer.
const MOMENT: Duration = Duration::from_millis(20);
/// Longest time after a use for which another, which overlaps it, is a race.
const RACE: Duration = Duration::from_secs(1);

/// Refresh tokens in use at this moment.
#[derive(Clone, Debug, Default)]
pub struct RefreshesInFlight(Arc<Mutex<HashMap<MarkKey, Arc<Race>>>>);

/// Uses of one refresh token that overlap each other.
#[derive(Debug, Default)]
struct Race {
    /// When one of them was about to be answered.
    claimed: OnceLock<Instant>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// One use of a refresh token, until it is dropped.
#[derive(Debug)]
pub struct RefreshInFlight {
    all: RefreshesInFlight,
    key: MarkKey,
    race: Arc<Race>,
    began: Instant,
    turn: Option<OwnedMutexGuard<()>>,
}

impl RefreshesInFlight {
    /// A use of the refresh token begins.
    pub fn begin(&self, key: &MarkKey) -> RefreshInFlight {
        let race = Arc::clone(self.lock().entry(*key).or_default());
        RefreshInFlight { all: self.clone(), key: *key, race, began: Instant::now(), turn: None }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<MarkKey, Arc<Race>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RefreshInFlight {
    /// Waits until no use that overlaps this one is being answered.
    pub async fn take_turn(&mut self) {
        self.turn = Some(Arc::clone(&self.race.turn).lock_owned().await);
    }

    /// This use, which found the refresh token unused, is about to use it up.
    pub async fn claims(&self) {
        tokio::time::sleep_until(self.began + MOMENT).await;
        self.race.claimed.get_or_init(Instant::now);
    }

    /// Whether a use that overlaps this one, directly or through others, has used up the refresh token.
    pub fn is_overtaken(&self) -> bool {
        self.race.claimed.get().is_some_and(|claimed| claimed.elapsed() < RACE)
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

        let (mut one, mut other) = (all.begin(&key("a")), all.begin(&key("a")));
        one.take_turn().await;
        assert!(tokio::time::timeout(RACE, other.take_turn()).await.is_err(), "it waits for the first");
        drop(one);
        other.take_turn().await;
        drop(other);
        assert!(all.lock().is_empty());
    }
}
