//! The introspection answer of an opaque token's issuer (RFC 7662 section 2.2), read strictly and checked like a JWT.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::checks::SubjectChecks;
use super::kind;
use crate::judgement::exchange::refresh::PREFIX as REFRESH_PREFIX;
use crate::judgement::expression::Variables;
use crate::judgement::jose::checks::OptionalMember;
use crate::judgement::jose::claims::{self, WrongType};
use crate::judgement::jose::jws::MAX_TOKEN_BYTES;
use crate::judgement::jose::verify::{TokenError, VerifiedToken, held};
use crate::words::oauth::introspection::IntrospectionAnswer;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// How long the new token of a token without `exp` lives at the longest.
const WITHOUT_EXP: SignedDuration = SignedDuration::from_mins(5);

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

/// The token that the answer is about: active, of the issuer, within its times, an access token with a subject. An
/// answer without `iss` is about a token of the issuer that was asked, and gets its `iss`.
pub(super) fn access_token(
    answer: &IntrospectionAnswer,
    kind: TokenType,
    checks: &SubjectChecks<'_>,
    now: Timestamp,
) -> Result<VerifiedToken, Refusal> {
    is_access_token_type(kind)?;
    let Some(claims) = answer.claims() else {
        return Err(Refusal::new(Reason::SubjectTokenInactive, "its issuer says that it is not active"));
    };
    let mut claims = claims.clone();
    let may_lack = |member| checks.checks.may_lack.contains(&member);
    for member in OptionalMember::ALL.into_iter().filter(|member| may_lack(*member)) {
        if claims.get(member.name()).is_some_and(|value| says_nothing(member, value)) {
            claims.remove(member.name());
        }
    }
    is_access_token(&claims, checks)?;
    if may_lack(OptionalMember::Sub) && !claims.contains_key("sub") {
        claims.extend(claims.get("username").cloned().map(|name| ("sub".to_owned(), name)));
    }
    claims.entry("iss").or_insert_with(|| checks.issuer.into());
    checks.checks.claims.name_subject(&mut claims);
    let end = may_lack(OptionalMember::Exp).then(|| now.saturating_add(WITHOUT_EXP).unwrap_or(now));
    held(None, claims, checks.issuer, checks.checks.leeway, now, end).map_err(|error| refusal(error, checks))
}

/// When the token of an answer expires, if the answer says so.
///
/// # Errors
/// `exp` is no number.
pub fn stated_expiry(claims: &Map<String, Value>) -> Result<Option<Timestamp>, WrongType> {
    match claims.get("exp") {
        Some(value) if says_nothing(OptionalMember::Exp, value) => Ok(None),
        _ => claims::time(claims, "exp"),
    }
}

/// The refusal of an answer. The detail names the setting that allows for what is missing.
fn refusal(error: TokenError, checks: &SubjectChecks<'_>) -> Refusal {
    match error {
        TokenError::ClaimMissing(name @ ("sub" | "exp")) if name == "exp" || checks.checks.claims.subject.is_none() => {
            let detail = format!("the issuer's answer has no {name}, and introspection.mayLack does not name {name}");
            Refusal::new(error.reason(), detail)
        }
        _ => checks.refusal(error),
    }
}

/// Whether a member that may be missing says nothing: `null`; an `exp` of 0, which older servers write for a token that
/// does not expire (an active token has not expired in 1970); a `token_type` that says what the token is and not how it is
/// used.
fn says_nothing(member: OptionalMember, value: &Value) -> bool {
    match member {
        OptionalMember::Exp => value.is_null() || value.as_i64() == Some(0),
        OptionalMember::TokenType => value.is_null() || *value == TokenType::AccessToken.urn(),
        OptionalMember::Aud | OptionalMember::Sub => value.is_null(),
    }
}

/// Introspection endpoints describe refresh tokens, too. An access token has a `token_type` (RFC 6749 section 7.1);
/// some servers also send `token_use` or Keycloak's `typ`.
fn is_access_token(claims: &Map<String, Value>, checks: &SubjectChecks<'_>) -> Result<(), Refusal> {
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
    let wrong = |detail: &str| Err(Refusal::new(Reason::SubjectTokenKind, detail));
    if kind.is_none() && checks.checks.may_lack.contains(&OptionalMember::TokenType) {
        without_token_type(claims, checks)?;
    } else if !bound && !is(kind, &["Bearer", "access_token"]) {
        return wrong(match kind {
            None => "the issuer's answer has no token_type, and introspection.mayLack does not name token_type",
            Some(_) => "the issuer does not say by token_type that it is an access token",
        });
    }
    let other_use = text("token_use")?.is_some_and(|one| !is(Some(one), &["access_token", "access"]));
    let other_typ = text("typ")?.is_some_and(|typ| !is(Some(typ), &["Bearer", "DPoP", "at+jwt"]));
    if other_use || other_typ {
        return wrong("the issuer says that it is no access token");
    }
    kind::check_introspected(claims)
}

/// Checks an answer without `token_type`, which may be missing. Some servers leave out both `token_type` and `exp` for a
/// refresh token, and for a refresh token only.
fn without_token_type(claims: &Map<String, Value>, checks: &SubjectChecks<'_>) -> Result<(), Refusal> {
    let wrong = |detail: String| Err(Refusal::new(Reason::SubjectTokenKind, detail));
    if !claims.contains_key("exp") {
        return wrong("it has neither token_type nor exp: it may be a refresh token".to_owned());
    }
    let Some(rule) = &checks.checks.kinds.access_tokens else { return Ok(()) };
    let at = format!("issuers.{}.accessTokens", checks.issuer_name);
    match rule.holds(Variables { claims, client: "", audience: "", scopes: &[] }) {
        Ok(true) => Ok(()),
        Ok(false) => wrong(format!("it has no token_type, and {at} is false")),
        Err(error) => wrong(format!("{at} can't be evaluated: {error}")),
    }
}

#[cfg(test)]
mod tests;
