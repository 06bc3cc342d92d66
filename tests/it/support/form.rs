//! Forms as callers write them.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Encodes fields as `application/x-www-form-urlencoded`.
pub fn encode(fields: &[(&str, &str)]) -> String {
    let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect::<Vec<_>>().join("&")
}

/// Changes fields: each change replaces the field of its name, or removes it if the value is `-`, or stands at the
/// end.
pub fn changed<'a>(fields: &[(&'a str, &'a str)], changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let replaced = |name: &str| changes.iter().any(|(changed, _)| *changed == name);
    let kept = fields.iter().copied().filter(|(name, _)| !replaced(name));
    kept.chain(changes.iter().copied().filter(|(_, value)| *value != "-")).collect()
}

/// Changes an exchange into one whose client is authenticated by an assertion.
pub fn by_assertion(jwt: &str) -> [(&str, &str); 4] {
    [
        ("client_id", "-"),
        ("client_secret", "-"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", jwt),
    ]
}
