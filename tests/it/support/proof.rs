//! `DPoP` proofs (RFC 9449), right and wrong.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::client::PUBLIC_HOST;
use super::world::TOKEN_PATH;

/// A caller's key.
pub struct Holder {
    pair: EcdsaKeyPair,
    jwk: Value,
    /// Its thumbprint (RFC 7638).
    pub jkt: String,
}

impl Holder {
    pub fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = pair.public_key().as_ref();
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwk = json!({"crv": "P-256", "kty": "EC", "x": text(&point[1..33]), "y": text(&point[33..])});
        // serde_json writes members in the order of their names, which is the order of the RFC.
        let jkt = text(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, jwk.to_string().as_bytes()).as_ref());
        Self { pair, jwk, jkt }
    }

    /// A proof for the token endpoint at this time, with the claims changed; null takes one away.
    pub fn proof(&self, now: i64, changes: &[(&str, Value)]) -> String {
        let mut claims = json!({
            "jti": uuid::Uuid::new_v4().to_string(), "htm": "POST", "iat": now,
            "htu": format!("http://{PUBLIC_HOST}{TOKEN_PATH}"),
        });
        for (name, value) in changes {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(*name)),
                value => claims[*name] = value.clone(),
            }
        }
        let header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk});
        let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encoded(&header), encoded(&claims));
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
