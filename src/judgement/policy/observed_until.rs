//! The day on which observing ends.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::words::clock::end_of_day;

/// How long requests are observed: to the end of a day (UTC). After that, the judgement is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObservedUntil {
    last: Date,
    end: Timestamp,
}

impl ObservedUntil {
    /// To the end of this day; `None` after the last day that there is.
    pub fn new(last: Date) -> Option<Self> {
        Some(Self { last, end: end_of_day(last)? })
    }

    /// The last day.
    pub fn last(self) -> Date {
        self.last
    }

    /// The first moment at which the judgement is enforced.
    pub fn end(self) -> Timestamp {
        self.end
    }

    /// Whether requests are observed now.
    pub fn is_on(self, now: Timestamp) -> bool {
        now < self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_day_ends_at_midnight() {
        let until = ObservedUntil::new(Date::constant(2027, 1, 31)).unwrap();
        assert!(until.is_on("2027-01-31T23:59:59.999Z".parse().unwrap()));
        assert!(!until.is_on("2027-02-01T00:00:00Z".parse().unwrap()));
    }
}
