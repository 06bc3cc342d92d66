//! RFC 8693 as it is written, with the errors of RFC 6749 section 5.2.

use http::StatusCode;

use super::{Answer, Cause, Member, Members, Refused, Rules, keycloak};
use crate::words::oauth::error::ErrorCode;

/// The dialect.
pub static RULES: Rules = RULES_OF_RFC8693;

/// The same, for dialects that differ in little.
pub(super) const RULES_OF_RFC8693: Rules = Rules {
    audience_of_client: true,
    refusal,
    upstream_refusals: false,
    members: Members::Only(&[
        Member::Copied("access_token"),
        Member::Copied("issued_token_type"),
        Member::Copied("token_type"),
        Member::Copied("expires_in"),
        Member::Copied("scope"),
        Member::Copied("refresh_token"),
    ]),
    ..keycloak::RULES_OF_KEYCLOAK
};

/// What the caller is told: RFC 8693 section 2.2.2 of tokens and targets, RFC 6749 section 5.2 of all else.
pub fn refusal(refused: &Refused<'_>) -> Answer {
    let bad = |code, text| Answer::new(StatusCode::BAD_REQUEST, code, text);
    match refused.cause() {
        Cause::Request => bad(ErrorCode::InvalidRequest, "The request is malformed."),
        Cause::Method => {
            Answer::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::InvalidRequest, "The method must be POST.")
        }
        Cause::TooLarge => {
            Answer::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::InvalidRequest, "The request is too large.")
        }
        Cause::TooSlow => Answer::new(
            StatusCode::REQUEST_TIMEOUT,
            ErrorCode::InvalidRequest,
            "The request came too slowly.",
        ),
        Cause::GrantType => bad(ErrorCode::UnsupportedGrantType, "The grant type is not supported."),
        Cause::TokenType => bad(ErrorCode::InvalidRequest, "A token type is not supported."),
        Cause::Client => {
            Answer::new(StatusCode::UNAUTHORIZED, ErrorCode::InvalidClient, "Client authentication failed.")
        }
        Cause::Proof => bad(ErrorCode::InvalidDpopProof, "The DPoP proof is invalid."),
        Cause::Nonce => bad(ErrorCode::UseDpopNonce, "The DPoP proof needs a nonce."),
        Cause::Untrusted | Cause::Token => bad(ErrorCode::InvalidRequest, "The subject token is invalid."),
        // "Either the subject token or actor token are invalid for any reason, or are unacceptable based on policy".
        Cause::Actor => bad(ErrorCode::InvalidRequest, "The actor can't act for the subject."),
        // "Unwilling or unable to issue a token for any target service". Who may have one is no caller's business, so an
        // unknown target and a forbidden one are told alike.
        Cause::Target | Cause::Denied => bad(ErrorCode::InvalidTarget, "No token is issued for this target."),
        Cause::Scope => bad(ErrorCode::InvalidScope, "The scope exceeds what is granted."),
        Cause::Grant => bad(ErrorCode::InvalidGrant, "The grant is invalid."),
        // RFC 6749 has no code for these at the token endpoint; its names for them at the other (section 4.1.2.1).
        Cause::Away => Answer::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::TemporarilyUnavailable,
            "The authorization server is not available.",
        ),
        Cause::Broken => {
            Answer::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::ServerError, "Internal error.")
        }
    }
}
