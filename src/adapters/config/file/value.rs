//! Scalars of the files that have a unit.

use std::borrow::Cow;
use std::time::Duration;

use jiff::SignedDuration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::adapters::limits::Rate;

/// A duration as written, such as `500ms`, `5s`, `5m`, `2h` or `1h30m`.
// The pattern lets editors find slips early; the `format` decides.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(transparent)]
#[schemars(
    inline,
    extend("title" = "duration", "format" = "period", "pattern" = r"^[0-9P][0-9A-Za-z ,.:]*$|\$\{")
)]
pub struct Period(pub String);

impl Period {
    /// The duration. `None` if the text is none: the check of the file has reported it.
    pub fn duration(&self) -> Option<Duration> {
        duration(&self.0)
    }

    /// The duration in the type of the judgement.
    pub fn signed(&self) -> Option<SignedDuration> {
        SignedDuration::try_from(self.duration()?).ok()
    }
}

/// Reads a duration, such as `1h30m`, `5 minutes` or `PT5M`. Days and longer units are refused, as are negative durations.
pub fn duration(text: &str) -> Option<Duration> {
    text.parse::<SignedDuration>().ok()?.try_into().ok()
}

/// A number of bytes as written: an integer, or text such as `64KiB` or `1MiB`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Size {
    /// Bytes.
    Bytes(u64),
    /// Bytes, or a number with `KiB` or `MiB`.
    Text(String),
}

impl Size {
    /// The number of bytes. `None` if the text is none: the check of the file has reported it.
    pub fn bytes(&self) -> Option<usize> {
        let bytes = match self {
            Self::Bytes(bytes) => Some(*bytes),
            Self::Text(text) => size_of(text),
        };
        usize::try_from(bytes?).ok()
    }
}

/// Reads a number of bytes.
pub(in crate::adapters::config) fn size_of(text: &str) -> Option<u64> {
    let (number, factor) = match text {
        _ if text.ends_with("KiB") => (text.strip_suffix("KiB")?, 1 << 10),
        _ if text.ends_with("MiB") => (text.strip_suffix("MiB")?, 1 << 20),
        _ => (text, 1),
    };
    let digits_only = number.bytes().all(|b| b.is_ascii_digit());
    number.parse::<u64>().ok().filter(|_| digits_only)?.checked_mul(factor)
}

/// A rate as written, such as `50/s`, `600/m` or `1000/h`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(transparent)]
#[schemars(inline, extend("title" = "rate", "format" = "rate", "pattern" = r"^[1-9][0-9]*/[smh]$|\$\{"))]
pub struct RateText(pub String);

impl RateText {
    /// The rate. `None` if the text is none: the check of the file has reported it.
    pub fn rate(&self) -> Option<Rate> {
        Rate::parse(&self.0)
    }
}

/// The default of `SECONDS` seconds, in the largest unit that fits.
pub(super) fn period<const SECONDS: u64>() -> Period {
    Period(match SECONDS {
        s if s >= 7200 && s % 3600 == 0 || s == 3600 => format!("{}h", s / 3600),
        s if s >= 120 && s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    })
}

/// The default of `MILLISECONDS` milliseconds.
pub(super) fn millis<const MILLISECONDS: u64>() -> Period {
    Period(format!("{MILLISECONDS}ms"))
}

/// The default of `BYTES` bytes, in the largest unit that fits.
pub(super) fn size<const BYTES: u64>() -> Size {
    Size::Text(match BYTES {
        b if b >= 1 << 20 && b % (1 << 20) == 0 => format!("{}MiB", b >> 20),
        b if b >= 1 << 10 && b % (1 << 10) == 0 => format!("{}KiB", b >> 10),
        b => b.to_string(),
    })
}

impl JsonSchema for Size {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["integer", "string"], "title": "size", "format": "size", "minimum": 0,
            "pattern": "^[0-9]+(KiB|MiB)?$|\\$\\{"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations() {
        let mut wrong = Vec::new();
        for (text, millis) in [
            ("500ms", Some(500)),
            ("5s", Some(5_000)),
            ("90s", Some(90_000)),
            ("5m", Some(300_000)),
            ("2h", Some(7_200_000)),
            ("24h", Some(86_400_000)),
            ("720h", Some(2_592_000_000)),
            ("1h30m", Some(5_400_000)),
            ("1m500ms", Some(60_500)),
            ("0s", Some(0)),
            // What jiff reads besides.
            ("5 s", Some(5_000)),
            ("+5s", Some(5_000)),
            ("1.5s", Some(1_500)),
            ("5s ", Some(5_000)),
            ("5 minutes", Some(300_000)),
            ("1h 30min", Some(5_400_000)),
            ("1 hour, 30 minutes", Some(5_400_000)),
            ("01:30:00", Some(5_400_000)),
            ("PT5M", Some(300_000)),
            ("PT1H30M", Some(5_400_000)),
            // No number, no unit, or no such unit.
            ("", None),
            ("5", None),
            ("s", None),
            ("5é", None),
            ("5 apples", None),
            ("PT", None),
            // In the past.
            ("-5s", None),
            ("5s ago", None),
            ("-PT5M", None),
            // A day may have 23 hours or 25.
            ("5d", None),
            ("1 day", None),
            ("1w", None),
            ("2mo", None),
            ("1y", None),
            ("P1D", None),
            ("99999999999999999999s", None),
            ("18446744073709551615h", None),
        ] {
            let (got, expected) = (duration(text), millis.map(Duration::from_millis));
            if got != expected {
                wrong.push(format!("{text:?}: {got:?}, not {expected:?}"));
            }
        }
        assert_eq!(wrong, [""; 0]);
    }

    #[test]
    fn reads_sizes() {
        for (text, bytes) in [
            ("65536", Some(65_536)),
            ("64KiB", Some(65_536)),
            ("1MiB", Some(1_048_576)),
            ("64 KiB", None),
            ("64kb", None),
            ("+1", None),
            ("KiB", None),
            ("", None),
            ("18446744073709551615MiB", None),
        ] {
            assert_eq!(size_of(text), bytes, "{text}");
        }
    }

    #[test]
    fn defaults_are_written_in_the_largest_unit() {
        assert_eq!(period::<5>().0, "5s");
        assert_eq!(period::<60>().0, "60s");
        assert_eq!(period::<75>().0, "75s");
        assert_eq!(period::<300>().0, "5m");
        assert_eq!(period::<3600>().0, "1h");
        assert!(matches!(size::<65_536>(), Size::Text(text) if text == "64KiB"));
        assert!(matches!(size::<1_048_576>(), Size::Text(text) if text == "1MiB"));
    }
}
