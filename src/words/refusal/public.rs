//! What a caller may know of a refusal.
//!
//! The texts and statuses are Keycloak's where Keycloak has the case. They never depend on the request or the
//! configuration: the audit line has the particulars.

use http::StatusCode;

use crate::words::oauth::error::ErrorCode;

/// The public part of a refusal: an error answer of the token endpoint (RFC 6749 section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicError {
    /// The HTTP status.
    pub status: StatusCode,
    /// The value of `error`.
    pub code: ErrorCode,
    /// The value of `error_description`.
    pub description: &'static str,
}

impl PublicError {
    /// An error with its status and its text.
    pub const fn new(status: StatusCode, code: ErrorCode, description: &'static str) -> Self {
        Self { status, code, description }
    }

    /// The body, `application/json`.
    pub fn body(&self) -> Vec<u8> {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let (code, description) = (quoted(self.code.as_str()), quoted(self.description));
        format!(r#"{{"error":{code},"error_description":{description}}}"#).into_bytes()
    }
}

/// Keycloak's text for any token that it does not accept.
pub(super) const INVALID_TOKEN: PublicError = invalid_request("Invalid token");

/// Keycloak's text for failed client authentication.
pub(super) const INVALID_CLIENT: PublicError = PublicError::new(
    StatusCode::UNAUTHORIZED,
    ErrorCode::InvalidClient,
    "Invalid client or Invalid client credentials",
);

/// The one answer to every denial: no caller needs to know who may exchange tokens for which audience. An answer of the
/// identity provider that grants more than the audience's owner permits is denied in this way, too.
pub(super) const DENIED: PublicError = forbidden("Client not allowed to exchange");

/// A limit is reached. RFC 6749 has no code for that; section 4.1.2.1 has this one for overload.
pub(super) const TOO_MANY: PublicError =
    PublicError::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::TemporarilyUnavailable, "Too many requests");

/// A system that the request needs does not answer.
pub(super) const UNAVAILABLE: PublicError = unavailable(StatusCode::SERVICE_UNAVAILABLE);

/// Cambio holds as much as it may.
pub(super) const OVERLOADED: PublicError =
    PublicError::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::TemporarilyUnavailable, "Too many requests at a time");

/// The identity provider's answer can't be used, or does not answer the question.
pub(super) const BAD_GATEWAY: PublicError = fault(StatusCode::BAD_GATEWAY);

/// A fault in Cambio.
pub(super) const INTERNAL_ERROR: PublicError = fault(StatusCode::INTERNAL_SERVER_ERROR);

pub(super) const fn bad(code: ErrorCode, description: &'static str) -> PublicError {
    PublicError::new(StatusCode::BAD_REQUEST, code, description)
}

pub(super) const fn invalid_request(description: &'static str) -> PublicError {
    bad(ErrorCode::InvalidRequest, description)
}

pub(super) const fn forbidden(description: &'static str) -> PublicError {
    PublicError::new(StatusCode::FORBIDDEN, ErrorCode::AccessDenied, description)
}

pub(super) const fn unavailable(status: StatusCode) -> PublicError {
    PublicError::new(status, ErrorCode::TemporarilyUnavailable, "The identity provider is not available")
}

const fn fault(status: StatusCode) -> PublicError {
    PublicError::new(status, ErrorCode::ServerError, "Internal error")
}
