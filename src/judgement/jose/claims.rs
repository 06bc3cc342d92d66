//! Typed looks at claims (RFC 7519 section 4.1). A claim of another type is an error, never "absent".

use jiff::Timestamp;
use serde_json::{Map, Value};

/// A claim that is there but is not of the type that its definition asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the claim {0} is of a wrong type")]
pub struct WrongType(pub &'static str);

/// A string claim.
pub fn string<'a>(claims: &'a Map<String, Value>, name: &'static str) -> Result<Option<&'a str>, WrongType> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(WrongType(name)),
    }
}

/// A `NumericDate` (RFC 7519 section 2): seconds since the epoch, a fraction allowed and cut off.
pub fn time(claims: &Map<String, Value>, name: &'static str) -> Result<Option<Timestamp>, WrongType> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_i64().or_else(|| value.as_f64().and_then(whole_seconds)).ok_or(WrongType(name))?;
    Timestamp::from_second(seconds).map(Some).map_err(|_| WrongType(name))
}

/// The values of `aud`, which is a string or a list of strings (RFC 7519 section 4.1.3). Absent gives none.
pub fn audiences(claims: &Map<String, Value>) -> Result<Vec<&str>, WrongType> {
    texts(claims, "aud")
}

/// The values of a claim that is a string or a list of strings. Absent gives none.
pub fn texts<'a>(claims: &'a Map<String, Value>, name: &'static str) -> Result<Vec<&'a str>, WrongType> {
    match claims.get(name) {
        None => Ok(Vec::new()),
        Some(Value::String(one)) => Ok(vec![one]),
        Some(Value::Array(many)) => {
            many.iter().map(|one| one.as_str().ok_or(WrongType(name))).collect::<Result<_, _>>()
        }
        Some(_) => Err(WrongType(name)),
    }
}

fn whole_seconds(value: f64) -> Option<i64> {
    // Beyond this no double has a fraction, and no Timestamp exists.
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    if !(value.is_finite() && value.abs() < LIMIT) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the range was just checked; the fraction is to be cut")]
    Some(value.floor() as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(claims) => claims,
            _ => panic!("not an object"),
        }
    }

    #[test]
    fn times() {
        let cases = [
            ("absent", json!({}), Ok(None)),
            ("integer", json!({"exp": 5}), Ok(Some(5))),
            ("fraction", json!({"exp": 5.9}), Ok(Some(5))),
            ("negative", json!({"exp": -5}), Ok(Some(-5))),
            ("large double", json!({"exp": 4e9}), Ok(Some(4_000_000_000))),
            ("text", json!({"exp": "5"}), Err(WrongType("exp"))),
            ("null", json!({"exp": null}), Err(WrongType("exp"))),
            ("list", json!({"exp": [5]}), Err(WrongType("exp"))),
            ("beyond i64", json!({"exp": u64::MAX}), Err(WrongType("exp"))),
            ("huge double", json!({"exp": 1e300}), Err(WrongType("exp"))),
            ("beyond the calendar", json!({"exp": 9_000_000_000_000_i64}), Err(WrongType("exp"))),
        ];
        for (name, value, expected) in cases {
            let expected = expected.map(|second: Option<i64>| second.map(|s| Timestamp::from_second(s).unwrap()));
            assert_eq!(time(&claims(value), "exp"), expected, "{name}");
        }
    }

    #[test]
    fn audience_is_a_string_or_a_list_of_strings() {
        let cases = [
            ("absent", json!({}), Ok(vec![])),
            ("string", json!({"aud": "a"}), Ok(vec!["a"])),
            ("list", json!({"aud": ["a", "b"]}), Ok(vec!["a", "b"])),
            ("null", json!({"aud": null}), Err(WrongType("aud"))),
            ("list with a number", json!({"aud": ["a", 1]}), Err(WrongType("aud"))),
            ("object", json!({"aud": {"a": 1}}), Err(WrongType("aud"))),
        ];
        for (name, value, expected) in cases {
            assert_eq!(audiences(&claims(value)), expected, "{name}");
        }
    }

    #[test]
    fn strings() {
        assert_eq!(string(&claims(json!({"sub": "a"})), "sub"), Ok(Some("a")));
        assert_eq!(string(&claims(json!({})), "sub"), Ok(None));
        assert_eq!(string(&claims(json!({"sub": 1})), "sub"), Err(WrongType("sub")));
        assert_eq!(string(&claims(json!({"sub": null})), "sub"), Err(WrongType("sub")));
    }
}
