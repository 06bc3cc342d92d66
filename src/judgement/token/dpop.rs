//! `DPoP` proofs (RFC 9449): the caller proves for one request that it holds a private key.
//!
//! [`check`] makes an [`UnspentProof`]. The first claim of its `jti` makes the proof a [`DpopProof`], which alone is
//! evidence.

pub mod htu;
pub mod nonce;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Method};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use self::htu::Htu;
use self::nonce::Nonces;
use crate::judgement::jose::claims::{self, WrongType};
use crate::judgement::jose::jws::{JwsError, UnverifiedJws};
use crate::judgement::jose::keys;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// The request's header.
pub const HEADER: &str = "dpop";
/// The answer's header with a fresh nonce (RFC 9449 section 8.1).
pub const NONCE_HEADER: &str = "dpop-nonce";
/// Largest proof in bytes: an RSA key of 8192 bits with a signature takes less than four KiB.
pub const MAX_PROOF_BYTES: usize = 8 * 1024;
/// Longest `jti` in bytes. RFC 9449 section 4.2 requires 96 random bits or a UUID.
pub const MAX_JTI_BYTES: usize = 256;

/// A realm's rules for proofs.
#[derive(Clone, Copy, Debug)]
pub struct DpopRules<'a> {
    /// The only accepted algorithms. HMAC algorithms are never accepted: `jwk` is a public key.
    pub algorithms: &'a [Algorithm],
    /// How old `iat` may be.
    pub window: SignedDuration,
    /// How far `iat` may lie in the future.
    pub leeway: SignedDuration,
    /// The realm's nonces, if a proof must have one.
    pub nonces: Option<Nonces<'a>>,
}

/// What a proof must be about.
#[derive(Clone, Copy, Debug)]
pub struct ProofRequest<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// The request's public URLs: a realm may be reached under several origins.
    pub urls: &'a [Htu],
    /// The token that the request carries.
    pub token: &'a Secret,
    /// Where the request carries the token.
    pub place: ProofTarget,
}

/// Whether a proof must name the token that it goes with by its hash, `ath`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofTarget {
    /// The token endpoint, with a subject token, an assertion or a refresh token in the form. RFC 9449 section 5 has no
    /// `ath` there and clients send none, so Cambio requires none: the key of the proof shows that the caller holds
    /// the key of a bound subject token. An `ath` that is present must fit.
    TokenEndpoint,
    /// A protected resource, such as userinfo, with the access token in `Authorization`: `ath` must be there and fit
    /// (RFC 9449 section 7), so that a proof does not serve for another token of the same key.
    Resource,
}

/// A proof that passed all checks but one: whether it was used before.
#[derive(Debug)]
pub struct UnspentProof {
    jkt: String,
    jti: String,
    until: Timestamp,
}

/// A `DPoP` proof that was checked (RFC 9449 section 4.3) and had not been used before. Only [`UnspentProof::spent`]
/// makes one.
#[derive(Debug)]
pub struct DpopProof {
    jkt: String,
}

/// Why a proof was refused. The text never repeats any part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DpopError {
    /// More than one `DPoP` header line.
    #[error("there is more than one DPoP header")]
    Repeated,
    /// The header is no text of [`MAX_PROOF_BYTES`] at most.
    #[error("the DPoP header is no text of 8 KiB at most")]
    Header,
    /// The form is wrong, or the signature.
    #[error("the proof: {0}")]
    Jws(#[from] JwsError),
    /// `typ` is another.
    #[error("the proof's typ is not dpop+jwt")]
    Type,
    /// `alg` is not on the realm's list.
    #[error("the proof's alg is not among realms.*.dpop.algorithms")]
    Algorithm,
    /// `jwk` is missing, private, symmetric, or unfit.
    #[error("the proof's jwk is no public key that is fit for use")]
    Key,
    /// A claim that every proof must have is missing, empty or too long.
    #[error("the proof's claim {0} is missing, empty or too long")]
    Claim(&'static str),
    /// A claim is of a wrong type.
    #[error("the proof: {0}")]
    ClaimType(#[from] WrongType),
    /// `htm` is another method.
    #[error("the proof's htm is not the request's method")]
    Method,
    /// `htu` is another URL.
    #[error(
        "the proof's htu is not the endpoint's URL at the origin of realms.*.issuer or at one of realms.*.publicOrigins"
    )]
    Url,
    /// `iat` lies too far back.
    #[error("the proof's iat is older than realms.*.dpop.window")]
    Old,
    /// `iat` lies in the future.
    #[error("the proof's iat lies in the future")]
    Early,
    /// `ath` is of another token.
    #[error("the proof's ath is not the hash of the token that it goes with")]
    TokenHash,
    /// The realm requires a nonce, and the proof has none, an old one or a foreign one.
    #[error("the proof has no nonce of Cambio, or an old one")]
    Nonce,
    /// The proof was used before.
    #[error("the proof's jti was used before")]
    Replayed,
}

impl From<DpopError> for Refusal {
    fn from(error: DpopError) -> Self {
        let reason = match error {
            DpopError::Nonce => Reason::DpopNonceRequired,
            _ => Reason::DpopProofInvalid,
        };
        Self::new(reason, error.to_string())
    }
}

