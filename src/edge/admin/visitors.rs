//! The connections of the admin listener. If there are too many, the one that has been quiet for longest is closed, so
//! that the next probe is answered.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Most connections at one time: scrapers and probes need few.
pub(super) const MOST: usize = 64;

/// The open connections, the longest quiet first.
#[derive(Debug, Default)]
pub(super) struct Visitors(Mutex<VecDeque<Arc<State>>>);

/// A connection, until this value is dropped.
#[derive(Debug)]
pub(super) struct Visitor {
    visitors: Arc<Visitors>,
    state: Arc<State>,
}

/// A request that is being answered, until this value is dropped.
#[derive(Debug)]
pub(super) struct Busy(Arc<Visitors>, Arc<State>);

#[derive(Debug, Default)]
struct State {
    busy: AtomicBool,
    dismissed: Notify,
}

impl Visitors {
    /// Takes a connection in. It takes the place of another one if there are too many. Checks are fewer than places, so
    /// there is always one that is not busy for long.
    pub(super) fn enter(this: &Arc<Self>) -> Visitor {
        let state = Arc::new(State::default());
        let mut all = this.all();
        if all.len() >= MOST {
            let quiet = all.iter().position(|other| !other.busy.load(Ordering::Relaxed)).unwrap_or(0);
            if let Some(quiet) = all.remove(quiet) {
                quiet.dismissed.notify_one();
            }
        }
        all.push_back(Arc::clone(&state));
        drop(all);
        Visitor { visitors: Arc::clone(this), state }
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<Arc<State>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it was there.
    fn leave(&self, state: &Arc<State>) -> bool {
        let mut all = self.all();
        let place = all.iter().position(|other| Arc::ptr_eq(other, state));
        place.and_then(|place| all.remove(place)).is_some()
    }
}

impl Visitor {
    /// A request begins.
    pub(super) fn busy(&self) -> Busy {
        self.state.busy.store(true, Ordering::Relaxed);
        Busy(Arc::clone(&self.visitors), Arc::clone(&self.state))
    }

    /// Resolves when another connection has taken the place.
    pub(super) async fn dismissed(&self) {
        self.state.dismissed.notified().await;
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        self.visitors.leave(&self.state);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let Self(visitors, state) = self;
        state.busy.store(false, Ordering::Relaxed);
        // The quiet begins now.
        if visitors.leave(state) {
            visitors.all().push_back(Arc::clone(state));
        }
    }
}
