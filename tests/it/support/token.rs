//! Reads tokens without checking them, for assertions.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// The header of a JWT.
pub fn header(token: &str) -> Value {
    part(token, 0)
}

/// The claims of a JWT.
pub fn claims(token: &str) -> Value {
    part(token, 1)
}

/// The realm roles in claims.
pub fn realm_roles(claims: &Value) -> Vec<&str> {
    names(&claims["realm_access"]["roles"])
}

/// A client's roles in claims.
pub fn client_roles<'a>(claims: &'a Value, client: &str) -> Vec<&'a str> {
    names(&claims["resource_access"][client]["roles"])
}

/// The clients of which there are roles in claims.
pub fn role_clients(claims: &Value) -> Vec<&str> {
    claims["resource_access"].as_object().map(|o| o.keys().map(String::as_str).collect()).unwrap_or_default()
}

fn names(value: &Value) -> Vec<&str> {
    value.as_array().map(|many| many.iter().map(|one| one.as_str().unwrap()).collect()).unwrap_or_default()
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap_or_else(|| panic!("no JWT"));
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
