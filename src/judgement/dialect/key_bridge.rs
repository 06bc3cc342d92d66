//! Key Bridge: RFC 8693 with HTTP Basic, at its own path.

use super::rfc8693;
use super::rules::{AnswerMember, AnswerShape, DialectRules};
use crate::words::oauth::urn::TokenType;

/// The dialect.
pub const RULES: DialectRules = DialectRules {
    token_paths: &["/token/oauth2"],
    // Clients authenticate with HTTP Basic (RFC 6749 section 2.3.1).
    challenges: true,
    members: AnswerShape::Only(&[
        AnswerMember::Copied("access_token"),
        // Key Bridge calls an access token that is a JWT so, and all of Cambio's are.
        AnswerMember::Instead("issued_token_type", TokenType::AccessToken.urn(), TokenType::Jwt.urn()),
        AnswerMember::Copied("token_type"),
        AnswerMember::Copied("expires_in"),
        // Further members of RFC 8693 section 2.2, to which Key Bridge refers.
        AnswerMember::Copied("scope"),
        AnswerMember::Copied("refresh_token"),
    ]),
    cache_control: "no-cache, no-store",
    ..rfc8693::RULES
};
