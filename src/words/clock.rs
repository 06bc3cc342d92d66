//! The time. The edge reads the clock and passes the time to the judgement as an argument.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

/// A source of wall-clock time.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The system's clock.
    System,
    /// A clock that only a test moves.
    Manual(Arc<ManualClock>),
}

/// A settable clock, in microseconds since the Unix epoch.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl Clock {
    /// A clock for tests that shows `start` until the test moves it.
    pub fn manual(start: Timestamp) -> (Self, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock(AtomicI64::new(start.as_microsecond())));
        (Self::Manual(Arc::clone(&clock)), clock)
    }

    /// The time now.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system clock")]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Manual(clock) => {
                Timestamp::from_microsecond(clock.0.load(Ordering::Relaxed)).unwrap_or(Timestamp::MAX)
            }
        }
    }
}

impl ManualClock {
    /// Moves the clock, forwards or backwards.
    pub fn advance(&self, by: SignedDuration) {
        let by = i64::try_from(by.as_micros()).unwrap_or(0);
        self.0.fetch_add(by, Ordering::Relaxed);
    }
}
