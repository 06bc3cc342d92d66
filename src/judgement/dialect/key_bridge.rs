//! Key Bridge: RFC 8693 with HTTP Basic at a path of its own.

use super::{Member, Members, Rules, rfc8693};
use crate::words::oauth::urn::TokenType;

/// The dialect.
pub static RULES: Rules = Rules {
    token_paths: &["/token/oauth2"],
    // The page has clients authenticate by HTTP Basic (RFC 6749 section 2.3.1).
    challenges: true,
    members: Members::Only(&[
        Member::Copied("access_token"),
        // Whatever we hand out is a JWT, which the page says of access tokens that are.
        Member::Instead("issued_token_type", TokenType::AccessToken.urn(), TokenType::Jwt.urn()),
        Member::Copied("token_type"),
        Member::Copied("expires_in"),
        // What RFC 8693 section 2.2 has besides, to which the page refers.
        Member::Copied("scope"),
        Member::Copied("refresh_token"),
    ]),
    cache_control: "no-cache, no-store",
    ..rfc8693::RULES_OF_RFC8693
};
