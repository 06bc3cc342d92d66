//! The introspection answer of an opaque token's issuer (RFC 7662 section 2.2), read strictly and checked like a JWT.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::kind;
use crate::judgement::exchange::refresh::PREFIX as REFRESH_PREFIX;
use crate::judgement::jose::claims;
use crate::judgement::jose::jws::MAX_TOKEN_BYTES;
use crate::judgement::jose::verify::{VerifiedToken, held};
use crate::words::oauth::introspection::IntrospectionAnswer;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// Whether a token does not look like a JWT, so that only its issuer can describe it. Cambio judges even a broken JWT
/// as a JWT and sends it to nobody.
pub fn is_opaque(token: &str) -> bool {
    let dots = memchr::memchr_iter(b'.', token.as_bytes()).count();
    let printable = || !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    !matches!(dots, 2 | 4) && token.len() <= MAX_TOKEN_BYTES && printable() && !has_header(token)
}

/// Whether an opaque token of this type may be shown to an issuer: not one of Cambio's refresh tokens, and no type that
/// must be a JWT.
///
/// # Errors
/// The token may be shown to nobody.
pub fn may_be_shown(token: &Secret, kind: TokenType) -> Result<(), Refusal> {
    if token.expose().to_ascii_lowercase().contains(REFRESH_PREFIX) {
        let detail = "a refresh token of Cambio, which is no subject token and is shown to nobody";
        return Err(Refusal::new(Reason::SubjectTokenMalformed, detail));
    }
    is_access_token_type(kind)
}

fn is_access_token_type(kind: TokenType) -> Result<(), Refusal> {
    if kind == TokenType::AccessToken {
        return Ok(());
    }
    let detail = format!("the subject token is no JWT, and a subject token of type {} must be one", kind.name());
    Err(Refusal::new(Reason::SubjectTokenMalformed, detail))
}

/// Whether the text before the first dot is a JSON object in base64url, as every JOSE header is.
fn has_header(token: &str) -> bool {
    let first = token.split('.').next().unwrap_or_default();
    URL_SAFE_NO_PAD.decode(first).is_ok_and(|bytes| serde_json::from_slice::<Map<String, Value>>(&bytes).is_ok())
}

/// The token that the answer is about: active, of `issuer`, within its times, an access token with a subject. An
/// answer without `iss` is about a token of the issuer that was asked, and gets its `iss`.
pub(super) fn access_token(
    answer: &IntrospectionAnswer,
    kind: TokenType,
    issuer: &str,
    leeway: SignedDuration,
    now: Timestamp,
) -> Result<VerifiedToken, Refusal> {
    is_access_token_type(kind)?;
    let Some(claims) = answer.claims() else {
        return Err(Refusal::new(Reason::SubjectTokenInactive, "its issuer says that it is not active"));
    };
    is_access_token(claims)?;
    let mut claims = claims.clone();
    claims.entry("iss").or_insert_with(|| issuer.into());
    held(None, claims, issuer, leeway, now).map_err(Refusal::from)
}

/// Introspection endpoints describe refresh tokens, too. An access token has a `token_type` (RFC 6749 section 7.1);
/// some servers also send `token_use` or Keycloak's `typ`.
fn is_access_token(claims: &Map<String, Value>) -> Result<(), Refusal> {
    let text = |name| {
        claims::string(claims, name).map_err(|error| Refusal::new(Reason::SubjectTokenClaims, error.to_string()))
    };
    let is = |value: Option<&str>, known: &[&str]| {
        value.is_some_and(|value| known.iter().any(|one| value.eq_ignore_ascii_case(one)))
    };
    let kind = text("token_type")?;
    let bound = is(kind, &["DPoP"]);
    if bound && !claims.contains_key("cnf") {
        return Err(Refusal::new(Reason::SubjectTokenBound, "token_type is DPoP, and there is no cnf"));
    }
    let wrong = |detail| Err(Refusal::new(Reason::SubjectTokenKind, detail));
    if !bound && !is(kind, &["Bearer", "access_token"]) {
        return wrong("the issuer does not say by token_type that it is an access token");
    }
    let other_use = text("token_use")?.is_some_and(|one| !is(Some(one), &["access_token", "access"]));
    let other_typ = text("typ")?.is_some_and(|typ| !is(Some(typ), &["Bearer", "DPoP", "at+jwt"]));
    if other_use || other_typ {
        return wrong("the issuer says that it is no access token");
    }
    kind::check_introspected(claims)
}

#[cfg(test)]
mod tests;
