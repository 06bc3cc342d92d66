//! Keys that stay parsed accept what `jsonwebtoken` accepts, and nothing else: every algorithm, over signatures that
//! are right, changed, cut, padded, or made for something else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey};
use proptest::prelude::*;
use serde_json::json;

use super::{CORP, claims, kid, sign};
use crate::judgement::jose::jws::{JwsError, SUPPORTED, UnverifiedJws};
use crate::judgement::jose::verify::{TokenError, verify_payload};

/// The index of the key that signs with this algorithm.
fn index(algorithm: Algorithm) -> usize {
    match algorithm {
        Algorithm::ES256 => 1,
        Algorithm::ES384 => 2,
        Algorithm::EdDSA => 3,
        _ => 0,
    }
}

fn token(name: &str, algorithm: Algorithm) -> String {
    let index = index(algorithm);
    let header = json!({"alg": name, "kid": kid(index)}).to_string();
    sign(&header, &claims().to_string(), index, algorithm)
}

/// Whether the kept key accepts the token, after seeing that the library is of the same opinion.
#[expect(clippy::disallowed_methods, reason = "the library's opinion is what this is about")]
fn accepted(token: &str, algorithm: Algorithm, what: &str) -> bool {
    let index = index(algorithm);
    let kept = CORP.keys.fitting(Some(kid(index)), algorithm).next().unwrap();
    let ours = UnverifiedJws::read(token).unwrap().verify(kept).is_ok();
    let jwk: Jwk = serde_json::from_value(CORP.pems[index].1.jwk().clone()).unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let key = DecodingKey::from_jwk(&jwk).unwrap();
    let theirs = jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, algorithm);
    assert_eq!(ours, theirs.is_ok_and(|accepted| accepted), "{algorithm:?}, {what}");
    ours
}

#[test]
fn changed_signatures() {
    for (name, algorithm) in SUPPORTED {
        let token = token(name, algorithm);
        assert!(accepted(&token, algorithm, "as signed"), "{name}");
        let (message, signature) = token.rsplit_once('.').unwrap();
        let right = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let length = right.len();
        let (r, s) = right.split_at(length / 2);
        let der = |half: &[u8]| {
            let sign: &[u8] = if half[0] > 127 { &[0] } else { &[] };
            let length = u8::try_from(half.len() + sign.len()).unwrap();
            [&[2, length], sign, half].concat()
        };
        let mut rows = vec![
            ("empty", Vec::new()),
            ("one zero", vec![0]),
            ("all zeros", vec![0; length]),
            ("all ones", vec![255; length]),
            ("one byte cut off", right[..length - 1].to_vec()),
            ("first byte cut off", right[1..].to_vec()),
            ("a zero before", [&[0], &right[..]].concat()),
            ("a zero behind", [&right[..], &[0]].concat()),
            ("twice", right.repeat(2)),
            ("halves swapped", [s, r].concat()),
            ("r zero", [&vec![0; length / 2], s].concat()),
            ("s zero", [r, &vec![0; length / 2]].concat()),
        ];
        if length < 128 {
            let (r, s) = (der(r), der(s));
            let inner = u8::try_from(r.len() + s.len()).unwrap();
            rows.push(("as ASN.1", [&[0x30, inner][..], &r, &s].concat()));
        }
        for (what, changed) in rows {
            let changed = format!("{message}.{}", URL_SAFE_NO_PAD.encode(changed));
            assert!(!accepted(&changed, algorithm, what), "{name}, {what}");
        }
        for (what, text) in [("padded", format!("{token}=")), ("not base64url", format!("{message}.+/+/"))] {
            assert!(!accepted(&text, algorithm, what), "{name}, {what}");
        }
    }
}

#[test]
fn signatures_of_another_algorithm() {
    for (name, algorithm) in SUPPORTED {
        for (other_name, other) in SUPPORTED.iter().filter(|(_, other)| *other != algorithm) {
            let index = index(*other);
            let header = json!({"alg": name, "kid": kid(index)}).to_string();
            let token = sign(&header, &claims().to_string(), index, *other);
            assert!(!accepted(&token, algorithm, other_name), "{name} signed as {other_name}");
        }
    }
}

#[test]
fn any_payload_is_returned_once_its_signature_holds() {
    let all: Vec<_> = SUPPORTED.iter().map(|(_, algorithm)| *algorithm).collect();
    let header = json!({"alg": "EdDSA", "kid": kid(3)}).to_string();
    for payload in ["", "foo", "{", r#"{"a":1,"a":2}"#] {
        let jws = sign(&header, payload, 3, Algorithm::EdDSA);
        assert_eq!(verify_payload(&jws, &CORP.keys, &all).unwrap().1, payload.as_bytes(), "{payload}");
        let refused = verify_payload(&jws, &CORP.keys, &[Algorithm::RS256]).unwrap_err();
        assert_eq!(refused, TokenError::AlgorithmNotAllowed, "{payload}");
        let changed = jws.replacen('.', ".AAAA", 1);
        assert_eq!(
            verify_payload(&changed, &CORP.keys, &all).unwrap_err(),
            TokenError::Jws(JwsError::Signature),
            "{payload}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_changed_bit_and_no_difference(
        which in 0..SUPPORTED.len(),
        at in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let (name, algorithm) = SUPPORTED[which];
        let token = token(name, algorithm);
        let (message, signature) = token.rsplit_once('.').unwrap();
        let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let at = at.index(signature.len());
        signature[at] ^= 1 << bit;
        let changed = format!("{message}.{}", URL_SAFE_NO_PAD.encode(&signature));
        prop_assert!(!accepted(&changed, algorithm, "one bit"));
    }
}
