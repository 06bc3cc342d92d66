//! Expressions of the policy, with claims and scopes from outside.

use cambio::judgement::expression::{Expression, Variables};
use cambio::words::oauth::json;
use serde_json::{Map, Value};

/// An expression, a line break, claims. The result is the same each time, depends on nothing that the expression says it
/// does not look at, and an error shows no claim.
pub fn check(input: &[u8]) {
    let (source, claims) = super::cut(input, b'\n');
    let Ok(source) = std::str::from_utf8(source) else { return };
    let Ok(expression) = Expression::compile(source) else { return };
    let mut claims = json::object(claims).unwrap_or_default();
    claims.insert("canary".to_owned(), Value::from("hidden-canary-claim"));
    let first = outcome(&expression, &claims, &["email".to_owned()]);
    assert_eq!(outcome(&expression, &claims, &["email".to_owned()]), first, "a second evaluation says something else");
    if !expression.looks_at_scopes() {
        assert_eq!(outcome(&expression, &claims, &[]), first, "it looks at the scope");
    }
    if !expression.looks_at_claim("canary") {
        claims.remove("canary");
        assert_eq!(outcome(&expression, &claims, &["email".to_owned()]), first, "it looks at the claim");
    }
    if let Err(error) = &first {
        assert!(source.contains("hidden-canary") || !error.contains("hidden-canary"), "an error shows a claim");
    }
}

fn outcome(expression: &Expression, claims: &Map<String, Value>, scopes: &[String]) -> Result<String, String> {
    let variables = Variables { claims, client: "front-end-app", audience: "back-end-api", scopes };
    let scene = variables.scene();
    let holds = expression.holds_in(&scene).map_err(|error| error.to_string());
    match expression.value_in(&scene) {
        Ok(value) => {
            assert_eq!(value.as_bool(), holds.ok(), "a condition that holds has another value");
            Ok(value.to_string())
        }
        Err(error) => Err(error.to_string()),
    }
}
