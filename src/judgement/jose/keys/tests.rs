//! Which sets and keys are admitted, row by row.

use serde_json::json;

use super::*;
use crate::judgement::issue::key::{KeyKind, SigningKey, generate};

fn jwk(kind: KeyKind) -> Value {
    SigningKey::from_pem(generate(kind).unwrap().expose().as_bytes()).unwrap().jwk().clone()
}

fn with(jwk: &Value, name: &str, value: Value) -> Value {
    let mut changed = jwk.clone();
    changed[name] = value;
    changed
}

fn without(jwk: &Value, name: &str) -> Value {
    let mut changed = jwk.clone();
    changed.as_object_mut().unwrap().remove(name);
    changed
}

fn parse(keys: &[Value]) -> Result<KeySet, KeySetError> {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
}

fn base64(bytes: &[u8]) -> Value {
    URL_SAFE_NO_PAD.encode(bytes).into()
}

/// A number of this many bits, first and last bit set.
fn odd(bits: usize) -> Vec<u8> {
    let mut bytes = vec![0xff; bits.div_ceil(8)];
    bytes[0] >>= (8 - bits % 8) % 8;
    bytes
}

fn fitting(key: &Value) -> Vec<Algorithm> {
    parse(std::slice::from_ref(key)).unwrap().keys[0].algorithms().collect()
}

#[test]
fn each_type_fits_its_own_algorithms_only() {
    let cases = [
        (KeyKind::Rsa, RSA),
        (KeyKind::P256, &[Algorithm::ES256][..]),
        (KeyKind::P384, &[Algorithm::ES384][..]),
        (KeyKind::Ed25519, &[Algorithm::EdDSA][..]),
    ];
    for (kind, algorithms) in cases {
        let key = jwk(kind);
        let stated = key["alg"].as_str().unwrap().parse().unwrap();
        assert_eq!(fitting(&key), [stated], "{kind:?}");
        assert_eq!(fitting(&without(&key, "alg")), algorithms, "{kind:?}");
    }
}

