//! Answers of introspection endpoints.

use cambio::words::oauth::introspection::{IntrospectionAnswer, error_code};
use cambio::words::oauth::json;
use serde_json::Value;

/// A token is active only if the answer is a strict object whose `active` is `true`, and its claims are that object.
pub fn check(input: &[u8]) {
    let object = json::object(input);
    match (IntrospectionAnswer::read(input), &object) {
        (Ok(answer), Ok(object)) => {
            assert_eq!(answer.is_active(), object.get("active") == Some(&Value::Bool(true)));
            assert_eq!(answer.claims(), answer.is_active().then_some(object));
            assert_eq!(answer.size(), input.len());
        }
        (Ok(_), Err(_)) => panic!("an answer that is no strict object"),
        (Err(_), Ok(object)) => assert!(!object.get("active").is_some_and(Value::is_boolean)),
        (Err(_), Err(_)) => {}
    }
    if let Some(code) = error_code(input) {
        assert_eq!(object.ok().and_then(|object| object.get("error").cloned()), Some(Value::String(code)));
    }
}
