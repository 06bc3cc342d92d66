//! What kind of token a JWT is. The caller states its type; the contents of the token must not contradict it.

use crate::judgement::jose::claims;
use crate::judgement::jose::verify::{UnverifiedToken, VerifiedToken};
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};

/// The header's `typ` of an Identity Assertion JWT Authorization Grant
/// (draft-ietf-oauth-identity-assertion-authz-grant section 3).
const ID_JAG: &str = "oauth-id-jag+jwt";

/// Whether the header says that the token is an ID-JAG. [`check`] holds the token to it.
pub(super) fn declares_id_jag(token: &UnverifiedToken) -> bool {
    token.typ().is_some_and(|typ| typ.eq_ignore_ascii_case(ID_JAG))
}

/// Checks that a token is of this kind: the header's `typ` (RFC 8725 section 3.11) and Keycloak's claim `typ`. An ID,
/// refresh or logout token is no access token, though one key signs them all.
pub(super) fn check(token: &VerifiedToken, kind: TokenType, own: bool) -> Result<(), Refusal> {
    let wrong = |detail: &str| Err(Refusal::new(Reason::SubjectTokenClaims, detail));
    // Media types are compared without case, and `application/` may be left out (RFC 7515 section 4.1.9).
    let header = token.typ().map(str::to_ascii_lowercase);
    let header = header.as_deref().map(|typ| typ.strip_prefix("application/").unwrap_or(typ));
    if (header == Some(ID_JAG)) != (kind == TokenType::IdJag) {
        return wrong("the header's typ and the token's type don't both say ID-JAG");
    }
    let access_profile = match header {
        None | Some("jwt" | ID_JAG) => false,
        Some("at+jwt") => true,
        Some(_) => return wrong("the header's typ is not that of an access or ID token"),
    };
    let claims = token.claims();
    let claim =
        claims::string(claims, "typ").map_err(|error| Refusal::new(Reason::SubjectTokenClaims, error.to_string()))?;
    // Marks that OpenID Connect Core section 3.3.2.11 puts into ID tokens, and the one of RFC 8417 events (logout).
    let id_marks = ["at_hash", "c_hash", "s_hash"].iter().any(|name| claims.contains_key(*name));
    if claims.contains_key("events") {
        return wrong("the token is a security event");
    }
    let access = match claim {
        Some("Bearer") => true,
        // What Keycloak writes into an access token that is bound to a key.
        Some("DPoP") => claims.get("cnf").is_some_and(|cnf| cnf.get("jkt").is_some()),
        Some(_) => false,
        None => access_profile || !own && !id_marks,
    };
    let id = !access_profile && (claim == Some("ID") || claim.is_none() && !own);
    match kind {
        TokenType::AccessToken if access => Ok(()),
        TokenType::AccessToken => wrong("the token is not an access token"),
        TokenType::IdToken if id => Ok(()),
        TokenType::IdToken => wrong("the token is not an ID token"),
        TokenType::Jwt if access || id => Ok(()),
        TokenType::Jwt => wrong("the token is neither an access token nor an ID token"),
        TokenType::IdJag => Ok(()),
        TokenType::RefreshToken | TokenType::Saml1 | TokenType::Saml2 => {
            Err(Refusal::new(Reason::SubjectTokenTypeUnsupported, kind.name()))
        }
    }
}
