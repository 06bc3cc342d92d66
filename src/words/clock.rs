//! The time. The edge reads the clock and passes the time to the judgement as an argument.
//!
//! There are two times. The wall clock is for what tokens and keys say about themselves. It can be wrong, and be set. The
//! steady time is for ages: of caches, and of what was used. Nobody can set it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// When the steady time began.
static START: LazyLock<(Timestamp, Instant)> = LazyLock::new(|| (Clock::System.now(), Instant::now()));

/// A source of time.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The system's clock.
    System,
    /// A clock that only a test moves.
    Manual(Arc<ManualClock>),
}

/// A settable clock, in microseconds since the Unix epoch.
#[derive(Debug)]
pub struct ManualClock {
    wall: AtomicI64,
    steady: AtomicI64,
}

impl Clock {
    /// A clock for tests that shows `start` until the test moves it.
    pub fn manual(start: Timestamp) -> (Self, Arc<ManualClock>) {
        let time = || AtomicI64::new(start.as_microsecond());
        let clock = Arc::new(ManualClock { wall: time(), steady: time() });
        (Self::Manual(Arc::clone(&clock)), clock)
    }

    /// The time on the wall now.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system clock")]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Manual(clock) => shown(&clock.wall),
        }
    }

    /// The steady time now. It passes as fast as the wall clock, whatever happens to that one. Only differences between two
    /// steady times mean something.
    pub fn steady(&self) -> Timestamp {
        match self {
            Self::System => {
                let (began, at) = *START;
                began.saturating_add(at.elapsed()).unwrap_or(Timestamp::MAX)
            }
            Self::Manual(clock) => shown(&clock.steady),
        }
    }
}

impl ManualClock {
    /// Time passes. If it is negative, the wall clock is set back.
    pub fn advance(&self, by: SignedDuration) {
        self.set(by);
        self.steady.fetch_add(micros(by).max(0), Ordering::Relaxed);
    }

    /// Somebody sets the wall clock, forwards or backwards.
    pub fn set(&self, by: SignedDuration) {
        self.wall.fetch_add(micros(by), Ordering::Relaxed);
    }
}

/// The end of a day (UTC); `None` after the last day that there is.
pub fn end_of_day(day: Date) -> Option<Timestamp> {
    TimeZone::UTC.to_timestamp(day.tomorrow().ok()?.at(0, 0, 0, 0)).ok()
}

fn shown(time: &AtomicI64) -> Timestamp {
    Timestamp::from_microsecond(time.load(Ordering::Relaxed)).unwrap_or(Timestamp::MAX)
}

fn micros(time: SignedDuration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(0)
}
