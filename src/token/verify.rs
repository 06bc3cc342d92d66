//! The checks of a token against its issuer's keys: signature, issuer, times and subject.
//! Whom the token is for, and what else it must say, is `token::validate`'s business.

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::claims::{self, WrongType};
use super::jws::{Header, JwsError, Unverified};
use super::keys::KeySet;
use crate::policy::reason::Reason;
use crate::secret::Secret;

/// What an unverified token says about who can verify it. Good for choosing keys, for nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peek {
    /// `iss`
    pub issuer: String,
    /// The header's `kid`.
    pub kid: Option<String>,
    /// The header's `alg`.
    pub algorithm: Algorithm,
    /// The header's `typ`.
    pub typ: Option<String>,
}

/// What a token is held to.
#[derive(Clone, Copy, Debug)]
pub struct Expectations<'a> {
    /// The exact `iss`.
    pub issuer: &'a str,
    /// The only algorithms that are accepted. With a key set an HMAC algorithm never is, whatever stands here: key sets
    /// hold public keys only.
    pub algorithms: &'a [Algorithm],
    /// Tolerance for `exp`, `nbf` and `iat`.
    pub leeway: SignedDuration,
}

/// A token whose signature, issuer and times were checked. Only [`verify`] and [`verify_shared`] make one.
#[derive(Clone)]
pub struct VerifiedToken {
    header: Header,
    claims: Map<String, Value>,
    subject: String,
    expires: Timestamp,
    issued: Option<Timestamp>,
}

