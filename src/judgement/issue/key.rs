//! Signing keys of realms, read from PEM and kept parsed.
//!
//! `jsonwebtoken` parses the key at every call: half of the 1,500 µs of an RS256 signature. So the parsed key of aws-lc-rs
//! signs. When a key is loaded, the verifier that checks all other tokens checks a token that the key signed.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::Algorithm;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::reissue::Signer;
use crate::judgement::jose::jws::SUPPORTED;
use crate::judgement::jose::keys::{KeySet, thumbprint};
use crate::judgement::jose::verify::{Expectations, verify};
use crate::words::secret::Secret;

/// The kinds of keys that can be generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA with 2048 bits, for RS256, which every resource server accepts.
    Rsa,
    /// P-256, for ES256.
    P256,
    /// P-384, for ES384.
    P384,
    /// Ed25519, for `EdDSA`.
    Ed25519,
}

/// Why a key can't be used. The text never contains a part of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// The PEM text has no private key (PKCS#8, PKCS#1 or SEC 1), or several.
    #[error("not exactly one PEM private key (PKCS#8, PKCS#1 or SEC 1, unencrypted)")]
    Pem,
    /// The key can't be read, or its type is not supported.
    #[error("no valid private key of type RSA (2048 to 8192 bits), P-256, P-384 or Ed25519")]
    Unsupported,
    /// Signing failed.
    #[error("signing failed")]
    Signing,
    /// A token that the key signed does not verify.
    #[error("a token signed with the key does not verify")]
    SelfTest,
    /// The generation failed.
    #[error("no key could be generated")]
    Generation,
}

/// A realm's private signing key, parsed.
pub struct SigningKey {
    pair: Pair,
    algorithm: Algorithm,
    jwk: Value,
    kid: String,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl SigningKey {
    /// Reads one private key from PEM: PKCS#8, PKCS#1 (`RSA PRIVATE KEY`) or SEC 1 (`EC PRIVATE KEY`). The key's type
    /// gives the algorithm: RS256, ES256, ES384 or `EdDSA`. The key must sign a token that verifies.
    pub fn from_pem(pem: &[u8]) -> Result<Self, SigningKeyError> {
        let mut sections = PrivateKeyDer::pem_slice_iter(pem);
        let (Some(Ok(der)), None) = (sections.next(), sections.next()) else {
            return Err(SigningKeyError::Pem);
        };
        let (pair, algorithm) = parse(&der).ok_or(SigningKeyError::Unsupported)?;
        let mut jwk = public_members(&pair, algorithm).ok_or(SigningKeyError::Unsupported)?;
        let kid = thumbprint(&jwk).ok_or(SigningKeyError::Unsupported)?;
        jwk["kid"] = json!(kid);
        jwk["alg"] = json!(name(algorithm));
        jwk["use"] = json!("sig");
        let key = Self { pair, algorithm, jwk, kid };
        key.self_test()?;
        Ok(key)
    }

    /// The key's id: its RFC 7638 thumbprint with SHA-256, in base64url. So a key has one id everywhere.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The algorithm of the key's signatures.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public half as a JWK (RFC 7517) with `kid`, `alg` and `use`.
    pub fn jwk(&self) -> &Value {
        &self.jwk
    }

    /// Signs claims as a compact JWS (RFC 7515) whose header is `alg`, `typ` and `kid`.
    pub fn sign(&self, claims: &Map<String, Value>, typ: &str) -> Result<String, SigningKeyError> {
        #[derive(Serialize)]
        struct Header<'h> {
            alg: &'static str,
            kid: &'h str,
            typ: &'h str,
        }
        let header = Header { alg: name(self.algorithm), kid: &self.kid, typ };
        let header = serde_json::to_vec(&header).map_err(|_| SigningKeyError::Signing)?;
        let claims = serde_json::to_vec(claims).map_err(|_| SigningKeyError::Signing)?;
        // Three parts in base64url. The longest signature is RSA's.
        let mut token = String::with_capacity((header.len() + claims.len()) * 4 / 3 + 700);
        URL_SAFE_NO_PAD.encode_string(header, &mut token);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, SigningKeyError> {
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map(|()| signature)
            }
            Pair::Ec(pair) => pair.sign(&random, message).map(|signature| signature.as_ref().to_vec()),
            Pair::Ed(pair) => pair.try_sign(message).map(|signature| signature.as_ref().to_vec()),
        };
        signature.map_err(|_| SigningKeyError::Signing)
    }

    /// Signs a token and verifies it as a resource server would, from the published JWK alone.
    fn self_test(&self) -> Result<(), SigningKeyError> {
        let issuer = "https://self-test.invalid";
        let claims = json!({"iss": issuer, "sub": "self-test", "exp": 1});
        let token = Secret::new(self.sign(claims.as_object().ok_or(SigningKeyError::SelfTest)?, "JWT")?);
        let set = KeySet::parse(json!({"keys": [self.jwk]}).to_string().as_bytes());
        let expect = Expectations { issuer, algorithms: &[self.algorithm], leeway: SignedDuration::ZERO };
        verify(&token, &set.map_err(|_| SigningKeyError::SelfTest)?, &expect, Timestamp::UNIX_EPOCH)
            .map(|_| ())
            .map_err(|_| SigningKeyError::SelfTest)
    }
}

