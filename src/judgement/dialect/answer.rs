//! Bodies of answers.

use http::StatusCode;

use crate::words::oauth::error::ErrorCode;
use crate::words::refusal::Reason;

/// An error answer of the token endpoint (RFC 6749 section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The value of `error`.
    pub code: &'static str,
    /// The value of `error_description`.
    pub description: &'static str,
}

impl Answer {
    /// An answer with a code of the field.
    pub fn new(status: StatusCode, code: ErrorCode, description: &'static str) -> Self {
        Self { status, code: code.as_str(), description }
    }

    /// The body, `application/json`.
    pub fn body(&self) -> Vec<u8> {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        format!(r#"{{"error":{},"error_description":{}}}"#, quoted(self.code), quoted(self.description))
            .into_bytes()
    }
}

/// What a successful answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Members {
    /// Whatever the identity provider's has.
    AsTheyAre,
    /// These, in this order.
    Only(&'static [Member]),
}

/// A member of a successful answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    /// As it is, if it is there.
    Copied(&'static str),
    /// As it is, else `null`.
    OrNull(&'static str),
    /// As it is, but for the first text the second.
    Instead(&'static str, &'static str, &'static str),
    /// This text, whatever the identity provider says.
    Text(&'static str, &'static str),
}

impl Member {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Copied(name) | Self::OrNull(name) | Self::Instead(name, _, _) | Self::Text(name, _) => name,
        }
    }

    /// Its value, made of what the answer has under this name; `None`: it is left out.
    pub fn value(self, had: Option<serde_json::Value>) -> Option<serde_json::Value> {
        match self {
            Self::OrNull(_) => Some(had.unwrap_or(serde_json::Value::Null)),
            Self::Instead(_, from, to) if had.as_ref().is_some_and(|had| had == from) => Some(to.into()),
            Self::Copied(_) | Self::Instead(..) => had,
            Self::Text(_, text) => Some(text.into()),
        }
    }
}

/// How Keycloak begins to say that the subject has no role of the audience.
const NOT_AVAILABLE: &str = "Requested audience not available";

/// The cause of a refusal of the identity provider, as far as its status, its `error` and its `error_description` tell.
pub fn from_upstream(status: u16, code: &str, description: &str) -> Reason {
    match (status, code) {
        (401, _) | (_, "invalid_client") => Reason::ClientUnauthenticated,
        (403, _) | (_, "access_denied" | "unauthorized_client") => Reason::ClientNotPermitted,
        (_, "invalid_scope") => Reason::ScopeNotPermitted,
        (_, "invalid_target") => Reason::ResourceUnknown,
        (_, "invalid_grant") => Reason::RefreshTokenInvalid,
        (_, "invalid_dpop_proof") => Reason::DpopProofInvalid,
        (_, "use_dpop_nonce") => Reason::DpopNonceRequired,
        (_, "not_allowed") => Reason::OfflineNotPermitted,
        (400, "invalid_request") if description.starts_with(NOT_AVAILABLE) => Reason::ResourceUnknown,
        // All else of the request we wrote, so it is the token that it does not take.
        (400, "invalid_request" | "invalid_token") => Reason::SubjectTokenInactive,
        _ => Reason::UpstreamRefused,
    }
}
