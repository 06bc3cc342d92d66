//! Signatures that were verified before.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::Algorithm;
use serde_json::json;

use super::{ALGORITHMS, CORP, ISSUER, NOW, claims, kid, sign, with};
use crate::judgement::issue::key::{KeyKind, SigningKey, generate};
use crate::judgement::jose::jws::JwsError;
use crate::judgement::jose::keys::KeySet;
use crate::judgement::jose::verify::{Expectations, TokenError, verify};
use crate::words::secret::Secret;

/// That a signature is remembered helps no other text, no other key and no other time.
#[test]
fn a_signature_that_is_remembered_proves_itself_alone() {
    let expect = Expectations { issuer: ISSUER, algorithms: ALGORITHMS, leeway: SignedDuration::ZERO };
    let at = |token: &str, keys: &KeySet, now: i64| {
        let now = Timestamp::from_second(now).unwrap();
        verify(&Secret::new(token), keys, &expect, now).map(|_| ())
    };
    for index in [0, 1] {
        let algorithm = [Algorithm::RS256, Algorithm::ES256][index];
        let header = json!({"alg": format!("{algorithm:?}"), "kid": kid(index)}).to_string();
        let token = sign(&header, &with(claims(), "jti", json!("remembered")).to_string(), index, algorithm);
        for _ in 0..3 {
            assert_eq!(at(&token, &CORP.keys, NOW), Ok(()), "{algorithm:?}");
        }
        assert_eq!(at(&token, &CORP.keys, NOW + 60), Err(TokenError::Expired(0)), "{algorithm:?}");
        let others = [KeyKind::Rsa, KeyKind::P256][index];
        let other = SigningKey::from_pem(generate(others).unwrap().expose().as_bytes()).unwrap();
        let jwk = with(other.jwk().clone(), "kid", json!(kid(index)));
        let set = KeySet::parse(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap();
        assert_eq!(at(&token, &set, NOW), Err(TokenError::Jws(JwsError::Signature)), "{algorithm:?}: another key");
        let (message, signature) = token.rsplit_once('.').unwrap();
        let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        bytes[0] ^= 1;
        let altered = format!("{message}.{}", URL_SAFE_NO_PAD.encode(&bytes));
        assert_eq!(at(&altered, &CORP.keys, NOW), Err(TokenError::Jws(JwsError::Signature)), "{algorithm:?}: altered");
        let promoted =
            sign(&header, &with(claims(), "jti", json!("remembered by another")).to_string(), index, algorithm);
        let mixed = format!("{}.{signature}", promoted.rsplit_once('.').unwrap().0);
        assert_eq!(at(&mixed, &CORP.keys, NOW), Err(TokenError::Jws(JwsError::Signature)), "{algorithm:?}: mixed");
    }
}
