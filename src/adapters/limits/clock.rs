//! The time since the start, which no change of the system's clock moves.

use std::time::Duration;

use governor::nanos::Nanos;
use jiff::Timestamp;

use crate::words::clock::Clock;

/// A clock of ages.
#[derive(Clone, Debug)]
pub(super) struct AgeClock {
    clock: Clock,
    start: Timestamp,
}

impl AgeClock {
    pub(super) fn new(clock: Clock) -> Self {
        Self { start: clock.steady(), clock }
    }

    /// The time since the start.
    pub(super) fn now(&self) -> Duration {
        Duration::try_from(self.clock.steady().duration_since(self.start)).unwrap_or_default()
    }
}

impl governor::clock::Clock for AgeClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(nanos(Self::now(self)))
    }
}

/// Nanoseconds, which suffice for five centuries.
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
