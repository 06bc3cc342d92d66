//! The checks of a token against its issuer's keys: signature, issuer, times and subject.
//! `token` checks whom the token is for and what else it must say.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use crate::judgement::jose::claims::{self, WrongType};
use crate::judgement::jose::issuer_claims::IssuerClaims;
use crate::judgement::jose::jws::{self, Header, JwsError};
use crate::judgement::jose::keys::{KeySet, PublicKey};
use crate::words::oauth::confirmation::Binding;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// A token that was read and not verified, good only for choosing keys. [`UnverifiedToken::verify`] makes it a
/// [`VerifiedToken`].
pub struct UnverifiedToken {
    jws: jws::UnverifiedJws,
    claims: Map<String, Value>,
    /// The tenant whose keys can verify the token, if its issuer has tenants.
    tenant: Option<String>,
}

/// The values that a token must have.
#[derive(Clone, Copy, Debug)]
pub struct Expectations<'a> {
    /// The exact `iss`.
    pub issuer: &'a str,
    /// The only accepted algorithms. A key set verifies no HMAC algorithm, even if this list names one: key sets hold
    /// public keys only.
    pub algorithms: &'a [Algorithm],
    /// Tolerance for `exp`, `nbf` and `iat`.
    pub leeway: SignedDuration,
}