impl Signer for SigningKey {
    fn kid(&self) -> &str {
        &self.kid
    }

    fn sign(&self, claims: &Map<String, Value>, typ: &str) -> Result<String, String> {
        Self::sign(self, claims, typ).map_err(|error| error.to_string())
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// Generates a private key: PKCS#8 in PEM.
pub fn generate(kind: KeyKind) -> Result<Secret, SigningKeyError> {
    let random = SystemRandom::new();
    let document = match kind {
        KeyKind::Rsa => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| SigningKeyError::Generation)?;
            let der: Pkcs8V1Der<'static> = pair.as_der().map_err(|_| SigningKeyError::Generation)?;
            return Ok(pem(der.as_ref()));
        }
        KeyKind::P256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random),
        KeyKind::P384 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &random),
        KeyKind::Ed25519 => Ed25519KeyPair::generate_pkcs8v1(&random),
    };
    Ok(pem(document.map_err(|_| SigningKeyError::Generation)?.as_ref()))
}

fn parse(der: &PrivateKeyDer<'_>) -> Option<(Pair, Algorithm)> {
    let bytes = der.secret_der();
    let rsa = || match der {
        PrivateKeyDer::Pkcs1(_) => RsaKeyPair::from_der(bytes).ok(),
        _ => RsaKeyPair::from_pkcs8(bytes).ok(),
    };
    let ec = |curve| EcdsaKeyPair::from_private_key_der(curve, bytes).ok();
    if let Some(pair) = rsa() {
        // The library refuses smaller keys too; the check keeps them refused.
        return (pair.public_modulus_len() >= 256).then_some((Pair::Rsa(pair), Algorithm::RS256));
    }
    if let Some(pair) = ec(&ECDSA_P256_SHA256_FIXED_SIGNING) {
        return Some((Pair::Ec(pair), Algorithm::ES256));
    }
    if let Some(pair) = ec(&ECDSA_P384_SHA384_FIXED_SIGNING) {
        return Some((Pair::Ec(pair), Algorithm::ES384));
    }
    Ed25519KeyPair::from_pkcs8(bytes).ok().map(|pair| (Pair::Ed(pair), Algorithm::EdDSA))
}

fn public_members(pair: &Pair, algorithm: Algorithm) -> Option<Value> {
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    Some(match pair {
        Pair::Rsa(pair) => {
            let public = pair.public_key();
            json!({
                "kty": "RSA",
                "n": text(public.modulus().big_endian_without_leading_zero()),
                "e": text(public.exponent().big_endian_without_leading_zero()),
            })
        }
        Pair::Ec(pair) => {
            // An uncompressed point: 4, x, y.
            let point = pair.public_key().as_ref().strip_prefix(&[4])?;
            let (x, y) = point.split_at_checked(point.len() / 2)?;
            let curve = if algorithm == Algorithm::ES256 { "P-256" } else { "P-384" };
            json!({"kty": "EC", "crv": curve, "x": text(x), "y": text(y)})
        }
        Pair::Ed(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref())}),
    })
}

