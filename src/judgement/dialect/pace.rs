//! PACE: tokens of foreign issuers, in a form or in JSON, and statuses of its own for what is wrong with them.

use http::StatusCode;

use super::{Answer, Cause, Member, Members, Refused, Rules, rfc8693};
use crate::words::oauth::error::ErrorCode;
use crate::words::oauth::urn::TokenType;

/// The dialect.
pub static RULES: Rules = Rules {
    token_paths: &["/protocol/openid-connect/token"],
    json: true,
    subject_tokens: Some(&[TokenType::AccessToken]),
    // The page does not have the parameter: all that comes is a JWT.
    requested_tokens: Some(&[TokenType::AccessToken, TokenType::Jwt]),
    subject_issuer: true,
    drops_offline: true,
    required_claims: &["iat", "exp", "sub", "email"],
    audience_is_host: true,
    carried: &["email", "family_name", "given_name", "locale", "name", "zoneinfo"],
    defaults: &[("locale", "en"), ("zoneinfo", "Europe/Berlin")],
    refusal,
    members: Members::Only(&[
        Member::Copied("access_token"),
        Member::Text("issued_token_type", TokenType::Jwt.urn()),
        Member::Copied("token_type"),
        Member::Copied("expires_in"),
    ]),
    ..rfc8693::RULES_OF_RFC8693
};

/// What the caller is told: 401 about the client, 403 about trust, 422 about the request and what the token says, 500
/// about us. No code is used but the page's five, and a method other than POST, of which the page says nothing, is
/// HTTP's 405.
pub fn refusal(refused: &Refused<'_>) -> Answer {
    let unprocessable = |code, text| Answer::new(StatusCode::UNPROCESSABLE_ENTITY, code, text);
    let invalid = |text| unprocessable(ErrorCode::InvalidRequest, text);
    let forbidden = |code, text| Answer::new(StatusCode::FORBIDDEN, code, text);
    match refused.cause() {
        Cause::Request => invalid("The request is malformed."),
        Cause::TooLarge => invalid("The request is too large."),
        Cause::TooSlow => invalid("The request came too slowly."),
        Cause::TokenType => invalid("A token type is not supported."),
        Cause::Target => invalid("No token is issued for this audience."),
        Cause::Scope => invalid("The requested scopes can't be part of the token."),
        Cause::Proof | Cause::Nonce => invalid("The DPoP proof is invalid."),
        Cause::GrantType => {
            unprocessable(ErrorCode::UnsupportedGrantType, "The grant type is not supported.")
        }
        Cause::Client => {
            Answer::new(StatusCode::UNAUTHORIZED, ErrorCode::InvalidClient, "Client authentication failed.")
        }
        Cause::Untrusted => forbidden(ErrorCode::InvalidGrant, "The token is not trusted."),
        Cause::Token => unprocessable(ErrorCode::InvalidGrant, "The token content is invalid."),
        Cause::Actor => unprocessable(ErrorCode::InvalidGrant, "The actor can't act for the subject."),
        Cause::Grant => unprocessable(ErrorCode::InvalidGrant, "The grant is invalid."),
        // The client is who it says (so no 401) and the request is well-made (so no 422): it is not trusted with this.
        // "The authenticated client is not authorized to use this authorization grant type" comes nearest.
        Cause::Denied => forbidden(ErrorCode::UnauthorizedClient, "The client may not exchange this token."),
        Cause::Method => rfc8693::refusal(refused),
        // The page has no other server error, and shows this code with it.
        Cause::Away | Cause::Broken => Answer::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::InvalidRequest,
            "Internal Server Error.",
        ),
    }
}
