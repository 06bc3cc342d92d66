//! The time since the start, which no change of the system's clock moves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use governor::nanos::Nanos;

use crate::words::clock::Clock;

/// A clock of ages. In tests, the clock that the test moves tells them.
#[derive(Clone, Debug)]
pub(super) enum AgeClock {
    Monotonic(Instant),
    Manual(Arc<Manual>),
}

/// A manual clock, and its time at the start, in microseconds.
#[derive(Debug)]
pub(super) struct Manual {
    clock: Clock,
    start: i64,
}

impl AgeClock {
    pub(super) fn new(clock: Clock) -> Self {
        match clock {
            Clock::System => Self::Monotonic(Instant::now()),
            Clock::Manual(_) => Self::Manual(Arc::new(Manual { start: clock.now().as_microsecond(), clock })),
        }
    }

    /// The time since the start.
    pub(super) fn now(&self) -> Duration {
        match self {
            Self::Monotonic(start) => start.elapsed(),
            Self::Manual(manual) => {
                let since = manual.clock.now().as_microsecond().saturating_sub(manual.start);
                Duration::from_micros(u64::try_from(since).unwrap_or_default())
            }
        }
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
