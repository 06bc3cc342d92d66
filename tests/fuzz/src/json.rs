//! The strict reader of JSON objects.

use cambio::words::oauth::json;
use serde_json::Value;
use serde_json::value::RawValue;

/// An object that is accepted repeats no name at any depth, is what `serde_json` reads, and both readers read it alike.
pub fn check(input: &[u8]) {
    let members = json::members(input);
    let Ok(object) = json::object(input) else {
        assert!(members.is_err(), "one reader accepts what the other refuses");
        return;
    };
    let members: serde_json::Map<String, Value> =
        members.expect("both readers accept the object").into_iter().collect();
    assert_eq!(members, object, "two readers read two objects");
    let text = std::str::from_utf8(input).expect("JSON is UTF-8");
    assert!(!repeats(text, 0), "a name stands twice");
    let lenient: Value = serde_json::from_slice(input).expect("serde_json reads what the strict reader reads");
    assert_eq!(lenient, Value::Object(object.clone()));
    let written = serde_json::to_vec(&object).expect("JSON");
    let again = json::object(&written).expect("written JSON is JSON");
    assert!(is_same(&Value::Object(again), &Value::Object(object)), "written and read again, the object is another");
}

/// Whether two values differ in nothing but the last digit of a fraction, which `serde_json` does not read exactly.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => match (one.as_f64(), other.as_f64()) {
            (Some(a), Some(b)) if one.is_f64() && other.is_f64() => (a - b).abs() <= a.abs() * 1e-15,
            _ => one == other,
        },
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, one)| other.get(name).is_some_and(|other| is_same(one, other)))
        }
        _ => one == other,
    }
}

/// Finds names that repeat without the reader that is tested.
fn repeats(text: &str, depth: usize) -> bool {
    assert!(depth <= 33, "deeper than the limit");
    let text = text.trim_start();
    if text.starts_with('{') {
        let members = json::texts(text.trim_end()).expect("an object");
        let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        return names.len() < count || members.iter().any(|(_, value)| repeats(value.get(), depth + 1));
    }
    if text.starts_with('[') {
        let items: Vec<&RawValue> = serde_json::from_str(text).expect("a list");
        return items.iter().any(|item| repeats(item.get(), depth + 1));
    }
    false
}
