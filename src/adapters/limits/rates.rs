//! Rates, judged by governor's cell rate algorithm (GCRA).
//!
//! governor's own stores of keys grow until somebody clears them, and can't be looked at without counting. So the state
//! is in a [`Table`] of a fixed size, and [`Cell::counts`] says whether a look is counted.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{NotUntil, RateLimiter};

use super::clock::{AgeClock, nanos};
use super::rate::Rate;
use super::table::{Entry, Table};

/// One rate, for any number of keys.
#[derive(Debug)]
pub(super) struct Limiter {
    rate: Rate,
    /// Tells the limiter's entries from those of other limiters in the table.
    number: u64,
    start: Duration,
    table: Arc<Table<Arrivals>>,
    gcra: RateLimiter<Cell, Store, AgeClock, NoOpMiddleware<Nanos>>,
}

/// Until when the arrivals of a key are spread, if they came evenly (the algorithm's theoretical arrival time). From then
/// on, the entry says nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrivals(Duration);

impl Entry for Arrivals {
    fn ends(&self) -> Duration {
        self.0
    }
}

/// A key of a limiter at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Cell {
    key: u64,
    now: Duration,
    /// The start of the limiter, from which its algorithm counts.
    start: Duration,
    counts: bool,
}

#[derive(Debug)]
struct Store(Arc<Table<Arrivals>>);

impl Limiter {
    pub(super) fn new(rate: Rate, table: Arc<Table<Arrivals>>, clock: AgeClock) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let (number, start) = (NEXT.fetch_add(1, Ordering::Relaxed), clock.now());
        let gcra = RateLimiter::new(rate.quota(), Store(Arc::clone(&table)), clock);
        Self { rate, number, start, table, gcra }
    }

    pub(super) fn rate(&self) -> Rate {
        self.rate
    }

    /// Counts an arrival of this key.
    ///
    /// # Errors
    /// The key's limit is reached, and will not be after this time.
    pub(super) fn take(&self, key: &(impl Hash + ?Sized)) -> Result<(), Duration> {
        self.check(key, true)
    }

    /// Whether an arrival of this key would be counted.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub(super) fn look(&self, key: &(impl Hash + ?Sized)) -> Result<(), Duration> {
        self.check(key, false)
    }

    fn check(&self, key: &(impl Hash + ?Sized), counts: bool) -> Result<(), Duration> {
        let now = self.gcra.clock().now();
        let cell = Cell { key: self.table.key((self.number, key)), now, start: self.start, counts };
        let checked = self.gcra.check_key(&cell);
        checked.map_err(|until: NotUntil<Nanos>| until.wait_time_from(Nanos::new(nanos(now))))
    }
}

impl StateStore for Store {
    type Key = Cell;

    fn measure_and_replace<T, F, E>(&self, cell: &Cell, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.0.change(cell.key, cell.now, |old| {
            let old = old.map(|Arrivals(until)| Nanos::new(nanos(until.saturating_sub(cell.start))));
            match measure(old) {
                Ok((outcome, until)) => {
                    let new = Arrivals(cell.start.saturating_add(until.into()));
                    (cell.counts.then_some(new), Ok(outcome))
                }
                Err(refused) => (None, Err(refused)),
            }
        })
    }
}
