//! Client assertions (RFC 7521, RFC 7523 section 3, OpenID Connect Core section 9), checked.

use jiff::{SignedDuration, Timestamp};

use super::credentials::Assertion;
use crate::judgement::client::registry::Workload;
use crate::judgement::jose::checks::rules_hold;
use crate::judgement::jose::claims;
use crate::judgement::jose::jws::{DEFAULT_TOKEN_BYTES, SUPPORTED, check_length};
use crate::judgement::jose::keys::KeySet;
use crate::judgement::jose::verify::{Expectations, TokenError, UnverifiedToken, VerifiedToken, peek};
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// The longest age of a client's own assertion, whatever its `exp` says. Its `jti` is remembered for this time.
pub const MAX_AGE: SignedDuration = SignedDuration::from_secs(300);
/// Longest `jti` in bytes.
const MAX_JTI: usize = 512;

/// A client's own assertion that passed all checks but one: whether it was used before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UnspentJti {
    pub(super) jti: String,
    /// From this time on nobody can use the assertion.
    pub(super) until: Timestamp,
}

/// The key that checks a client's own assertion.
pub(super) enum AssertionKey<'a> {
    Keys(&'a KeySet),
    Shared(&'a Secret),
}

/// The rules for a client's own assertion.
pub(super) struct AssertionRules<'a> {
    /// The algorithms that the configuration allows the client.
    pub(super) algorithms: &'a [jsonwebtoken::Algorithm],
    /// Values that may stand in `aud`.
    pub(super) audiences: &'a [String],
    pub(super) leeway: SignedDuration,
}

/// Reads an assertion without verifying it. No client's assertion is longer than a subject token may be by default.
fn read(assertion: &Assertion) -> Result<UnverifiedToken, TokenError> {
    check_length(assertion.token.expose(), DEFAULT_TOKEN_BYTES)?;
    peek(assertion.token.expose())
}

/// The header's `kid`, unverified: good only for choosing keys.
pub(super) fn kid(assertion: &Assertion) -> Option<String> {
    read(assertion).ok()?.kid().map(str::to_owned)
}

/// Whether the header's algorithm, unverified, needs a shared secret.
pub(super) fn is_shared(assertion: &Assertion) -> bool {
    use jsonwebtoken::Algorithm::{HS256, HS384, HS512};
    read(assertion).is_ok_and(|peeked| matches!(peeked.algorithm(), HS256 | HS384 | HS512))
}

/// Whether none of these keys made the assertion's signature, so that newer keys could verify it.
pub(super) fn lacks_its_key(assertion: &Assertion, keys: &KeySet) -> bool {
    let algorithms = SUPPORTED.map(|(_, algorithm)| algorithm);
    read(assertion).is_ok_and(|peeked| peeked.lacks_its_key(keys, &algorithms))
}

/// Checks a client's own assertion: signed by the client, about the client, for Cambio, recent, and with a `jti`.
pub(super) fn own(
    assertion: &Assertion,
    with: &AssertionKey<'_>,
    must: &AssertionRules<'_>,
    now: Timestamp,
) -> Result<UnspentJti, Refusal> {
    let expect = Expectations { issuer: &assertion.issuer, algorithms: must.algorithms, leeway: must.leeway };
    let token = match with {
        AssertionKey::Keys(keys) => read(assertion).and_then(|token| token.verify(keys, &expect, now)),
        AssertionKey::Shared(secret) => read(assertion).and_then(|token| token.verify_shared(secret, &expect, now)),
    };
    let token = token.map_err(refused)?;
    typ_is_right(&token)?;
    if token.subject() != assertion.issuer {
        return Err(wrong("sub is not iss"));
    }
    let audiences = claims::audiences(token.claims()).map_err(|error| wrong(&error.to_string()))?;
    // Every value must be Cambio's: any other addressee could present the assertion to Cambio.
    if audiences.is_empty() || !audiences.iter().all(|one| must.audiences.iter().any(|ours| ours == one)) {
        return Err(wrong(&format!("aud must be {} and nothing else", must.audiences.join(" or "))));
    }
    let late = |time: Timestamp| time.saturating_add(must.leeway).unwrap_or(Timestamp::MAX);
    let latest = |from: Timestamp| from.saturating_add(MAX_AGE).unwrap_or(Timestamp::MAX);
    let until = match token.issued() {
        Some(issued) => late(token.expires().min(latest(issued))),
        None if token.expires() > late(latest(now)) => {
            return Err(wrong("exp is more than 5 minutes away, and there is no iat"));
        }
        None => late(token.expires()),
    };
    if until <= now {
        return Err(wrong("iat is more than 5 minutes ago"));
    }
    match claims::string(token.claims(), "jti") {
        Ok(Some(jti)) if !jti.is_empty() && jti.len() <= MAX_JTI => Ok(UnspentJti { jti: jti.to_owned(), until }),
        _ => Err(wrong("jti must be text of 1 to 512 bytes")),
    }
}

/// Checks a JWT of a workload's platform: from this issuer, about this workload, for this realm. Platforms hand out
/// one JWT until it expires, mostly without a `jti`, so the JWT may be used many times.
pub(super) fn workload(
    assertion: &Assertion,
    workload: &Workload,
    keys: &KeySet,
    client: &str,
    realm: &str,
    now: Timestamp,
) -> Result<(), Refusal> {
    let checks = &workload.tokens;
    let expect = Expectations { issuer: &workload.url, algorithms: &checks.algorithms, leeway: checks.leeway };
    let token = read(assertion).and_then(|token| token.verify(keys, &expect, now)).map_err(refused)?;
    typ_is_right(&token)?;
    if token.subject() != workload.subject {
        return Err(wrong("sub is another workload"));
    }
    let audiences = claims::audiences(token.claims()).map_err(|error| wrong(&error.to_string()))?;
    if !audiences.contains(&realm) {
        return Err(wrong(&format!("aud must have {realm} in it")));
    }
    rules_hold(token.claims(), client, &checks.rules)
        .map_err(|refusal| wrong(&format!("issuer {}: {}", workload.issuer, refusal.detail)))
}

/// RFC 8725 section 3.11: an access token or a logout token is no assertion, even if the same key signed it.
fn typ_is_right(token: &VerifiedToken) -> Result<(), Refusal> {
    let typ = token.typ().map(str::to_ascii_lowercase);
    match typ.as_deref().map(|typ| typ.strip_prefix("application/").unwrap_or(typ)) {
        None | Some("jwt" | "jose" | "client-authentication+jwt") => Ok(()),
        Some(_) => Err(wrong("the header's typ is not that of a client assertion")),
    }
}

fn refused(error: TokenError) -> Refusal {
    wrong(&error.to_string().replace("the token", "it"))
}

fn wrong(detail: &str) -> Refusal {
    Refusal::new(Reason::ClientUnauthenticated, format!("client_assertion: {detail}"))
}
