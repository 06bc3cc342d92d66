//! The answers that judges see.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use jiff::Timestamp;
use serde_json::{Map, Value};

/// What came back.
#[derive(Clone)]
pub struct Observation {
    /// The status.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// When the answer arrived.
    pub at: Timestamp,
    /// The introspection of the token in the answer, if the token is not a JWT.
    pub introspected: Option<Map<String, Value>>,
}

impl Observation {
    /// The JSON object in the body. The last value of a repeated member counts.
    pub fn json(&self) -> Option<Map<String, Value>> {
        serde_json::from_slice(&self.body).ok()
    }

    /// A member of the answer, if it is a string.
    pub fn text(&self, name: &str) -> Option<String> {
        self.json()?.get(name)?.as_str().map(str::to_owned)
    }

    /// The issued token.
    pub fn token(&self) -> Option<String> {
        self.text("access_token").filter(|token| !token.is_empty())
    }

    /// `error`, shortened to what can be printed.
    pub fn error(&self) -> Option<String> {
        let shown = |letter: &char| letter.is_ascii_graphic();
        self.text("error").map(|code| code.chars().filter(shown).take(40).collect())
    }

    /// A header field, if it is visible text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether a token was issued.
    pub fn issued(&self) -> bool {
        (200..300).contains(&self.status) && self.token().is_some()
    }

    /// The claims of the issued token, from the JWT or from introspection.
    pub fn claims(&self) -> Option<Map<String, Value>> {
        claims_of(&self.token()?).or_else(|| self.introspected.clone())
    }

    /// The answer on one line, without anything that must not be printed.
    pub fn told(&self) -> String {
        match (self.issued(), self.error()) {
            (true, _) => format!("{}, a token was issued", self.status),
            (false, Some(code)) => format!("{} {code}", self.status),
            (false, None) if self.json().is_some() => format!("{} without error", self.status),
            (false, None) => format!("{}, not JSON", self.status),
        }
    }
}

impl std::fmt::Debug for Observation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observation").field("status", &self.status).finish_non_exhaustive()
    }
}

/// The claims of a JWT, not verified.
pub fn claims_of(token: &str) -> Option<Map<String, Value>> {
    part(token, 1)
}

/// The header of a JWT.
pub fn header_of(token: &str) -> Option<Map<String, Value>> {
    part(token, 0)
}

fn part(token: &str, at: usize) -> Option<Map<String, Value>> {
    let parts: Vec<_> = token.split('.').collect();
    let encoded = if parts.len() == 3 { parts.get(at)? } else { return None };
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()
}

/// The values of `aud`, which is one string or a list (RFC 7519 section 4.1.3).
pub fn audiences(claims: &Map<String, Value>) -> Vec<String> {
    match claims.get("aud") {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}