/// The proof that a request carries; `None` without one. More than one is refused (RFC 9449 section 4.3, check 1).
pub fn header(headers: &HeaderMap) -> Result<Option<&str>, DpopError> {
    let mut lines = headers.get_all(HEADER).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(DpopError::Repeated);
    }
    let text = line.to_str().map_err(|_| DpopError::Header)?;
    if text.len() > MAX_PROOF_BYTES { Err(DpopError::Header) } else { Ok(Some(text)) }
}

/// Checks a proof against the request that it came with: the checks of RFC 9449 section 4.3 but the last, which is
/// about the token's binding ([`crate::words::oauth::confirmation`]).
pub fn check(
    proof: &str,
    asked: &ProofRequest<'_>,
    rules: &DpopRules<'_>,
    now: Timestamp,
) -> Result<UnspentProof, DpopError> {
    let (unverified, jwk) = UnverifiedJws::read_with_key(proof)?;
    let header = &unverified.header;
    if !header.typ.as_deref().is_some_and(is_proof) {
        return Err(DpopError::Type);
    }
    if !rules.algorithms.contains(&header.algorithm) {
        return Err(DpopError::Algorithm);
    }
    let key = keys::admit(&jwk).ok_or(DpopError::Key)?;
    unverified.verify(&key)?;
    let claims = unverified.claims()?;
    let jkt = keys::thumbprint(&Value::Object(jwk)).ok_or(DpopError::Key)?;

    let jti = required(&claims, "jti")?;
    if jti.len() > MAX_JTI_BYTES {
        return Err(DpopError::Claim("jti"));
    }
    // Methods are compared with case (RFC 9110 section 9.1).
    if required(&claims, "htm")? != asked.method.as_str() {
        return Err(DpopError::Method);
    }
    let named = Htu::parse(required(&claims, "htu")?).ok_or(DpopError::Url)?;
    if !asked.urls.contains(&named) {
        return Err(DpopError::Url);
    }
    let until = until(&claims, rules, now)?;
    token_hash(&claims, asked)?;
    if let Some(nonces) = rules.nonces {
        let nonce = claims::string(&claims, "nonce")?;
        if !nonce.is_some_and(|nonce| nonces.accepts(nonce, rules.window, rules.leeway, now)) {
            return Err(DpopError::Nonce);
        }
    }
    Ok(UnspentProof { jkt, jti: jti.to_owned(), until })
}

impl UnspentProof {
    /// Key and `jti`, which may be used together once only. Another key with an equal `jti` is another proof, so
    /// nobody can spend somebody else's proof.
    pub fn once(&self) -> [&str; 2] {
        [&self.jkt, &self.jti]
    }

    /// From this time on the proof is too old to be used again.
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// The SHA-256 thumbprint of the caller's key. Before anything is handed out, the proof must be spent.
    pub fn jkt(&self) -> &str {
        &self.jkt
    }

    /// The proof, if this was the first use of [`Self::once`].
    pub fn spent(self, first: bool) -> Result<DpopProof, DpopError> {
        if first { Ok(DpopProof { jkt: self.jkt }) } else { Err(DpopError::Replayed) }
    }
}

impl DpopProof {
    /// The SHA-256 thumbprint of the caller's key in base64url (RFC 7638), as `cnf.jkt` has it.
    pub fn jkt(&self) -> &str {
        &self.jkt
    }
}

/// Media types are compared without case, and `application/` may be left out (RFC 7515 section 4.1.9).
fn is_proof(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    typ.strip_prefix("application/").unwrap_or(&typ) == "dpop+jwt"
}

fn required<'a>(claims: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, DpopError> {
    claims::string(claims, name)?.filter(|text| !text.is_empty()).ok_or(DpopError::Claim(name))
}

/// Until when the proof could be used, if it can be now.
fn until(claims: &Map<String, Value>, rules: &DpopRules<'_>, now: Timestamp) -> Result<Timestamp, DpopError> {
    let issued = claims::time(claims, "iat")?.ok_or(DpopError::Claim("iat"))?;
    // The fraction of `iat` was cut off.
    let until = issued
        .saturating_add(rules.window)
        .and_then(|time| time.saturating_add(SignedDuration::from_secs(1)))
        .unwrap_or(Timestamp::MIN);
    if now >= until {
        return Err(DpopError::Old);
    }
    if issued > now.saturating_add(rules.leeway).unwrap_or(now) {
        return Err(DpopError::Early);
    }
    Ok(until)
}

fn token_hash(claims: &Map<String, Value>, asked: &ProofRequest<'_>) -> Result<(), DpopError> {
    let Some(ath) = claims::string(claims, "ath")? else {
        return match asked.place {
            ProofTarget::TokenEndpoint => Ok(()),
            ProofTarget::Resource => Err(DpopError::Claim("ath")),
        };
    };
    let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, asked.token.expose().as_bytes()));
    if ath == hash { Ok(()) } else { Err(DpopError::TokenHash) }
}

#[cfg(test)]
mod tests;
