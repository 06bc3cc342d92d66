//! RFC 8693 as written, with the errors of RFC 6749 section 5.2.

use http::StatusCode;

use super::keycloak;
use super::refusal::DialectRefusal;
use super::rules::{AnswerMember, AnswerShape, DialectRules};
use crate::words::oauth::error::ErrorCode;
use crate::words::refusal::{Cause, PublicError};

/// The dialect. Other dialects differ from it in little.
pub const RULES: DialectRules = DialectRules {
    audience_of_client: true,
    refusal,
    upstream_refusals: false,
    public_secrets_ignored: false,
    members: AnswerShape::Only(&[
        AnswerMember::Copied("access_token"),
        AnswerMember::Copied("issued_token_type"),
        AnswerMember::Copied("token_type"),
        AnswerMember::Copied("expires_in"),
        AnswerMember::Copied("scope"),
        AnswerMember::Copied("refresh_token"),
    ]),
    ..keycloak::RULES
};

/// The answer to a refusal: RFC 8693 section 2.2.2 for tokens and targets, RFC 6749 section 5.2 for everything else.
pub fn refusal(refused: &DialectRefusal<'_>) -> PublicError {
    let bad = |code, text| PublicError::new(StatusCode::BAD_REQUEST, code, text);
    match refused.cause() {
        Cause::Request => bad(ErrorCode::InvalidRequest, "The request is malformed."),
        Cause::Method => {
            PublicError::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::InvalidRequest, "The method must be POST.")
        }
        Cause::TooLarge => {
            PublicError::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::InvalidRequest, "The request is too large.")
        }
        Cause::TooSlow => {
            PublicError::new(StatusCode::REQUEST_TIMEOUT, ErrorCode::InvalidRequest, "The request came too slowly.")
        }
        Cause::GrantType => bad(ErrorCode::UnsupportedGrantType, "The grant type is not supported."),
        Cause::TokenType => bad(ErrorCode::InvalidRequest, "A token type is not supported."),
        Cause::Client => {
            PublicError::new(StatusCode::UNAUTHORIZED, ErrorCode::InvalidClient, "Client authentication failed.")
        }
        // RFC 6585 section 4, with the code of RFC 6749 section 4.1.2.1.
        Cause::TooMany => PublicError::new(
            StatusCode::TOO_MANY_REQUESTS,
            ErrorCode::TemporarilyUnavailable,
            "There are too many requests.",
        ),
        Cause::DpopProof => bad(ErrorCode::InvalidDpopProof, "The DPoP proof is invalid."),
        Cause::DpopNonce => bad(ErrorCode::UseDpopNonce, "The DPoP proof needs a nonce."),
        Cause::UntrustedToken | Cause::SubjectToken => bad(ErrorCode::InvalidRequest, "The subject token is invalid."),
        // "Either the subject token or actor token are invalid for any reason, or are unacceptable based on policy".
        Cause::Actor => bad(ErrorCode::InvalidRequest, "The actor can't act for the subject."),
        // "Unwilling or unable to issue a token for any target service". Callers need not know who may have one, so an
        // unknown target and a forbidden target get the same answer.
        Cause::Target | Cause::Denied => bad(ErrorCode::InvalidTarget, "No token is issued for this target."),
        Cause::Scope => bad(ErrorCode::InvalidScope, "The scope exceeds what is granted."),
        Cause::Grant => bad(ErrorCode::InvalidGrant, "The grant is invalid."),
        // RFC 6749 has no codes for these at the token endpoint. The codes are the authorization endpoint's (section 4.1.2.1).
        Cause::Unavailable => PublicError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::TemporarilyUnavailable,
            "The authorization server is not available.",
        ),
        Cause::Overloaded => PublicError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::TemporarilyUnavailable,
            "Too many requests at a time.",
        ),
        Cause::Loop => {
            PublicError::new(StatusCode::LOOP_DETECTED, ErrorCode::ServerError, "The request goes in a circle.")
        }
        Cause::Fault => PublicError::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::ServerError, "Internal error."),
    }
}
