//! Scalars of the files that have a unit.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A duration as written, such as `500ms`, `5s`, `5m`, `2h` or `1h30m`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Period(pub String);

/// A number of bytes as written: an integer, or text such as `64KiB` or `1MiB`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Size {
    /// Bytes.
    Bytes(u64),
    /// Bytes, or a number with `KiB` or `MiB`.
    Text(String),
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

impl JsonSchema for Period {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "title": "duration", "pattern": "^([0-9]+(ms|s|m|h))+$|\\$\\{" })
    }
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
            "type": ["integer", "string"], "title": "size", "minimum": 0, "pattern": "^[0-9]+(KiB|MiB)?$|\\$\\{"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
