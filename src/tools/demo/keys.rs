//! RSA keys of the demo's realms, generated at start and never stored.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The keys of an identity provider with two realms. Clones share the keys, so that tests generate them once.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Signs in `corp`.
    pub corp: Arc<RealmKey>,
    /// Signs in `partner`.
    pub partner: Arc<RealmKey>,
    /// Published with `use: enc`, like Keycloak's RSA-OAEP key.
    pub encryption: Arc<RealmKey>,
}

impl Keys {
    /// Generates new keys, one per thread, because RSA is slow.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn generate() -> Result<Self, RealmKeyError> {
        let [corp, partner, encryption] = std::thread::scope(|scope| {
            [(), (), ()]
                .map(|()| scope.spawn(RealmKey::generate))
                .map(|made| made.join().unwrap_or(Err(RealmKeyError)).map(Arc::new))
        });
        Ok(Self { corp: corp?, partner: partner?, encryption: encryption? })
    }
}

/// The cryptographic library failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key could not be made or used")]
pub struct RealmKeyError;

/// An RSA key of 2048 bits with its key id.
pub struct RealmKey {
    kid: String,
    pair: RsaKeyPair,
}

impl RealmKey {
    /// Generates a key, which takes about a tenth of a second.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn generate() -> Result<Self, RealmKeyError> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| RealmKeyError)?;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, pair.public_key().as_ref());
        Ok(Self { kid: URL_SAFE_NO_PAD.encode(digest.as_ref()), pair })
    }

    /// The key id.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half as a JWK (RFC 7517) for signatures, as Keycloak writes it.
    pub fn jwk(&self) -> Value {
        self.jwk_for("sig", "RS256")
    }

    /// The public half as a JWK for encryption.
    pub(super) fn encryption_jwk(&self) -> Value {
        self.jwk_for("enc", "RSA-OAEP")
    }

    /// Signs claims as a JWT with this key's id in the header.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn sign(&self, claims: &Map<String, Value>) -> Result<String, RealmKeyError> {
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": self.kid}).to_string();
        self.sign_raw(&header, &Value::from(claims.clone()).to_string())
    }

    /// Signs a header and a payload as they are, for tests of what a verifier refuses.
    ///
    /// # Errors
    /// When the cryptographic library fails.
    pub fn sign_raw(&self, header: &str, payload: &str) -> Result<String, RealmKeyError> {
        let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature)
            .map_err(|_| RealmKeyError)?;
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Ok(token)
    }

    /// The claims of a token that this key signed.
    pub(super) fn verify(&self, token: &str) -> Option<Map<String, Value>> {
        let (signed, signature) = token.rsplit_once('.')?;
        let payload = URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.pair.public_key().as_ref())
            .verify(signed.as_bytes(), &signature)
            .ok()?;
        serde_json::from_slice(&payload).ok()
    }

    fn jwk_for(&self, usage: &str, algorithm: &str) -> Value {
        let public = self.pair.public_key();
        json!({
            "kid": self.kid,
            "kty": "RSA",
            "alg": algorithm,
            "use": usage,
            "n": URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
            "e": URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
        })
    }
}

impl std::fmt::Debug for RealmKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RealmKey({})", self.kid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_verifies_its_own_tokens_only() {
        let key = RealmKey::generate().unwrap();
        let other = RealmKey::generate().unwrap();
        let claims = Map::from_iter([("sub".to_owned(), json!("alice"))]);
        let token = key.sign(&claims).unwrap();
        assert_eq!(key.verify(&token), Some(claims.clone()));
        assert_eq!(other.verify(&token), None);
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": key.kid()}).to_string();
        assert_eq!(key.verify(&other.sign_raw(&header, &Value::from(claims).to_string()).unwrap()), None);
        assert_eq!(format!("{key:?}"), format!("RealmKey({})", key.kid()), "no private part");
    }
}