#[test]
fn admission() {
    let (rsa, ec, ec384, ed) = (jwk(KeyKind::Rsa), jwk(KeyKind::P256), jwk(KeyKind::P384), jwk(KeyKind::Ed25519));
    let bare = without(&rsa, "alg");
    let point = |name: &str| URL_SAFE_NO_PAD.decode(ec[name].as_str().unwrap()).unwrap();
    let modulus = URL_SAFE_NO_PAD.decode(rsa["n"].as_str().unwrap()).unwrap();
    let mut even = modulus.clone();
    *even.last_mut().unwrap() &= 0xfe;
    let (x, y) = (point("x"), point("y"));
    let cut_earlier = with(&with(&ec, "x", base64(&x[..31])), "y", base64(&[&x[31..], &y[..]].concat()));
    let cases = [
        ("rsa as published", rsa.clone(), true),
        ("use absent", without(&rsa, "use"), true),
        ("use enc", with(&rsa, "use", json!("enc")), false),
        ("use jwt-svid, of a SPIFFE bundle", with(&rsa, "use", json!("jwt-svid")), true),
        ("use x509-svid, of the same", with(&rsa, "use", json!("x509-svid")), false),
        ("use of another type", with(&rsa, "use", json!(["sig"])), false),
        ("key_ops with verify", with(&rsa, "key_ops", json!(["verify", "encrypt"])), true),
        ("key_ops without verify", with(&rsa, "key_ops", json!(["encrypt"])), false),
        ("key_ops empty", with(&rsa, "key_ops", json!([])), false),
        ("alg of the family", with(&rsa, "alg", json!("PS384")), true),
        ("alg for encryption", with(&rsa, "alg", json!("RSA-OAEP")), false),
        ("alg of another family", with(&rsa, "alg", json!("ES256")), false),
        ("alg of a MAC", with(&rsa, "alg", json!("HS256")), false),
        ("kid absent", without(&rsa, "kid"), true),
        ("kid of another type", with(&rsa, "kid", json!(1)), false),
        ("modulus of 2048 bits", with(&bare, "n", base64(&odd(2048))), true),
        ("modulus of 2047 bits", with(&bare, "n", base64(&odd(2047))), false),
        ("modulus of 1024 bits", with(&bare, "n", base64(&odd(1024))), false),
        ("modulus of 8193 bits", with(&bare, "n", base64(&odd(8193))), false),
        ("modulus with a leading zero", with(&bare, "n", base64(&[&[0], &modulus[..]].concat())), false),
        ("even modulus", with(&bare, "n", base64(&even)), false),
        ("empty modulus", with(&bare, "n", json!("")), false),
        ("padded modulus", with(&bare, "n", json!(format!("{}=", bare["n"].as_str().unwrap()))), false),
        ("modulus absent", without(&bare, "n"), false),
        ("modulus of a flawed smart card (ROCA)", with(&bare, "n", base64(&roca::flawed(2048))), false),
        ("exponent 3", with(&bare, "e", base64(&[3])), true),
        ("exponent 1", with(&bare, "e", base64(&[1])), false),
        ("even exponent", with(&bare, "e", base64(&[1, 0, 0])), false),
        ("exponent of 34 bits", with(&bare, "e", base64(&[2, 0, 0, 0, 1])), false),
        ("exponent of 20 bytes", with(&bare, "e", base64(&[0xff; 20])), false),
        ("p-256 as published", ec.clone(), true),
        ("p-384 as published", ec384.clone(), true),
        ("crv P-384 over P-256 coordinates", with(&without(&ec, "alg"), "crv", json!("P-384")), false),
        ("crv P-256 over P-384 coordinates", with(&without(&ec384, "alg"), "crv", json!("P-256")), false),
        ("crv P-521", with(&without(&ec, "alg"), "crv", json!("P-521")), false),
        ("crv secp256k1", with(&without(&ec, "alg"), "crv", json!("secp256k1")), false),
        ("crv absent", without(&ec, "crv"), false),
        ("x one byte short", with(&ec, "x", base64(&point("x")[1..])), false),
        ("x with a leading zero", with(&ec, "x", base64(&[&[0], &point("x")[..]].concat())), false),
        ("the same point, cut one byte earlier", cut_earlier, false),
        ("not on the curve", with(&ec, "x", ec["y"].clone()), false),
        ("at infinity", with(&with(&ec, "x", base64(&[0; 32])), "y", base64(&[0; 32])), false),
        ("ed25519 as published", ed.clone(), true),
        ("ed25519 of 31 bytes", with(&ed, "x", base64(&[1; 31])), false),
        ("ed25519 of 33 bytes", with(&ed, "x", base64(&[1; 33])), false),
        ("X25519", with(&without(&ed, "alg"), "crv", json!("X25519")), false),
        ("unknown kty", with(&rsa, "kty", json!("AKP")), false),
        ("symmetric", json!({"kty": "oct", "k": "AAAA", "kid": "a", "alg": "HS256"}), false),
        ("empty symmetric", json!({"kty": "oct", "k": "", "kid": "a", "alg": "HS256"}), false),
        ("published private key", with(&ec, "d", base64(&[1; 32])), false),
    ];
    for (name, key, admitted) in cases {
        let expected = if admitted { None } else { Some(KeySetError::NoneUsable) };
        assert_eq!(parse(&[key]).err(), expected, "{name}");
    }
}

