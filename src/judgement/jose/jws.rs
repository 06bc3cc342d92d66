//! The one reader of compact JWS (RFC 7515): returns header and payload if a key made the signature.
//!
//! The algorithms' names and types are those of `jsonwebtoken`; its `decode` is not used. `decode` checks times
//! against the system clock, with a minute of leeway, and checks only the claims that are present; `jose::verify`
//! checks against `now`. `decode` also parses the key for each signature; Cambio keeps parsed keys
//! (docs/decisions/0007-parsed-keys-are-kept.md). This file and `jose::keys` close what the library leaves open, each
//! with a row in their tests: `crit` and `b64`, repeated member names, size, and an algorithm that does not fit the
//! key.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

pub use crate::judgement::jose::algorithms::{SUPPORTED, algorithm};
use crate::judgement::jose::keys::PublicKey;
use crate::words::oauth::json;
use crate::words::secret::Secret;

/// Largest JWS in bytes that is read, whatever the configuration says.
pub const MAX_TOKEN_BYTES: usize = 1024 * 1024;

/// Largest subject or actor token in bytes, unless the configuration has another limit. Most tokens have one to four KiB; a
/// token of 1,800 groups has 55. The head of a request has the same limit, and so has Keycloak.
pub const DEFAULT_TOKEN_BYTES: usize = 64 * 1024;

/// Why a JWS was refused. The text never repeats any part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// The token has more bytes than the limit.
    #[error("the token is too long: it has {bytes} bytes, and the limit is {limit} (listen.maxTokenBytes)")]
    TooLong {
        /// Its bytes.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Not three parts of strict base64url, or header or claims are no JSON object.
    #[error("the token is no compact JWS with a JSON object as header and claims")]
    Malformed,
    /// A member name occurs twice in the header or in the claims.
    #[error("a member name stands twice in the token")]
    Repeated,
    /// `alg` is missing, `none`, or unknown.
    #[error("the token's alg is missing or not supported")]
    Algorithm,
    /// The header requires an extension (RFC 7515 section 4.1.11, RFC 7797).
    #[error("the token's header has crit or b64")]
    Critical,
    /// The key can't have made a signature of this algorithm.
    #[error("the key does not fit the token's alg")]
    KeyMismatch,
    /// The header has no `jwk`, or one that is no object.
    #[error("the header has no jwk")]
    KeyMissing,
    /// This key did not make the signature.
    #[error("the signature is wrong")]
    Signature,
}

/// Refuses a token that has more bytes than `limit`.
pub fn check_length(token: &str, limit: usize) -> Result<(), JwsError> {
    let bytes = token.len();
    if bytes > limit { Err(JwsError::TooLong { bytes, limit }) } else { Ok(()) }
}

/// The part of a JOSE header that is read. `jku`, `jwk`, `x5u` and `x5c` are ignored: a token never chooses the key
/// that checks it. Only a proof of possession does: a `DPoP` proof names its own key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The signature algorithm. Cambio only compares it with the issuer's list.
    pub algorithm: Algorithm,
    /// The key's id.
    pub kid: Option<String>,
    /// The media type (RFC 7515 section 4.1.9).
    pub typ: Option<String>,
}

/// A JWS whose signature is **not** checked. It owns the text that was read, so `verify` checks that text.
pub(in crate::judgement) struct UnverifiedJws {
    /// The signing input: header, a dot, payload.
    message: Box<str>,
    payload: std::ops::Range<usize>,
    /// `None` if it is not base64url: then no key made it.
    signature: Option<Vec<u8>>,
    pub(in crate::judgement) header: Header,
}

