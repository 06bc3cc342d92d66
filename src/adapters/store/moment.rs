//! A moment on both clocks.

use std::time::Duration;

use jiff::Timestamp;

/// A moment on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// The steady time, by which entries age.
    pub(super) steady: Timestamp,
    /// The wall clock, by which tokens expire.
    pub(super) wall: Timestamp,
}

impl Moment {
    /// The steady time from an earlier moment to this one.
    pub(super) fn after(self, earlier: Self) -> Duration {
        self.steady.duration_since(earlier.steady).unsigned_abs()
    }

    /// The later of two times, on each clock.
    pub(super) fn later(self, other: Self) -> Self {
        Self { steady: self.steady.max(other.steady), wall: self.wall.max(other.wall) }
    }

    /// The new end of an entry whose time is over, if on the wall clock it is not: the wall clock was set back.
    pub(super) fn still_valid(self, now: Self) -> Option<Self> {
        let left = self.wall.duration_since(now.wall);
        let steady = now.steady.saturating_add(left).unwrap_or(Timestamp::MAX);
        left.is_positive().then_some(Self { steady, ..self })
    }
}
