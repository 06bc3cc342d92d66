//! One public key: what its JWK says, and whether the key can verify signatures.

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::left_out::KeyFault;
use super::proven::SignatureDigest;
use super::roca;
use crate::judgement::jose::algorithms;
use crate::judgement::jose::issuer_claims::TENANT_PLACE;

/// Members of private and symmetric keys (RFC 7518 section 6, RFC 8037 section 2, ML-DSA).
pub(super) const PRIVATE_PARTS: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

const RSA: &[Algorithm] =
    &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];
/// Operations that have nothing to do with signatures (RFC 7517 section 4.3).
const OTHER_OPERATIONS: [&str; 6] = ["encrypt", "decrypt", "wrapKey", "unwrapKey", "deriveKey", "deriveBits"];

/// An admitted public key, parsed for each algorithm that it may verify.
#[derive(Clone)]
pub struct PublicKey {
    pub(super) kid: Option<String>,
    verifiers: Vec<(Algorithm, ParsedPublicKey)>,
    /// The members `issuer` of its entries, with which Microsoft says for which tenants a key signs. `None`: for all.
    issuers: Option<Vec<String>>,
    /// A digest of type and numbers.
    fingerprint: [u8; 32],
}

/// A public key with its numbers, with which it is compared with others.
pub(super) struct AdmittedKey {
    pub(super) key: PublicKey,
    pub(super) numbers: Numbers,
}

/// The numbers of a public key, without leading zeros.
#[derive(PartialEq, Eq)]
pub(super) enum Numbers {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point.
    Ec(Vec<u8>),
    Ed(Vec<u8>),
}

/// Whether numbers may have zeros in front.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LeadingZeros {
    /// They are skipped: writers of .NET and Java put the zero of a signed number there. The number is the same.
    Skipped,
    /// RFC 7518 section 2 forbids them.
    Refused,
}

