//! One audit line. No field holds a token, a secret or a code; tokens are named by their SHA-256.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

/// The field `event`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A token exchange was decided.
    TokenExchange,
    /// A refresh token that Cambio issued was used.
    TokenRefresh,
    /// A request to revoke a token that Cambio issued was answered.
    TokenRevocation,
    /// A token request was refused before Cambio knew whether it is an exchange.
    #[default]
    RequestRefused,
    /// A request passed ungoverned, because the configuration opens or observes its grant.
    DoorPassed,
    /// The identity provider sent the answer to an exchange that Cambio had not allowed.
    AnswerWithheld,
}

/// One audit line. A field is absent if its value was not known when the answer was ready.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "docs/audit-log.md documents each field; a test compares the two")]
pub struct Line {
    pub time: jiff::Timestamp,
    pub event: Event,
    pub id: String,
    pub outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow_outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    pub status: u16,
    pub duration_ms: f64,
    pub peer: String,
    pub method: String,
    pub path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub door: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_authentication: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_token_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor_issuer: Option<String>,
    /// The client that the actor token was issued to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor_client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor_token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor_token_sha256: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actors: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impersonation: Option<ImpersonationRecord>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub audience: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope_requested: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuance: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles_before: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles_granted: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope_granted: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claims_dropped: Vec<String>,
    /// Names of members of the identity provider's answer that are not handed out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members_dropped: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_kid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_family: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_generation: Option<u32>,
    pub policy_hash: String,
}

impl Line {
    /// Says how the request ends, after how long, and when.
    pub fn ends(&mut self, outcome: &'static str, reason: Option<&'static str>, took: Duration, now: Timestamp) {
        (self.outcome, self.reason, self.time) = (outcome, reason, now);
        self.duration_ms = (took.as_secs_f64() * 1e6).round() / 1e3;
    }
}

/// The user whom a request wants to impersonate.
#[derive(Clone, Debug, Serialize)]
pub struct ImpersonationRecord {
    /// The parameter `requested_subject`.
    pub requested: String,
    /// The `sub` that the new token is to have, once the user is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

/// Characters of a caller's text that an audit line keeps.
pub const KEPT: usize = 256;
/// Characters of a subject that an audit line keeps: as many as a foreign subject may have bytes.
pub const SUBJECT: usize = 2048;
/// Characters of a method that an audit line keeps; the longest registered method has 17.
pub const METHOD: usize = 32;
/// Characters of a detail, which may contain several names, that an audit line keeps.
pub const DETAIL: usize = 1024;

/// A caller's text, cut to the length that an audit line keeps.
pub fn clip(text: &str) -> String {
    first(text, KEPT)
}

/// The first characters of a text.
pub fn first(text: &str, count: usize) -> String {
    // A text has at most as many characters as bytes.
    if text.len() <= count { text.to_owned() } else { text.chars().take(count).collect() }
}