/// Why a token was refused. The text never repeats any part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The form is wrong, or the signature.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// `alg` is not on the issuer's list.
    #[error("the token's alg is not among the issuer's algorithms")]
    AlgorithmNotAllowed,
    /// No key has the token's `kid` and fits its `alg`; or it has no `kid`, and not exactly one key fits.
    #[error("no key of the issuer has the token's kid and fits its alg")]
    KeyUnknown,
    /// `iss` is another.
    #[error("the token's iss is not the expected issuer")]
    Issuer,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` is yet to come.
    #[error("the token's {0} lies in the future")]
    NotYetValid(&'static str),
    /// A claim that every token must have is missing or empty.
    #[error("the claim {0} is missing or empty")]
    ClaimMissing(&'static str),
    /// A claim is of a wrong type.
    #[error(transparent)]
    ClaimType(#[from] WrongType),
}

/// Reads who issued a token and with which key, without believing it.
pub fn peek(token: &str) -> Result<Peek, TokenError> {
    let Unverified { header, claims, .. } = Unverified::read(token)?;
    let issuer = required(&claims, "iss")?.to_owned();
    Ok(Peek { issuer, kid: header.kid, algorithm: header.algorithm, typ: header.typ })
}

/// Checks a token: algorithm on the issuer's list, key by `kid`, signature, `iss`, `exp`, `nbf`, `iat` and `sub`
/// (RFC 7519 section 7.2, RFC 8725). A token without `kid` is accepted only if exactly one key fits its algorithm.
pub fn verify(
    token: &Secret,
    keys: &KeySet,
    expect: &Expectations<'_>,
    now: Timestamp,
) -> Result<VerifiedToken, TokenError> {
    let unverified = Unverified::read(token.expose())?;
    let algorithm = unverified.header.algorithm;
    if !expect.algorithms.contains(&algorithm) {
        return Err(TokenError::AlgorithmNotAllowed);
    }
    let key = keys.find(unverified.header.kid.as_deref(), algorithm).ok_or(TokenError::KeyUnknown)?;
    let (header, claims) = unverified.verify(key)?;
    checked(header, claims, expect, now)
}

/// The same for a token whose sender shares a secret with us (`client_secret_jwt`): HS256, HS384 or HS512, and nothing
/// else. Never with anything that is or was in a key set.
pub fn verify_shared(
    token: &Secret,
    secret: &Secret,
    expect: &Expectations<'_>,
    now: Timestamp,
) -> Result<VerifiedToken, TokenError> {
    let unverified = Unverified::read(token.expose())?;
    if !expect.algorithms.contains(&unverified.header.algorithm) {
        return Err(TokenError::AlgorithmNotAllowed);
    }
    let (header, claims) = unverified.verify_shared(secret)?;
    checked(header, claims, expect, now)
}

/// Issuer, times and subject of a token whose signature is right.
fn checked(
    header: Header,
    claims: Map<String, Value>,
    expect: &Expectations<'_>,
    now: Timestamp,
) -> Result<VerifiedToken, TokenError> {
    if required(&claims, "iss")? != expect.issuer {
        return Err(TokenError::Issuer);
    }
    let expires = claims::time(&claims, "exp")?.ok_or(TokenError::ClaimMissing("exp"))?;
    // RFC 7519 section 4.1.4: "on or after" the time it must not be accepted.
    if now.saturating_sub(expect.leeway).unwrap_or(Timestamp::MAX) >= expires {
        return Err(TokenError::Expired);
    }
    let latest = now.saturating_add(expect.leeway).unwrap_or(now);
    let issued = claims::time(&claims, "iat")?;
    for (name, time) in [("nbf", claims::time(&claims, "nbf")?), ("iat", issued)] {
        if time.is_some_and(|time| time > latest) {
            return Err(TokenError::NotYetValid(name));
        }
    }
    let subject = required(&claims, "sub")?.to_owned();
    Ok(VerifiedToken { header, claims, subject, expires, issued })
}

impl VerifiedToken {
    /// A token that was verified before and is remembered with the exchange that it was for; it counts until `expires`.
    /// `None` if it has no `sub`, which no verified token has.
    pub(crate) fn remembered(header: Header, claims: Map<String, Value>, expires: Timestamp) -> Option<Self> {
        let subject = required(&claims, "sub").ok()?.to_owned();
        let issued = claims::time(&claims, "iat").ok()?;
        Some(Self { header, claims, subject, expires, issued })
    }

    /// Every claim, standard ones included.
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// `sub`, never empty.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// `exp`
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// `iat`
    pub fn issued(&self) -> Option<Timestamp> {
        self.issued
    }

    /// The header's `kid`.
    pub fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// The header's `typ`.
    pub fn typ(&self) -> Option<&str> {
        self.header.typ.as_deref()
    }

    /// The header's `alg`, which was on the issuer's list.
    pub fn algorithm(&self) -> Algorithm {
        self.header.algorithm
    }
}

impl std::fmt::Debug for VerifiedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifiedToken").field("kid", &self.header.kid).finish_non_exhaustive()
    }
}

impl TokenError {
    /// The cause in the closed set, for a subject token.
    pub fn reason(self) -> Reason {
        match self {
            Self::Jws(JwsError::TooLarge | JwsError::Malformed | JwsError::Repeated) => {
                Reason::SubjectTokenMalformed
            }
            Self::Jws(JwsError::Algorithm) | Self::AlgorithmNotAllowed => Reason::SubjectTokenAlgorithm,
            Self::Jws(JwsError::Critical) => Reason::SubjectTokenCritical,
            Self::Jws(JwsError::KeyMismatch) | Self::KeyUnknown => Reason::SubjectTokenKeyUnknown,
            Self::Jws(JwsError::Signature) => Reason::SubjectTokenSignature,
            Self::Issuer => Reason::SubjectTokenIssuerUntrusted,
            Self::Expired => Reason::SubjectTokenExpired,
            Self::NotYetValid(_) => Reason::SubjectTokenNotYetValid,
            Self::ClaimMissing(_) | Self::ClaimType(_) => Reason::SubjectTokenClaims,
        }
    }
}

fn required<'a>(claims: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, TokenError> {
    claims::string(claims, name)?.filter(|text| !text.is_empty()).ok_or(TokenError::ClaimMissing(name))
}