impl PublicKey {
    /// The key's `kid`.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    pub(in crate::judgement) fn fits(&self, algorithm: Algorithm) -> bool {
        self.verifier(algorithm).is_some()
    }

    pub(in crate::judgement) fn verifier(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        self.verifiers.iter().find(|(fitting, _)| *fitting == algorithm).map(|(_, key)| key)
    }

    /// Whether the key signs for this tenant: its member `issuer` names the tenant, stands for all tenants, or is absent.
    pub(in crate::judgement) fn signs_for(&self, tenant: &str) -> bool {
        let names = |issuer: &String| issuer.split('/').any(|part| part == tenant || part == TENANT_PLACE);
        self.issuers.as_ref().is_none_or(|issuers| issuers.iter().any(names))
    }

    /// What the key verifies.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.verifiers.iter().map(|(algorithm, _)| *algorithm)
    }

    /// What the memory of verified signatures knows a signature by.
    pub(in crate::judgement) fn digest(&self, text: &str, signature: &[u8]) -> SignatureDigest {
        SignatureDigest::new(&self.fingerprint, text, signature)
    }

    /// Adds the algorithms and issuers of another entry of the same key.
    pub(super) fn merge(&mut self, other: Self) {
        self.issuers = match (self.issuers.take(), other.issuers) {
            (Some(own), Some(others)) => Some(own.into_iter().chain(others).collect()),
            _ => None,
        };
        for (algorithm, verifier) in other.verifiers {
            if !self.fits(algorithm) {
                self.verifiers.push((algorithm, verifier));
            }
        }
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

impl AdmittedKey {
    /// The key of a JWK, whose members that are null are absent (RFC 7517 section 4).
    ///
    /// # Errors
    /// The key may not or can't verify any supported algorithm.
    pub(super) fn read(jwk: &Map<String, Value>, zeros: LeadingZeros) -> Result<Self, KeyFault> {
        may_sign(jwk)?;
        if has_private_part(jwk) {
            return Err(KeyFault::Private);
        }
        let kid = text(jwk, "kid")?.map(str::to_owned);
        let (possible, numbers) = Numbers::read(jwk, zeros)?;
        let stated = match text(jwk, "alg")? {
            None => None,
            Some(name) => {
                let stated = algorithms::algorithm(name).filter(|stated| possible.contains(stated));
                Some(stated.ok_or_else(|| KeyFault::Unsupported { name: "alg", value: name.to_owned() })?)
            }
        };
        let fitting = possible.iter().copied().filter(|algorithm| stated.is_none_or(|stated| stated == *algorithm));
        let verifiers = fitting.map(|algorithm| Some((algorithm, numbers.verifier(algorithm)?)));
        let verifiers = verifiers.collect::<Option<_>>().ok_or(KeyFault::Unfit("its numbers are no public key"))?;
        // Any other value than a text names no tenant.
        let issuers = jwk.get("issuer").map(|one| vec![one.as_str().unwrap_or_default().to_owned()]);
        Ok(Self { key: PublicKey { kid, verifiers, issuers, fingerprint: numbers.fingerprint() }, numbers })
    }
}

impl Numbers {
    /// The numbers of a JWK, and the algorithms that its type is for.
    pub(super) fn read(
        jwk: &Map<String, Value>,
        zeros: LeadingZeros,
    ) -> Result<(&'static [Algorithm], Self), KeyFault> {
        let kty = text(jwk, "kty")?.ok_or(KeyFault::Missing("kty"))?;
        let curve = || text(jwk, "crv")?.ok_or(KeyFault::Missing("crv"));
        let unsupported = |name, value: &str| Err(KeyFault::Unsupported { name, value: value.to_owned() });
        Ok(match kty {
            "RSA" => (RSA, rsa(number(jwk, "n")?, number(jwk, "e")?, zeros)?),
            "EC" => match curve()? {
                "P-256" => (&[Algorithm::ES256], ec(jwk, 32, zeros)?),
                "P-384" => (&[Algorithm::ES384], ec(jwk, 48, zeros)?),
                other => return unsupported("crv", other),
            },
            "OKP" => match curve()? {
                "Ed25519" => (&[Algorithm::EdDSA], ed25519(number(jwk, "x")?)?),
                other => return unsupported("crv", other),
            },
            other => return unsupported("kty", other),
        })
    }

    /// A digest that two keys share only if they are one.
    fn fingerprint(&self) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        let parts: [&[u8]; 4] = match self {
            Self::Rsa { n, e } => [b"RSA", &n.len().to_be_bytes(), n, e],
            Self::Ec(point) => [b"EC", point, &[], &[]],
            Self::Ed(x) => [b"OKP", x, &[], &[]],
        };
        for part in parts {
            context.update(part);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        digest
    }

    /// The key, parsed for one algorithm. Parsing checks that the curve has the point and that the sizes fit the
    /// algorithm.
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

/// Anyone can use a private key that stands in a public document, so its signatures prove nothing.
pub(super) fn has_private_part(jwk: &Map<String, Value>) -> bool {
    PRIVATE_PARTS.iter().any(|name| jwk.contains_key(*name))
}

/// Whether the key's own members allow it to verify signatures: `use`, `key_ops` and type (RFC 7517 sections 4.1 to
/// 4.3).
fn may_sign(jwk: &Map<String, Value>) -> Result<(), KeyFault> {
    match text(jwk, "use")? {
        // `jwt-svid` is a SPIFFE trust bundle's own word for keys that sign JWTs (SPIFFE Trust Domain and Bundle,
        // section 4.2.2).
        None | Some("sig" | "jwt-svid") => {}
        Some(_) => return Err(KeyFault::OtherUse),
    }
    if text(jwk, "kty")? == Some("oct") {
        return Err(KeyFault::SharedSecret);
    }
    let is_for_encryption = |alg: &str| ["RSA-OAEP", "RSA1_5", "ECDH-ES"].iter().any(|name| alg.starts_with(name));
    if text(jwk, "alg")?.is_some_and(is_for_encryption) || matches!(text(jwk, "crv")?, Some("X25519" | "X448")) {
        return Err(KeyFault::OtherUse);
    }
    match jwk.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(operations)) if operations.iter().any(|one| one == "verify") => Ok(()),
        Some(Value::Array(operations))
            if !operations.is_empty()
                && operations.iter().all(|one| OTHER_OPERATIONS.iter().any(|other| one == other)) =>
        {
            Err(KeyFault::OtherUse)
        }
        Some(Value::Array(_)) => Err(KeyFault::Operations),
        Some(_) => Err(KeyFault::WrongType("key_ops")),
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

/// RFC 7518 section 3.3 requires 2048 bits; the library verifies up to 8192 bits.
fn rsa(n: Vec<u8>, e: Vec<u8>, zeros: LeadingZeros) -> Result<Numbers, KeyFault> {
    let unfit = KeyFault::Unfit;
    let (n, e) = (significant(n, zeros)?, significant(e, zeros)?);
    let (Some(first), Some(last)) = (n.first(), n.last()) else { return Err(unfit("n is empty")) };
    let bits = n.len() * 8 - usize::try_from(first.leading_zeros()).unwrap_or_default();
    if !(2048..=8192).contains(&bits) {
        return Err(unfit("n has fewer than 2048 or more than 8192 bits"));
    }
    if last & 1 == 0 {
        return Err(unfit("n is even"));
    }
    let exponent = e.iter().try_fold(0_u64, |sum, byte| Some(sum.checked_mul(256)? + u64::from(*byte)));
    if !exponent.is_some_and(|exponent| exponent & 1 == 1 && exponent >= 3 && exponent >> 33 == 0) {
        return Err(unfit("e is even, less than 3 or longer than 33 bits"));
    }
    if roca::has_fingerprint(&n) {
        return Err(unfit("n is of a flawed smart card, so anyone can find the private key (CVE-2017-15361)"));
    }
    Ok(Numbers::Rsa { n, e })
}

/// The number without the zeros in front.
fn significant(mut number: Vec<u8>, zeros: LeadingZeros) -> Result<Vec<u8>, KeyFault> {
    let count = number.iter().take_while(|byte| **byte == 0).count();
    if count > 0 && zeros == LeadingZeros::Refused {
        return Err(KeyFault::Unfit("a number has a leading zero"));
    }
    number.drain(..count);
    Ok(number)
}

/// Coordinates have the exact length of the field (RFC 7518 section 6.2.1.2), apart from the zero in front of a signed
/// number; the curve has the point if it parses.
fn ec(jwk: &Map<String, Value>, length: usize, zeros: LeadingZeros) -> Result<Numbers, KeyFault> {
    let coordinate = |name| {
        let mut number = number(jwk, name)?;
        if zeros == LeadingZeros::Skipped && number.len() == length + 1 && number.first() == Some(&0) {
            number.remove(0);
        }
        if number.len() == length { Ok(number) } else { Err(KeyFault::Unfit("x or y has not the length of the curve")) }
    };
    let (x, y) = (coordinate("x")?, coordinate("y")?);
    Ok(Numbers::Ec(std::iter::once(4).chain(x).chain(y).collect()))
}

/// 32 bytes (RFC 8037 section 2).
fn ed25519(x: Vec<u8>) -> Result<Numbers, KeyFault> {
    if x.len() == 32 { Ok(Numbers::Ed(x)) } else { Err(KeyFault::Unfit("x has not 32 bytes")) }
}

fn text<'a>(jwk: &'a Map<String, Value>, name: &'static str) -> Result<Option<&'a str>, KeyFault> {
    match jwk.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(KeyFault::WrongType(name)),
    }
}

fn number(jwk: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, KeyFault> {
    let text = text(jwk, name)?.filter(|text| !text.is_empty()).ok_or(KeyFault::Missing(name))?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyFault::Base64(name))
}
