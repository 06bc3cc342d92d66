//! The one wrapper around `jsonwebtoken`: a compact JWS (RFC 7515) in, its header and claims out.
//!
//! The library is asked for one thing only, whether a signature is by a key. Its `decode` would also check times and
//! claims, but by the system clock, with a minute of leeway, and only those that are there; `token::verify` does that
//! against `now`. What the library leaves open is closed here and in `token::keys`, row by row in their tests: `crit`
//! and `b64`, repeated member names, size, and an algorithm that does not belong to the key.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::{Map, Value};

use super::json;
use super::keys::PublicKey;
use crate::secret::Secret;

/// Largest token in bytes that is looked at. Real ones have one to four KiB; group-laden ones reach sixteen.
pub const MAX_TOKEN_BYTES: usize = 32 * 1024;

/// Why a JWS was refused. The text never repeats any part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// Longer than [`MAX_TOKEN_BYTES`].
    #[error("the token is longer than 32 KiB")]
    TooLarge,
    /// Not three parts of strict base64url, or header or claims are no JSON object.
    #[error("the token is no compact JWS with a JSON object as header and claims")]
    Malformed,
    /// A member name stands twice in the header or in the claims.
    #[error("a member name stands twice in the token")]
    Repeated,
    /// `alg` is missing, `none`, or unknown.
    #[error("the token's alg is missing or not supported")]
    Algorithm,
    /// The header demands that an extension be understood (RFC 7515 section 4.1.11, RFC 7797).
    #[error("the token's header has crit or b64")]
    Critical,
    /// The key can't have made a signature of this algorithm.
    #[error("the key does not fit the token's alg")]
    KeyMismatch,
    /// The signature is not by this key.
    #[error("the signature is wrong")]
    Signature,
}

/// The part of a JOSE header that is looked at. `jku`, `jwk`, `x5u` and `x5c` are not: a token never chooses
/// the key by which it is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The signature algorithm. It is only ever compared with the issuer's list.
    pub algorithm: Algorithm,
    /// The key's id.
    pub kid: Option<String>,
    /// The media type (RFC 7515 section 4.1.9).
    pub typ: Option<String>,
}

/// A token as it says of itself, with the signature **not** checked.
pub(super) struct Unverified<'a> {
    token: &'a str,
    pub(super) header: Header,
    pub(super) claims: Map<String, Value>,
}

impl<'a> Unverified<'a> {
    pub(super) fn read(token: &'a str) -> Result<Self, JwsError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(JwsError::TooLarge);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(JwsError::Malformed);
        };
        Ok(Self { token, header: checked_header(&part(header)?)?, claims: part(claims)? })
    }

    /// Header and claims, if the signature was made by `key` with the algorithm that the header says.
    pub(super) fn verify(self, key: &PublicKey) -> Result<(Header, Map<String, Value>), JwsError> {
        if !key.fits(self.header.algorithm) {
            return Err(JwsError::KeyMismatch);
        }
        let (message, signature) = self.token.rsplit_once('.').ok_or(JwsError::Malformed)?;
        match crypto::verify(signature, message.as_bytes(), key.decoding(), self.header.algorithm) {
            Ok(true) => {}
            Ok(false) | Err(_) => return Err(JwsError::Signature),
        }
        Ok((self.header, self.claims))
    }

    /// The same for a code by a shared secret (RFC 7518 section 3.2), compared in constant time. A public key is never
    /// such a secret: this takes none, and [`Self::verify`] takes no HMAC algorithm.
    pub(super) fn verify_shared(self, secret: &Secret) -> Result<(Header, Map<String, Value>), JwsError> {
        let algorithm = match self.header.algorithm {
            Algorithm::HS256 => hmac::HMAC_SHA256,
            Algorithm::HS384 => hmac::HMAC_SHA384,
            Algorithm::HS512 => hmac::HMAC_SHA512,
            _ => return Err(JwsError::KeyMismatch),
        };
        let (message, code) = self.token.rsplit_once('.').ok_or(JwsError::Malformed)?;
        let code = URL_SAFE_NO_PAD.decode(code).map_err(|_| JwsError::Signature)?;
        let key = hmac::Key::new(algorithm, secret.expose().as_bytes());
        hmac::verify(&key, message.as_bytes(), &code).map_err(|_| JwsError::Signature)?;
        Ok((self.header, self.claims))
    }
}

/// The library's form of a public key. Admission is `keys`' business: none of these looks at the numbers.
pub(super) enum Numbers<'a> {
    Rsa {
        n: &'a [u8],
        e: &'a [u8],
    },
    /// An uncompressed point.
    Ec(&'a [u8]),
    Ed(&'a [u8]),
}

impl Numbers<'_> {
    pub(super) fn decoding(&self) -> DecodingKey {
        match self {
            Self::Rsa { n, e } => DecodingKey::from_rsa_raw_components(n, e),
            Self::Ec(point) => DecodingKey::from_ec_der(point),
            Self::Ed(x) => DecodingKey::from_ed_der(x),
        }
    }
}

fn part(encoded: &str) -> Result<Map<String, Value>, JwsError> {
    let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| JwsError::Malformed)?;
    json::object(&bytes).map_err(|error| match error {
        json::JsonError::Repeated => JwsError::Repeated,
        json::JsonError::Syntax | json::JsonError::Depth | json::JsonError::NotAnObject => {
            JwsError::Malformed
        }
    })
}

fn checked_header(members: &Map<String, Value>) -> Result<Header, JwsError> {
    // Their mere presence is refused: we understand no extension, and RFC 7515 forbids an empty list.
    if members.contains_key("crit") || members.contains_key("b64") {
        return Err(JwsError::Critical);
    }
    let text = |name: &str| match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(JwsError::Malformed),
    };
    let algorithm = text("alg")?.and_then(|name| name.parse().ok()).ok_or(JwsError::Algorithm)?;
    Ok(Header { algorithm, kid: text("kid")?, typ: text("typ")? })
}
