//! A rate as the configuration writes it.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::Quota;

/// So many in a period. All of them may come at once; after that, one more is due each time its share of the period has
/// passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    count: NonZeroU32,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
}

impl Rate {
    /// The largest number in a rate.
    pub const MOST: u32 = 1_000_000;

    /// Reads `50/s`, `50/m` or `50/h`.
    pub fn parse(text: &str) -> Option<Self> {
        let (count, unit) = text.split_once('/')?;
        let unit = match unit {
            "s" => Unit::Second,
            "m" => Unit::Minute,
            "h" => Unit::Hour,
            _ => return None,
        };
        let digits = !count.starts_with('0') && count.bytes().all(|byte| byte.is_ascii_digit());
        let count: NonZeroU32 = count.parse().ok().filter(|_| digits)?;
        (count.get() <= Self::MOST).then_some(Self { count, unit })
    }

    /// The period within which a used-up rate is whole again.
    pub fn period(self) -> Duration {
        Duration::from_secs(match self.unit {
            Unit::Second => 1,
            Unit::Minute => 60,
            Unit::Hour => 3600,
        })
    }

    pub(super) fn quota(self) -> Quota {
        match self.unit {
            Unit::Second => Quota::per_second(self.count),
            Unit::Minute => Quota::per_minute(self.count),
            Unit::Hour => Quota::per_hour(self.count),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Second => 's',
            Unit::Minute => 'm',
            Unit::Hour => 'h',
        };
        write!(f, "{}/{unit}", self.count)
    }
}