#[test]
fn sets() {
    let (one, two) = (jwk(KeyKind::Ed25519), jwk(KeyKind::Ed25519));
    let kid = |key: &Value, kid: &str| with(key, "kid", json!(kid));
    let many: Vec<_> = (0..65).map(|number| kid(&one, &number.to_string())).collect();
    let set = |keys: &[Value]| json!({ "keys": keys }).to_string();
    let cases: [(&str, String, Option<KeySetError>); 16] = [
        ("two keys", set(&[one.clone(), two.clone()]), None),
        ("64 keys", set(&many[..64]), None),
        ("65 keys", set(&many), Some(KeySetError::TooMany)),
        ("the same kid", set(&[kid(&one, "a"), kid(&two, "a")]), Some(KeySetError::RepeatedKid)),
        ("the same key twice", set(&[one.clone(), one.clone()]), Some(KeySetError::RepeatedKid)),
        (
            "the same kid on a key that is unfit",
            set(&[kid(&one, "a"), with(&kid(&two, "a"), "x", json!("AA"))]),
            Some(KeySetError::RepeatedKid),
        ),
        (
            "the same kid on a key for encryption",
            set(&[kid(&one, "a"), with(&kid(&two, "a"), "use", json!("enc"))]),
            None,
        ),
        ("an unknown type beside it", set(&[one.clone(), json!({"kty": "AKP", "kid": "x"})]), None),
        ("empty", set(&[]), Some(KeySetError::NoneUsable)),
        ("keys absent", "{}".to_owned(), Some(KeySetError::NoKeys)),
        ("keys an object", r#"{"keys":{}}"#.to_owned(), Some(KeySetError::NoKeys)),
        ("a key that is text", r#"{"keys":["a"]}"#.to_owned(), Some(KeySetError::NoKeys)),
        ("keys twice", r#"{"keys":[],"keys":[]}"#.to_owned(), Some(KeySetError::Json(JsonError::Repeated))),
        ("HTML", "<html></html>".to_owned(), Some(KeySetError::Json(JsonError::Syntax))),
        ("nothing", String::new(), Some(KeySetError::Json(JsonError::Syntax))),
        (
            "too large",
            format!("{}{}", set(std::slice::from_ref(&one)), " ".repeat(MAX_SET_BYTES)),
            Some(KeySetError::TooLarge),
        ),
    ];
    for (name, text, expected) in cases {
        assert_eq!(KeySet::parse(text.as_bytes()).err(), expected, "{name}");
    }
}

#[test]
fn what_was_published_is_kept_but_for_secrets() {
    let key = jwk(KeyKind::P256);
    let encryption = json!({"kty": "RSA", "use": "enc", "alg": "RSA-OAEP", "kid": "e", "n": "AQAB", "e": "AQAB"});
    let leaked = json!({"kty": "EC", "crv": "P-256", "x": key["x"], "y": key["y"], "d": "AQAB", "kid": "p"});
    let shared = json!({"kty": "oct", "k": "AQAB", "kid": "s"});
    let set = parse(&[key.clone(), encryption.clone(), leaked, shared]).unwrap();
    assert_eq!(set.jwks(), [key.clone(), encryption]);
    assert_eq!(set.len(), 1);
    assert!(set.contains(key["kid"].as_str().unwrap()));
    assert!(!set.contains("e") && !set.contains("p") && !set.contains("s"));
}

#[test]
fn a_key_is_found_only_without_a_choice() {
    let (one, two, ec) = (jwk(KeyKind::Ed25519), jwk(KeyKind::Ed25519), jwk(KeyKind::P256));
    let kid = |key: &Value| key["kid"].as_str().unwrap().to_owned();
    let set = parse(&[one.clone(), two.clone(), ec.clone()]).unwrap();
    let found = |kid: Option<&str>, algorithm| set.find(kid, algorithm).map(|key| key.kid.clone().unwrap());
    assert_eq!(found(Some(&kid(&two)), Algorithm::EdDSA), Some(kid(&two)));
    assert_eq!(found(Some(&kid(&two)), Algorithm::ES256), None, "the key is of another type");
    assert_eq!(found(Some("other"), Algorithm::EdDSA), None);
    assert_eq!(found(Some(""), Algorithm::ES256), None, "an empty kid is a kid");
    assert_eq!(found(None, Algorithm::EdDSA), None, "two fit");
    assert_eq!(found(None, Algorithm::ES256), Some(kid(&ec)));
    let stated = parse(&[jwk(KeyKind::Rsa)]).unwrap();
    assert!(stated.find(None, Algorithm::RS256).is_some());
    assert!(stated.find(None, Algorithm::PS256).is_none(), "alg other than the token's");
    let nameless = parse(&[without(&one, "kid")]).unwrap();
    assert!(nameless.find(None, Algorithm::EdDSA).is_some());
    assert!(nameless.find(Some(&kid(&one)), Algorithm::EdDSA).is_none());
}