impl UnverifiedJws {
    pub(in crate::judgement) fn read(token: &str) -> Result<Self, JwsError> {
        check_length(token, MAX_TOKEN_BYTES)?;
        let (message, signature) = token.rsplit_once('.').ok_or(JwsError::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(JwsError::Malformed)?;
        if payload.contains('.') {
            return Err(JwsError::Malformed);
        }
        Ok(Self {
            header: checked_header(&part(header)?)?,
            payload: header.len() + 1..message.len(),
            signature: URL_SAFE_NO_PAD.decode(signature).ok(),
            message: message.into(),
        })
    }

    /// A proof of possession (RFC 9449 section 4.2) with the key in its header. Such a key shows only who signed.
    pub(in crate::judgement) fn read_with_key(proof: &str) -> Result<(Self, Map<String, Value>), JwsError> {
        let unverified = Self::read(proof)?;
        let header = proof.split('.').next().ok_or(JwsError::Malformed)?;
        match part(header)?.remove("jwk") {
            Some(Value::Object(jwk)) => Ok((unverified, jwk)),
            _ => Err(JwsError::KeyMissing),
        }
    }

    /// The payload as JWT claims.
    pub(in crate::judgement) fn claims(&self) -> Result<Map<String, Value>, JwsError> {
        part(self.encoded_payload())
    }

    /// The payload as bytes.
    pub(in crate::judgement) fn payload(&self) -> Result<Vec<u8>, JwsError> {
        URL_SAFE_NO_PAD.decode(self.encoded_payload()).map_err(|_| JwsError::Malformed)
    }

    /// Whether `key` made the signature with the header's algorithm.
    pub(in crate::judgement) fn verify(&self, key: &PublicKey) -> Result<(), JwsError> {
        let verifier = key.verifier(self.header.algorithm).ok_or(JwsError::KeyMismatch)?;
        let signature = self.signature.as_deref().ok_or(JwsError::Signature)?;
        verifier.verify_sig(self.message.as_bytes(), signature).map_err(|_| JwsError::Signature)
    }

    /// [`Self::verify`], for texts that may come again: a signature that was verified before is not verified again.
    pub(in crate::judgement) fn verify_once(&self, key: &PublicKey) -> Result<(), JwsError> {
        let signature = self.signature.as_deref().ok_or(JwsError::Signature)?;
        let digest = key.digest(&self.message, signature);
        // A key that may not verify this algorithm has never done so.
        if digest.is_known() && key.fits(self.header.algorithm) {
            return Ok(());
        }
        self.verify(key)?;
        digest.remember();
        Ok(())
    }

    /// Checks a code that was made with a shared secret (RFC 7518 section 3.2), in constant time. A public key is
    /// never such a secret: this method takes no key, and [`Self::verify`] takes no HMAC algorithm. Anyone knows an
    /// empty secret.
    pub(in crate::judgement) fn verify_shared(&self, secret: &Secret) -> Result<(), JwsError> {
        let algorithm = match self.header.algorithm {
            Algorithm::HS256 => hmac::HMAC_SHA256,
            Algorithm::HS384 => hmac::HMAC_SHA384,
            Algorithm::HS512 => hmac::HMAC_SHA512,
            _ => return Err(JwsError::KeyMismatch),
        };
        if secret.expose().is_empty() {
            return Err(JwsError::KeyMismatch);
        }
        let code = self.signature.as_deref().ok_or(JwsError::Signature)?;
        let key = hmac::Key::new(algorithm, secret.expose().as_bytes());
        hmac::verify(&key, self.message.as_bytes(), code).map_err(|_| JwsError::Signature)
    }

    fn encoded_payload(&self) -> &str {
        self.message.get(self.payload.clone()).unwrap_or_default()
    }
}

fn part(encoded: &str) -> Result<Map<String, Value>, JwsError> {
    let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| JwsError::Malformed)?;
    json::object(&bytes).map_err(|error| match error {
        json::JsonError::Repeated => JwsError::Repeated,
        json::JsonError::Syntax | json::JsonError::Depth | json::JsonError::Reserved | json::JsonError::NotAnObject => {
            JwsError::Malformed
        }
    })
}

/// The `kid` of a token that a published key may have signed, from a header that nobody checked. `None` for a shared
/// secret, for an encrypted token, whose `kid` is the recipient's, and for what is no JWS.
pub fn kid_of_public_key(token: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Names {
        alg: String,
        kid: String,
    }
    let mut parts = token.split('.');
    let header = parts.next().filter(|header| header.len() <= MAX_TOKEN_BYTES)?;
    if parts.count() != 2 {
        return None;
    }
    let names: Names = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    let is_public = !names.alg.starts_with("HS") && names.alg != "none";
    is_public.then_some(names.kid)
}

fn checked_header(members: &Map<String, Value>) -> Result<Header, JwsError> {
    // Cambio understands no extension, and RFC 7515 forbids an empty list, so their presence is refused.
    if members.contains_key("crit") || members.contains_key("b64") {
        return Err(JwsError::Critical);
    }
    let text = |name: &str| match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(JwsError::Malformed),
    };
    let named = |name: String| algorithm(&name).or_else(|| name.parse().ok());
    let algorithm = text("alg")?.and_then(named).ok_or(JwsError::Algorithm)?;
    Ok(Header { algorithm, kid: text("kid")?, typ: text("typ")? })
}
