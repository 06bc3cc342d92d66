//! Key sets (RFC 7517) and which keys are admitted to them.
//!
//! A set that is ambiguous (repeated `kid` or member name) or has no usable key is refused as a whole. A single key
//! that may not or can't verify a supported algorithm is left out. Each key that remains fits the algorithms of its
//! own type only.

mod roca;

use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use crate::words::oauth::json::{self, JsonError};

/// Largest key set in bytes.
pub const MAX_SET_BYTES: usize = 256 * 1024;
/// Most keys in a set.
pub const MAX_KEYS: usize = 64;

const RSA: &[Algorithm] =
    &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];

/// Why a key set was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Longer than [`MAX_SET_BYTES`].
    #[error("the key set is larger than 256 KiB")]
    TooLarge,
    /// More keys than [`MAX_KEYS`].
    #[error("the key set has more than 64 keys")]
    TooMany,
    /// No strict JSON object.
    #[error("the key set is no JSON object: {0}")]
    Json(JsonError),
    /// `keys` is not a list of objects.
    #[error("the key set has no member keys that is a list of objects")]
    NoKeys,
    /// Two signing keys have the same `kid`.
    #[error("two signing keys have the same kid")]
    RepeatedKid,
    /// No key can verify a signature.
    #[error("the key set has no usable signing key")]
    NoneUsable,
}

/// The keys of one issuer, each fit for use. Never empty.
#[derive(Clone, Debug)]
pub struct KeySet {
    keys: Vec<PublicKey>,
    published: Vec<Value>,
}

/// An admitted public key, parsed for each algorithm that it may verify.
#[derive(Clone)]
pub struct PublicKey {
    kid: Option<String>,
    verifiers: Vec<(Algorithm, ParsedPublicKey)>,
}

impl KeySet {
    /// Reads a JWK set (RFC 7517 section 5). Keys for encryption, symmetric keys, keys of unknown types and unfit keys
    /// are left out; an ambiguous set and one without a usable key are errors.
    pub fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        if json.len() > MAX_SET_BYTES {
            return Err(KeySetError::TooLarge);
        }
        let mut set = json::object(json).map_err(KeySetError::Json)?;
        let Some(Value::Array(members)) = set.remove("keys") else { return Err(KeySetError::NoKeys) };
        if members.len() > MAX_KEYS {
            return Err(KeySetError::TooMany);
        }
        let mut kids = BTreeSet::new();
        let mut keys = Vec::new();
        for member in &members {
            let Value::Object(jwk) = member else { return Err(KeySetError::NoKeys) };
            // Before admission: a set that names two keys alike is in doubt even if one of them is unfit.
            if let (true, Some(kid)) = (may_sign(jwk), jwk.get("kid").and_then(Value::as_str))
                && !kids.insert(kid)
            {
                return Err(KeySetError::RepeatedKid);
            }
            keys.extend(admit(jwk));
        }
        if keys.is_empty() {
            return Err(KeySetError::NoneUsable);
        }
        let published = members.into_iter().filter(|jwk| !has_secret(jwk)).collect();
        Ok(Self { keys, published })
    }

    /// Whether a usable key has this `kid`.
    pub fn contains(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid.as_deref() == Some(kid))
    }

    /// Whether a member has this `kid`, keys for encryption included.
    pub fn publishes(&self, kid: &str) -> bool {
        self.published.iter().any(|jwk| jwk.get("kid").and_then(Value::as_str) == Some(kid))
    }

    /// The members as published, in order, keys for encryption included. Members with a private or symmetric part are
    /// left out, so that Cambio does not publish them a second time.
    pub fn jwks(&self) -> &[Value] {
        &self.published
    }

    /// Number of usable keys.
    #[expect(clippy::len_without_is_empty, reason = "a set is never empty")]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The key for a token. With a `kid`, the key that has this `kid` and fits the algorithm. Without a `kid`, the only
    /// key that fits the algorithm: if two keys fit, a guess would let the sender choose the key.
    pub(in crate::judgement) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&PublicKey> {
        let mut fitting =
            self.keys.iter().filter(|key| key.fits(algorithm) && (kid.is_none() || key.kid.as_deref() == kid));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Some(key),
            _ => None,
        }
    }
}

impl PublicKey {
    pub(in crate::judgement) fn fits(&self, algorithm: Algorithm) -> bool {
        self.verifier(algorithm).is_some()
    }

    pub(in crate::judgement) fn verifier(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        self.verifiers.iter().find(|(fitting, _)| *fitting == algorithm).map(|(_, key)| key)
    }

    fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.verifiers.iter().map(|(algorithm, _)| *algorithm)
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PublicKey")
            .field("kid", &self.kid)
            .field("algorithms", &self.algorithms().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// Whether the key's own members allow it to verify signatures: type, `use` and `key_ops` (RFC 7517 sections 4.1 to
/// 4.3).
fn may_sign(jwk: &Map<String, Value>) -> bool {
    let kty = matches!(text(jwk, "kty"), Some("RSA" | "EC" | "OKP"));
    // A SPIFFE trust bundle's own word for keys that sign JWTs (SPIFFE Trust Domain and Bundle, section 4.2.2).
    let usage = jwk.get("use").is_none_or(|usage| usage == "sig" || usage == "jwt-svid");
    let operations = jwk
        .get("key_ops")
        .is_none_or(|ops| ops.as_array().is_some_and(|ops| ops.iter().any(|operation| operation == "verify")));
    kty && usage && operations
}

/// The key, if it may and can verify at least one of the algorithms.
pub(in crate::judgement) fn admit(jwk: &Map<String, Value>) -> Option<PublicKey> {
    if !may_sign(jwk) || has_private_part(jwk) {
        return None;
    }
    let (possible, numbers) = match (text(jwk, "kty")?, text(jwk, "crv")) {
        ("RSA", _) => (RSA, rsa(number(jwk, "n")?, number(jwk, "e")?)?),
        ("EC", Some("P-256")) => (&[Algorithm::ES256][..], ec(jwk, 32)?),
        ("EC", Some("P-384")) => (&[Algorithm::ES384][..], ec(jwk, 48)?),
        ("OKP", Some("Ed25519")) => (&[Algorithm::EdDSA][..], ed25519(number(jwk, "x")?)?),
        _ => return None,
    };
    let stated: Option<Algorithm> = match jwk.get("alg") {
        None => None,
        Some(alg) => Some(alg.as_str()?.parse().ok()?),
    };
    let kid = match jwk.get("kid") {
        None => None,
        Some(kid) => Some(kid.as_str()?.to_owned()),
    };
    let fitting = possible.iter().copied().filter(|algorithm| stated.is_none_or(|stated| stated == *algorithm));
    let verifiers = fitting.map(|algorithm| Some((algorithm, numbers.verifier(algorithm)?)));
    let verifiers: Vec<_> = verifiers.collect::<Option<_>>()?;
    (!verifiers.is_empty()).then_some(PublicKey { kid, verifiers })
}

/// The numbers of a public key. Parsing checks that the curve has the point and that the sizes fit the algorithm.
enum Numbers {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point.
    Ec(Vec<u8>),
    Ed(Vec<u8>),
}

impl Numbers {
    /// The key, parsed for one algorithm.
    fn verifier(&self, algorithm: Algorithm) -> Option<ParsedPublicKey> {
        match (self, algorithm) {
            (Self::Ec(point), Algorithm::ES256) => {
                ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).ok()
            }
            (Self::Ec(point), Algorithm::ES384) => {
                ParsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, point).ok()
            }
            (Self::Ed(x), Algorithm::EdDSA) => ParsedPublicKey::new(&signature::ED25519, x).ok(),
            (Self::Rsa { n, e }, algorithm) => {
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(rsa_parameters(algorithm)?).ok()
            }
            _ => None,
        }
    }
}

fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::RS256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RS384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::RS512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::PS256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::PS384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::PS512 => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

/// RFC 7518 section 6.3.1 forbids leading zeros, section 3.3 requires 2048 bits; the library verifies up to 8192 bits.
fn rsa(n: Vec<u8>, e: Vec<u8>) -> Option<Numbers> {
    let bits = n.len() * 8 - usize::try_from(n.first()?.leading_zeros()).ok()?;
    let exponent = e.iter().try_fold(0_u64, |sum, byte| Some(sum.checked_mul(256)? + u64::from(*byte)))?;
    if n.first() == Some(&0) || e.first() == Some(&0) || !(2048..=8192).contains(&bits) {
        return None;
    }
    if n.last()? & 1 == 0 || exponent & 1 == 0 || exponent < 3 || exponent >> 33 != 0 {
        return None;
    }
    (!roca::has_fingerprint(&n)).then_some(Numbers::Rsa { n, e })
}

/// Coordinates have the exact length of the field (RFC 7518 section 6.2.1.2); the curve has the point if it parses.
fn ec(jwk: &Map<String, Value>, length: usize) -> Option<Numbers> {
    let (x, y) = (number(jwk, "x")?, number(jwk, "y")?);
    let exact = x.len() == length && y.len() == length;
    exact.then(|| Numbers::Ec(std::iter::once(4).chain(x).chain(y).collect()))
}

/// 32 bytes (RFC 8037 section 2).
fn ed25519(x: Vec<u8>) -> Option<Numbers> {
    (x.len() == 32).then_some(Numbers::Ed(x))
}

/// The RFC 7638 thumbprint of a public JWK of type RSA, EC or OKP, with SHA-256 and in base64url.
pub fn thumbprint(jwk: &Value) -> Option<String> {
    let names: &[&str] = match jwk.get("kty")?.as_str()? {
        "RSA" => &["e", "kty", "n"],
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        _ => return None,
    };
    // RFC 7638 section 3.3: the required members only, in lexicographic order, without white space.
    let members: Option<Vec<String>> =
        names.iter().map(|name| Some(format!("\"{name}\":{}", Value::from(jwk.get(name)?.as_str()?)))).collect();
    let canonical = format!("{{{}}}", members?.join(","));
    let digest = digest(&SHA256, canonical.as_bytes());
    Some(URL_SAFE_NO_PAD.encode(digest))
}

fn has_secret(jwk: &Value) -> bool {
    jwk.as_object().is_some_and(|jwk| has_private_part(jwk) || text(jwk, "kty") == Some("oct"))
}

/// Anyone can use a private key that stands in a public document, so its signatures prove nothing.
fn has_private_part(jwk: &Map<String, Value>) -> bool {
    ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"].iter().any(|name| jwk.contains_key(*name))
}

fn text<'a>(jwk: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    jwk.get(name)?.as_str()
}

fn number(jwk: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text(jwk, name)?).ok().filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests;