/// What verifies the tokens of an issuer: its public keys, or the secret that it shares with Cambio. Never both: no public
/// key can be used as a secret.
#[derive(Clone, Copy, Debug)]
pub enum Verifier<'a> {
    /// Public keys, which verify no HMAC algorithm.
    Keys(&'a KeySet),
    /// A secret, which verifies HMAC algorithms only.
    Secret(&'a Secret),
}

/// A token whose issuer and times were checked, and whose signature was verified or, if it is opaque, whose issuer says
/// that it is active. Only [`UnverifiedToken::verify`], [`UnverifiedToken::verify_issued`],
/// [`UnverifiedToken::verify_shared`] and `token::introspected` make one, and `UnverifiedToken::supposed` for decisions that
/// nobody acts on.
#[derive(Clone)]
pub struct VerifiedToken {
    /// `None`: an opaque token, which has no header.
    header: Option<Header>,
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
    /// No key has the token's `kid` and fits its `alg`; or it has no `kid`, and no key fits.
    #[error("no key of the issuer has the token's kid and fits its alg")]
    KeyUnknown,
    /// `iss` is another.
    #[error("the token's iss is not the expected issuer")]
    Issuer,
    /// `exp` passed so many seconds ago.
    #[error("the token expired {0} s ago")]
    Expired(i64),
    /// `nbf` or `iat` is yet to come.
    #[error("the token's {claim} lies {seconds} s in the future: compare Cambio's clock with the issuer's")]
    NotYetValid {
        /// The claim.
        claim: &'static str,
        /// How far the claim's time is from now.
        seconds: i64,
    },
    /// A claim that every token must have is missing or empty.
    #[error("the claim {0} is missing or empty")]
    ClaimMissing(&'static str),
    /// A claim is of a wrong type.
    #[error(transparent)]
    ClaimType(#[from] WrongType),
}

/// Reads a token without verifying it. The token must have an `iss`.
pub fn peek(token: &str) -> Result<UnverifiedToken, TokenError> {
    let jws = jws::UnverifiedJws::read(token)?;
    let claims = jws.claims()?;
    required(&claims, "iss")?;
    Ok(UnverifiedToken { jws, claims, tenant: None })
}

/// [`peek`] and [`UnverifiedToken::verify`] in one, for callers that have the keys.
pub fn verify(
    token: &Secret,
    keys: &KeySet,
    expect: &Expectations<'_>,
    now: Timestamp,
) -> Result<VerifiedToken, TokenError> {
    peek(token.expose())?.verify(keys, expect, now)
}

/// Checks the signature of a compact JWS with any payload, and returns the payload. Use [`verify`] for tokens.
pub fn verify_payload(jws: &str, keys: &KeySet, algorithms: &[Algorithm]) -> Result<(Header, Vec<u8>), TokenError> {
    let unverified = jws::UnverifiedJws::read(jws)?;
    let payload = unverified.payload()?;
    check_signature(&unverified, keys, algorithms, None)?;
    Ok((unverified.header, payload))
}

impl UnverifiedToken {
    /// The token as its issuer writes claims: `sub` is the claim that names the subject, and only keys of the token's tenant
    /// can verify the token.
    #[must_use]
    pub(in crate::judgement) fn of_issuer(mut self, issuer: &IssuerClaims) -> Self {
        self.tenant = issuer.tenant(self.issuer()).map(|tenant| tenant.id.clone());
        issuer.name_subject(&mut self.claims);
        self
    }

    /// `iss`, never empty.
    pub fn issuer(&self) -> &str {
        self.claims.get("iss").and_then(Value::as_str).unwrap_or_default()
    }

    /// The header's `kid`.
    pub fn kid(&self) -> Option<&str> {
        self.jws.header.kid.as_deref()
    }

    /// The header's `alg`.
    pub fn algorithm(&self) -> Algorithm {
        self.jws.header.algorithm
    }

    /// The header's `typ`.
    pub fn typ(&self) -> Option<&str> {
        self.jws.header.typ.as_deref()
    }

    /// The binding that the token states.
    ///
    /// # Errors
    /// [`Reason::SubjectTokenBound`]: `cnf` can't be read.
    pub(in crate::judgement) fn binding(&self) -> Result<Binding, Refusal> {
        Binding::read(&self.claims)
    }

    /// Whether the token says that it is a refresh token, as Keycloak's do (claim `typ`).
    pub fn says_refresh(&self) -> bool {
        self.claims.get("typ").is_some_and(|typ| typ == "Refresh" || typ == "Offline")
    }

    /// Checks the token: algorithm on the issuer's list, key by `kid`, signature, `iss`, `exp`, `nbf`, `iat` and `sub`
    /// (RFC 7519 section 7.2, RFC 8725). For a token without `kid`, the first keys that fit its algorithm are tried.
    pub fn verify(self, keys: &KeySet, expect: &Expectations<'_>, now: Timestamp) -> Result<VerifiedToken, TokenError> {
        check_signature(&self.jws, keys, expect.algorithms, self.tenant.as_deref())?;
        self.checked(expect, now)
    }

    /// [`Self::verify`] or [`Self::verify_shared`], as the issuer's tokens are verified.
    pub fn verify_with(
        self,
        verifier: Verifier<'_>,
        expect: &Expectations<'_>,
        now: Timestamp,
    ) -> Result<VerifiedToken, TokenError> {
        match verifier {
            Verifier::Keys(keys) => self.verify(keys, expect, now),
            Verifier::Secret(secret) => self.verify_shared(secret, expect, now),
        }
    }

    /// Whether newer keys could verify the token: its algorithm is allowed, and none of these keys made the signature.
    /// An unknown `kid` is another matter: whoever fetches keys for it need not fetch them again.
    pub fn lacks_its_key(&self, keys: &KeySet, algorithms: &[Algorithm]) -> bool {
        let is_known = self.kid().is_none_or(|kid| keys.publishes(kid));
        let outcome = || check_signature(&self.jws, keys, algorithms, self.tenant.as_deref());
        is_known && matches!(outcome(), Err(TokenError::KeyUnknown | TokenError::Jws(JwsError::Signature)))
    }

    /// [`Self::verify`] for a token that the identity provider issued to Cambio. Its `sub` may be missing: the contract
    /// says what `sub` it must have.
    pub fn verify_issued(
        self,
        keys: &KeySet,
        expect: &Expectations<'_>,
        now: Timestamp,
    ) -> Result<VerifiedToken, TokenError> {
        check_signature(&self.jws, keys, expect.algorithms, None)?;
        let (expires, issued) = in_time(&self.claims, expect.issuer, expect.leeway, now, None)?;
        let subject = claims::string(&self.claims, "sub")?.unwrap_or_default().to_owned();
        Ok(VerifiedToken { header: Some(self.jws.header), claims: self.claims, subject, expires, issued })
    }

    /// Checks a token whose sender shares a secret with Cambio (`client_secret_jwt`, `hmacSecretFile`): HS256, HS384 or
    /// HS512 only. The secret must never be anything that is or was in a key set.
    pub fn verify_shared(
        self,
        secret: &Secret,
        expect: &Expectations<'_>,
        now: Timestamp,
    ) -> Result<VerifiedToken, TokenError> {
        if !expect.algorithms.contains(&self.jws.header.algorithm) {
            return Err(TokenError::AlgorithmNotAllowed);
        }
        self.jws.verify_shared(secret)?;
        self.checked(expect, now)
    }

    /// Checks everything but the signature, as if a key had made it: for a decision that nobody acts on
    /// (`permit::preview`). A test in tests/it/layering.rs names the only user.
    pub(in crate::judgement) fn supposed(
        self,
        expect: &Expectations<'_>,
        now: Timestamp,
    ) -> Result<VerifiedToken, TokenError> {
        if !expect.algorithms.contains(&self.jws.header.algorithm) {
            return Err(TokenError::AlgorithmNotAllowed);
        }
        self.checked(expect, now)
    }

    fn checked(self, expect: &Expectations<'_>, now: Timestamp) -> Result<VerifiedToken, TokenError> {
        held(Some(self.jws.header), self.claims, expect.issuer, expect.leeway, now, None)
    }
}

/// Checks issuer, times and subject, which every token must have. `without_exp` stands in for a missing `exp`; without it,
/// `exp` must be there.
pub(in crate::judgement) fn held(
    header: Option<Header>,
    claims: Map<String, Value>,
    expected_issuer: &str,
    leeway: SignedDuration,
    now: Timestamp,
    without_exp: Option<Timestamp>,
) -> Result<VerifiedToken, TokenError> {
    let (expires, issued) = in_time(&claims, expected_issuer, leeway, now, without_exp)?;
    let subject = required(&claims, "sub")?.to_owned();
    Ok(VerifiedToken { header, claims, subject, expires, issued })
}

/// Checks issuer and times. Returns `exp`, or what stands in for it, and `iat`.
fn in_time(
    claims: &Map<String, Value>,
    expected_issuer: &str,
    leeway: SignedDuration,
    now: Timestamp,
    without_exp: Option<Timestamp>,
) -> Result<(Timestamp, Option<Timestamp>), TokenError> {
    if required(claims, "iss")? != expected_issuer {
        return Err(TokenError::Issuer);
    }
    let expires = claims::time(claims, "exp")?.or(without_exp).ok_or(TokenError::ClaimMissing("exp"))?;
    // RFC 7519 section 4.1.4: "on or after" the time it must not be accepted.
    if now.saturating_sub(leeway).unwrap_or(Timestamp::MAX) >= expires {
        return Err(TokenError::Expired(now.as_second().saturating_sub(expires.as_second())));
    }
    let latest = now.saturating_add(leeway).unwrap_or(now);
    let issued = claims::time(claims, "iat")?;
    for (claim, time) in [("nbf", claims::time(claims, "nbf")?), ("iat", issued)] {
        if let Some(time) = time.filter(|time| *time > latest) {
            let seconds = time.as_second().saturating_sub(now.as_second());
            return Err(TokenError::NotYetValid { claim, seconds });
        }
    }
    Ok((expires, issued))
}

impl std::fmt::Debug for UnverifiedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UnverifiedToken").finish_non_exhaustive()
    }
}

/// The issuer's list decides on the algorithm, not the token.
fn check_signature(
    jws: &jws::UnverifiedJws,
    keys: &KeySet,
    algorithms: &[Algorithm],
    tenant: Option<&str>,
) -> Result<(), TokenError> {
    let Header { algorithm, kid, .. } = &jws.header;
    if !algorithms.contains(algorithm) {
        return Err(TokenError::AlgorithmNotAllowed);
    }
    let mut outcome = Err(TokenError::KeyUnknown);
    let is_of_tenant = |key: &&PublicKey| tenant.is_none_or(|tenant| key.signs_for(tenant));
    for key in keys.fitting(kid.as_deref(), *algorithm).filter(is_of_tenant) {
        outcome = jws.verify_once(key).map_err(TokenError::Jws);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

impl VerifiedToken {
    /// The token of an exchange that is being refreshed. It was verified before, and is good until `expires`. `None`
    /// if it has no `sub`: every verified token has one.
    pub(crate) fn remembered(header: Option<Header>, claims: Map<String, Value>, expires: Timestamp) -> Option<Self> {
        let subject = required(&claims, "sub").ok()?.to_owned();
        let issued = claims::time(&claims, "iat").ok()?;
        Some(Self { header, claims, subject, expires, issued })
    }

    /// The token without these claims, which its issuer did not state.
    pub(in crate::judgement) fn without(mut self, names: &BTreeSet<String>) -> Self {
        self.claims.retain(|name, _| !names.contains(name));
        self
    }

    /// Every claim, standard ones included.
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// `sub`. Only the `sub` of a token of [`UnverifiedToken::verify_issued`] can be empty.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Whether the token has an `exp`. An opaque token may have none, if its issuer's `mayLack` says so.
    pub fn states_expiry(&self) -> bool {
        self.claims.contains_key("exp")
    }

    /// `exp`, or the time until which Cambio uses a token without `exp`.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// `iat`
    pub fn issued(&self) -> Option<Timestamp> {
        self.issued
    }

    /// The header's `kid`.
    pub fn kid(&self) -> Option<&str> {
        self.header.as_ref()?.kid.as_deref()
    }

    /// The header's `typ`.
    pub fn typ(&self) -> Option<&str> {
        self.header.as_ref()?.typ.as_deref()
    }

    /// The header's `alg`, which was on the issuer's list; an opaque token has none.
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.header.as_ref().map(|header| header.algorithm)
    }

    /// Whether the token is no JWT, so that its issuer was asked.
    pub fn is_opaque(&self) -> bool {
        self.header.is_none()
    }
}

impl std::fmt::Debug for VerifiedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifiedToken").field("kid", &self.kid()).finish_non_exhaustive()
    }
}

