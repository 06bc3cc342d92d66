//! PACE: tokens of foreign issuers, in a form or in JSON, and PACE's own statuses for refusals.

use http::StatusCode;

use super::refusal::DialectRefusal;
use super::rfc8693;
use super::rules::{AnswerMember, AnswerShape, ClaimForm, DefaultClaim, DefaultValue, DialectRules, OptionalClaim};
use crate::words::oauth::error::ErrorCode;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Cause, PublicError};

/// The dialect.
pub const RULES: DialectRules = DialectRules {
    token_paths: &["/protocol/openid-connect/token"],
    json: true,
    refuses_unknown_grants: true,
    subject_tokens: Some(&[TokenType::AccessToken]),
    // PACE does not have the parameter: every token that it issues is a JWT.
    requested_tokens: Some(&[TokenType::AccessToken, TokenType::Jwt]),
    subject_issuer: true,
    drops_offline: true,
    required_claims: &["iat", "exp", "sub", "email"],
    optional_claims: &[
        OptionalClaim { name: "name", form: ClaimForm::Text },
        OptionalClaim { name: "given_name", form: ClaimForm::Text },
        OptionalClaim { name: "family_name", form: ClaimForm::Text },
        OptionalClaim { name: "locale", form: ClaimForm::Locale },
        OptionalClaim { name: "zoneinfo", form: ClaimForm::TimeZone },
    ],
    audience_is_host: true,
    carried: &["email", "family_name", "given_name", "locale", "name", "zoneinfo"],
    defaults: &[
        // OpenID Connect Core 1.0 section 2: the login met no level of assurance that Cambio could vouch for.
        DefaultClaim { name: "acr", value: DefaultValue::Text("0") },
        // Nobody verified the address, unless the audience's file says so.
        DefaultClaim { name: "email_verified", value: DefaultValue::Flag(false) },
        DefaultClaim { name: "locale", value: DefaultValue::Text("en") },
        DefaultClaim { name: "zoneinfo", value: DefaultValue::Text("Europe/Berlin") },
    ],
    refusal,
    members: AnswerShape::Only(&[
        AnswerMember::Copied("access_token"),
        AnswerMember::Text("issued_token_type", TokenType::Jwt.urn()),
        // As in the page's example. A bound token keeps its type.
        AnswerMember::Instead("token_type", "Bearer", TokenType::AccessToken.urn()),
        AnswerMember::Copied("expires_in"),
    ]),
    ..rfc8693::RULES
};

/// The answer to a refusal: 401 for client authentication, 403 for tokens that are not trusted, 422 for the request and the
/// token's contents, 500 for faults. Only PACE's five codes are used. For a method other than POST, which PACE does not
/// mention, the status is 405.
pub fn refusal(refused: &DialectRefusal<'_>) -> PublicError {
    let unprocessable = |code, text| PublicError::new(StatusCode::UNPROCESSABLE_ENTITY, code, text);
    let invalid = |text| unprocessable(ErrorCode::InvalidRequest, text);
    let forbidden = |code, text| PublicError::new(StatusCode::FORBIDDEN, code, text);
    match refused.cause() {
        Cause::Request => invalid("The request is malformed."),
        Cause::TooLarge => invalid("The request is too large."),
        Cause::TooSlow => invalid("The request came too slowly."),
        Cause::TokenType => invalid("A token type is not supported."),
        Cause::Target => invalid("No token is issued for this audience."),
        Cause::Scope => invalid("The requested scopes can't be part of the token."),
        Cause::DpopProof | Cause::DpopNonce => invalid("The DPoP proof is invalid."),
        Cause::GrantType => unprocessable(ErrorCode::UnsupportedGrantType, "The grant type is not supported."),
        Cause::Client => {
            PublicError::new(StatusCode::UNAUTHORIZED, ErrorCode::InvalidClient, "Client authentication failed.")
        }
        // PACE does not mention limits; RFC 6585 section 4 has the status.
        Cause::TooMany => {
            PublicError::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::InvalidRequest, "There are too many requests.")
        }
        Cause::UntrustedToken => forbidden(ErrorCode::InvalidGrant, "The token is not trusted."),
        Cause::SubjectToken => unprocessable(ErrorCode::InvalidGrant, "The token content is invalid."),
        Cause::Actor => unprocessable(ErrorCode::InvalidGrant, "The actor can't act for the subject."),
        Cause::Grant => unprocessable(ErrorCode::InvalidGrant, "The grant is invalid."),
        // The client is authenticated (so no 401) and the request is well-formed (so no 422), but not permitted.
        // "The authenticated client is not authorized to use this authorization grant type" comes nearest.
        Cause::Denied => forbidden(ErrorCode::UnauthorizedClient, "The client may not exchange this token."),
        // PACE has no status for these, and no other code.
        Cause::Method => rfc8693::refusal(refused),
        Cause::Overloaded => PublicError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::InvalidRequest,
            "There are too many requests at a time.",
        ),
        // PACE has no other server error, and shows this code with it.
        Cause::Unavailable | Cause::Fault | Cause::Loop => {
            PublicError::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::InvalidRequest, "Internal Server Error.")
        }
    }
}
