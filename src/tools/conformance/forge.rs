//! Tokens that no server may accept, made from one that the server accepts.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::answer::{claims_of, header_of};
use super::inputs::SuiteToken;
use crate::words::secret::Secret;

/// Seed of a key that anybody can use.
const ANYBODYS: [u8; 32] = *b"anybody can make this signature!";

/// `alg` is `none`, and there is no signature (RFC 7519 section 6).
pub fn unsecured(token: &SuiteToken) -> SuiteToken {
    altered(token, |header, claims, _| {
        let header = Map::from_iter([
            ("alg".to_owned(), json!("none")),
            ("typ".to_owned(), header.get("typ").cloned().unwrap_or(json!("JWT"))),
        ]);
        format!("{}.{}.", encode(&header), encode(claims))
    })
}

/// The token with another subject and the old signature.
pub fn other_subject(token: &SuiteToken) -> SuiteToken {
    altered(token, |header, claims, signature| {
        let mut claims = claims.clone();
        claims.insert("sub".to_owned(), json!("somebody-else"));
        format!("{}.{}.{signature}", encode(header), encode(&claims))
    })
}

/// The token without its signature.
pub fn unsigned(token: &SuiteToken) -> SuiteToken {
    let text = token.text.expose();
    let message = text.rsplit_once('.').map_or(text, |(message, _)| message);
    SuiteToken { text: Secret::new(format!("{message}.")), ..token.clone() }
}

/// The token signed with HS256 and the client's secret: the client could make tokens for any subject.
pub fn by_shared_secret(token: &SuiteToken, secret: &Secret) -> SuiteToken {
    altered(token, |header, claims, _| {
        let mut header = header.clone();
        header.insert("alg".to_owned(), json!("HS256"));
        let message = format!("{}.{}", encode(&header), encode(claims));
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        let code = hmac::sign(&key, message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(code))
    })
}

/// The token signed with a key that its own header contains (`jwk`, RFC 7515 section 4.1.3).
pub fn by_own_key(token: &SuiteToken) -> SuiteToken {
    altered(token, |header, claims, _| {
        let Ok(pair) = Ed25519KeyPair::from_seed_unchecked(&ANYBODYS) else { return String::new() };
        let mut header = header.clone();
        header.insert("alg".to_owned(), json!("EdDSA"));
        let x = URL_SAFE_NO_PAD.encode(pair.public_key());
        header.insert("jwk".to_owned(), json!({"kty": "OKP", "crv": "Ed25519", "x": x}));
        let message = format!("{}.{}", encode(&header), encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(pair.sign(message.as_bytes()));
        format!("{message}.{signature}")
    })
}

fn altered(
    token: &SuiteToken,
    make: impl FnOnce(&Map<String, Value>, &Map<String, Value>, &str) -> String,
) -> SuiteToken {
    let text = token.text.expose();
    let signature = text.rsplit_once('.').map_or("", |(_, signature)| signature);
    let (header, claims) = (header_of(text).unwrap_or_default(), claims_of(text).unwrap_or_default());
    SuiteToken { text: Secret::new(make(&header, &claims, signature)), ..token.clone() }
}

fn encode(part: &Map<String, Value>) -> String {
    URL_SAFE_NO_PAD.encode(Value::from(part.clone()).to_string())
}

#[cfg(test)]
mod tests;