/// The name of an algorithm that `parse` gives.
fn name(algorithm: Algorithm) -> &'static str {
    SUPPORTED.iter().find(|known| known.1 == algorithm).map_or("none", |known| known.0)
}

/// PEM (RFC 7468) with lines of 64 characters.
fn pem(der: &[u8]) -> Secret {
    let encoded = Secret::new(STANDARD.encode(der));
    let mut text = String::with_capacity(encoded.expose().len() + 128);
    text.push_str("-----BEGIN PRIVATE KEY-----\n");
    for (index, letter) in encoded.expose().chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    text.push_str("\n-----END PRIVATE KEY-----\n");
    Secret::new(text)
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::PrivatePkcs8KeyDer;

    use super::*;

    const KINDS: [(KeyKind, Algorithm); 4] = [
        (KeyKind::Rsa, Algorithm::RS256),
        (KeyKind::P256, Algorithm::ES256),
        (KeyKind::P384, Algorithm::ES384),
        (KeyKind::Ed25519, Algorithm::EdDSA),
    ];

    #[test]
    fn what_is_generated_loads_and_signs() {
        for (kind, algorithm) in KINDS {
            let pem = generate(kind).unwrap();
            assert!(pem.expose().lines().all(|line| line.len() <= 64), "{kind:?}");
            let key = SigningKey::from_pem(pem.expose().as_bytes()).unwrap();
            assert_eq!(key.algorithm(), algorithm);
            assert_eq!(key.jwk()["kid"], key.kid());
            assert_eq!(key.jwk()["use"], "sig");
            assert_eq!(key.jwk()["alg"], name(algorithm));
            assert_eq!(thumbprint(key.jwk()).as_deref(), Some(key.kid()));
            let token = key.sign(json!({"sub": "a"}).as_object().unwrap(), "at+jwt").unwrap();
            let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
            let header: Value = serde_json::from_slice(&header).unwrap();
            assert_eq!(header, json!({"alg": name(algorithm), "typ": "at+jwt", "kid": key.kid()}));
        }
    }

    #[test]
    fn the_public_half_holds_nothing_private() {
        for (kind, _) in KINDS {
            let key = SigningKey::from_pem(generate(kind).unwrap().expose().as_bytes()).unwrap();
            let names: Vec<_> = key.jwk().as_object().unwrap().keys().map(String::as_str).collect();
            let public = ["alg", "crv", "e", "kid", "kty", "n", "use", "x", "y"];
            assert!(names.iter().all(|name| public.contains(name)), "{names:?}");
        }
    }

    #[test]
    fn debug_hides_the_key() {
        let key = SigningKey::from_pem(generate(KeyKind::Ed25519).unwrap().expose().as_bytes()).unwrap();
        assert_eq!(format!("{key:?}"), format!("SigningKey {{ kid: {:?}, algorithm: EdDSA, .. }}", key.kid()));
    }

    #[test]
    fn other_encodings_load() {
        let armour = |label: &str, der: &[u8]| {
            format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
        };
        let ec = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        let sec1: aws_lc_rs::encoding::EcPrivateKeyRfc5915Der<'_> = ec.private_key().as_der().unwrap();
        let key = SigningKey::from_pem(armour("EC PRIVATE KEY", sec1.as_ref()).as_bytes()).unwrap();
        assert_eq!(key.algorithm(), Algorithm::ES384);
        let parameters = "-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n-----END EC PARAMETERS-----\n";
        let both = format!("{parameters}{}", armour("EC PRIVATE KEY", sec1.as_ref()));
        assert_eq!(SigningKey::from_pem(both.as_bytes()).unwrap().kid(), key.kid());

        let pkcs8 = generate(KeyKind::Rsa).unwrap();
        let der = PrivatePkcs8KeyDer::from_pem_slice(pkcs8.expose().as_bytes()).unwrap();
        // PrivateKeyInfo of a 2048-bit RSA key: 26 bytes of header, then the PKCS#1 key.
        let pkcs1 = armour("RSA PRIVATE KEY", &der.secret_pkcs8_der()[26..]);
        let from_pkcs8 = SigningKey::from_pem(pkcs8.expose().as_bytes()).unwrap();
        assert_eq!(SigningKey::from_pem(pkcs1.as_bytes()).unwrap().kid(), from_pkcs8.kid());
    }

    #[test]
    fn unusable_keys_are_refused() {
        let good = generate(KeyKind::P256).unwrap();
        let two = format!("{0}{0}", good.expose());
        let p521 = EcdsaKeyPair::generate(&aws_lc_rs::signature::ECDSA_P521_SHA512_FIXED_SIGNING).unwrap();
        let p521 = pem(p521.to_pkcs8v1().unwrap().as_ref());
        let cases = [
            ("nothing", "", SigningKeyError::Pem),
            ("no PEM", "secret", SigningKeyError::Pem),
            ("two keys", &two, SigningKeyError::Pem),
            ("cut off", &good.expose()[..100], SigningKeyError::Pem),
            ("a public key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", SigningKeyError::Pem),
            (
                "encrypted",
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
                SigningKeyError::Pem,
            ),
            ("garbage", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", SigningKeyError::Unsupported),
            ("P-521", p521.expose(), SigningKeyError::Unsupported),
            ("RSA of 1024 bits", RSA_1024, SigningKeyError::Unsupported),
        ];
        for (name, text, expected) in cases {
            assert_eq!(SigningKey::from_pem(text.as_bytes()).err(), Some(expected), "{name}");
        }
    }

    /// RFC 7638 section 3.1.
    #[test]
    fn thumbprint_is_that_of_the_rfc() {
        let jwk = json!({
            "kty": "RSA", "alg": "RS256", "kid": "2011-04-29", "e": "AQAB",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
        });
        assert_eq!(thumbprint(&jwk).as_deref(), Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
        assert_eq!(thumbprint(&json!({"kty": "oct", "k": "AAAA"})), None);
    }

    /// Made for this test.
    const RSA_1024: &str = "-----BEGIN PRIVATE KEY-----\n\
        MIICdwIBADANBgkqhkiG9w0BAQEFAASCAmEwggJdAgEAAoGBANmUsKR9+erXjnaK\n\
        rC22bQTk12C9igFkaLVN0BVptQiVv5catN8jFhELl9RPBLRjt3zMKjyd+XBAxFW9\n\
        nxJDLVWWiw53JO68MpBxGRfGox1co4fwjA07fdMS8zA2gdC1ucvw2tT8yVyAvhxX\n\
        HGMbVSSSeavtI3L+yzhQ2qyokpORAgMBAAECgYEArlCiqFZJGC1z9GKrCMCDXQ1d\n\
        xCJ14yGnhcF+ePlEUUlvwkZiK/a3IhbQoAZidYcCJNiI6iGCCr3Izgxp2b66HMJj\n\
        DDiOP7mm8AWnmpqFmziml7GYKpe3BgfUJkfCVrN/GGq6VZkzNUuYoVAznaOkND1J\n\
        3Snim2Hka2WvVD756vECQQD0r1GQllc6n+0POu5pNLTvJ50wv6sAiYS0ZoQfhwdu\n\
        hzKQQq1U1WvbkPrYlfBxTkUKXu1HF6AsGR3IxWYA+kmFAkEA46SAsTRa+rd8VGhj\n\
        HMmyiFcoPu8BXWS43Fyi04payQPNZbXP9qmlaykPXzpuZYsMwGnqIG7S50qwJcjx\n\
        JIeZnQJBAMkTvkLE2cBKpsSqWDxK3RngAxSJnlydplmeGZvTGm9hWVMmCE076hwR\n\
        A6OzbFmgyanhIrsWlkFHDqvsVIwfIwUCQGAy0UuRU20mAv1si43L0o15P4Gw4MPF\n\
        37UH1KtOiWTvHWqA9ZxIPqZVWLCmcaappz7cw1rnWmrxjhS5oOYOA6UCQH16Wz0E\n\
        ZReOrP9Rd/5bFP2tTGnngEtbTu/7eps3LOrhIa71iNW+1J5ExmT8cL3rgvK8tDAl\n\
        NbJLJC40VbpXTWg=\n\
        -----END PRIVATE KEY-----\n";
}