impl From<TokenError> for Refusal {
    /// The refusal of a subject token.
    fn from(error: TokenError) -> Self {
        let hint = match error.reason() {
            Reason::SubjectTokenWithoutSub => {
                "; in Keycloak, give the token's client the client scope basic, and switch lightweight access tokens off for \
                 the client, or on for the scope's mapper of sub"
            }
            _ => "",
        };
        Self::new(error.reason(), format!("{error}{hint}"))
    }
}

impl TokenError {
    /// The cause in the closed set, for a subject token.
    pub fn reason(self) -> Reason {
        match self {
            Self::Jws(JwsError::TooLong { .. }) => Reason::SubjectTokenTooLong,
            Self::Jws(JwsError::Malformed | JwsError::Repeated) => Reason::SubjectTokenMalformed,
            Self::Jws(JwsError::Algorithm) | Self::AlgorithmNotAllowed => Reason::SubjectTokenAlgorithm,
            Self::Jws(JwsError::Critical) => Reason::SubjectTokenCritical,
            Self::Jws(JwsError::KeyMismatch | JwsError::KeyMissing) | Self::KeyUnknown => {
                Reason::SubjectTokenKeyUnknown
            }
            Self::Jws(JwsError::Signature) => Reason::SubjectTokenSignature,
            Self::Issuer => Reason::SubjectTokenIssuerUntrusted,
            Self::Expired(_) => Reason::SubjectTokenExpired,
            Self::NotYetValid { .. } => Reason::SubjectTokenNotYetValid,
            Self::ClaimMissing("sub") => Reason::SubjectTokenWithoutSub,
            Self::ClaimMissing(_) | Self::ClaimType(_) => Reason::SubjectTokenClaims,
        }
    }
}

fn required<'a>(claims: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, TokenError> {
    claims::string(claims, name)?.filter(|text| !text.is_empty()).ok_or(TokenError::ClaimMissing(name))
}
