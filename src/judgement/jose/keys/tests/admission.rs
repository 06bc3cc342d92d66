//! Which keys are admitted, and for which algorithms.

use super::*;

#[test]
fn each_type_fits_its_own_algorithms_only() {
    let cases = [
        (
            KeyKind::Rsa,
            &[
                Algorithm::RS256,
                Algorithm::RS384,
                Algorithm::RS512,
                Algorithm::PS256,
                Algorithm::PS384,
                Algorithm::PS512,
            ][..],
        ),
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

/// A name, a member of a set, and why it is left out.
type Admission<'a> = (&'a str, Value, Option<KeyFault>);

fn check_admission(cases: &[Admission<'_>]) {
    let good = jwk(KeyKind::Ed25519);
    for (name, key, expected) in cases {
        let alone = parse(std::slice::from_ref(key)).unwrap();
        assert_eq!(alone.len(), usize::from(expected.is_none()), "{name}");
        // One member spoils itself only.
        let set = parse(&[key.clone(), good.clone()]).unwrap();
        assert!(set.contains(good["kid"].as_str().unwrap()), "{name}");
        let spoken_of = expected.clone().filter(|fault| *fault != KeyFault::OtherUse);
        assert_eq!(faults(&set), spoken_of.into_iter().map(|fault| (1, fault)).collect::<Vec<_>>(), "{name}");
    }
}

fn unsupported(name: &'static str, value: &str) -> KeyFault {
    KeyFault::Unsupported { name, value: value.to_owned() }
}

/// A number as a writer of signed numbers writes it.
fn signed(number: &[u8]) -> Value {
    base64(&[&[0], number].concat())
}

#[test]
fn admission() {
    let rsa = jwk(KeyKind::Rsa);
    let bare = without(&rsa, "alg");
    let modulus = URL_SAFE_NO_PAD.decode(rsa["n"].as_str().unwrap()).unwrap();
    let mut even = modulus.clone();
    *even.last_mut().unwrap() &= 0xfe;
    let unfit = KeyFault::Unfit;
    let bits = Some(unfit("n has fewer than 2048 or more than 8192 bits"));
    let exponent = Some(unfit("e is even, less than 3 or longer than 33 bits"));
    let other = Some(KeyFault::OtherUse);
    let e = URL_SAFE_NO_PAD.decode(rsa["e"].as_str().unwrap()).unwrap();
    let signed_rsa = with(&with(&bare, "n", signed(&modulus)), "e", signed(&e));
    let nulls = ["alg", "use", "key_ops", "kid", "d", "x5c", "crv"];
    let nulls = nulls.iter().fold(rsa.clone(), |key, name| with(&key, name, Value::Null));
    check_admission(&[
        ("rsa as published", rsa.clone(), None),
        ("use absent", without(&rsa, "use"), None),
        ("use enc", with(&rsa, "use", json!("enc")), other.clone()),
        ("use jwt-svid, of a SPIFFE bundle", with(&rsa, "use", json!("jwt-svid")), None),
        ("use x509-svid, of the same", with(&rsa, "use", json!("x509-svid")), other.clone()),
        ("use of another type", with(&rsa, "use", json!(["sig"])), Some(KeyFault::WrongType("use"))),
        ("key_ops with verify", with(&rsa, "key_ops", json!(["verify", "encrypt"])), None),
        ("key_ops of encryption", with(&rsa, "key_ops", json!(["encrypt", "wrapKey"])), other.clone()),
        ("key_ops of a private key", with(&rsa, "key_ops", json!(["sign"])), Some(KeyFault::Operations)),
        ("key_ops empty", with(&rsa, "key_ops", json!([])), Some(KeyFault::Operations)),
        ("key_ops a text", with(&rsa, "key_ops", json!("verify")), Some(KeyFault::WrongType("key_ops"))),
        ("members that are null", nulls, None),
        ("alg of the family", with(&rsa, "alg", json!("PS384")), None),
        ("alg for encryption", with(&rsa, "alg", json!("RSA-OAEP")), other.clone()),
        ("alg of another family", with(&rsa, "alg", json!("ES256")), Some(unsupported("alg", "ES256"))),
        ("alg of a MAC", with(&rsa, "alg", json!("HS256")), Some(unsupported("alg", "HS256"))),
        ("alg a number", with(&rsa, "alg", json!(1)), Some(KeyFault::WrongType("alg"))),
        ("kid absent", without(&rsa, "kid"), None),
        ("kid of another type", with(&rsa, "kid", json!(1)), Some(KeyFault::WrongType("kid"))),
        ("modulus of 2048 bits", with(&bare, "n", base64(&odd(2048))), None),
        ("modulus of 2047 bits", with(&bare, "n", base64(&odd(2047))), bits.clone()),
        ("modulus of 2040 bits and a zero", with(&bare, "n", signed(&odd(2040))), bits.clone()),
        ("modulus of 8193 bits", with(&bare, "n", base64(&odd(8193))), bits),
        ("modulus and exponent with a leading zero", signed_rsa, None),
        ("modulus with two leading zeros", with(&bare, "n", base64(&[&[0, 0], &modulus[..]].concat())), None),
        ("modulus of zeros", with(&bare, "n", base64(&[0; 256])), Some(unfit("n is empty"))),
        ("even modulus", with(&bare, "n", base64(&even)), Some(unfit("n is even"))),
        ("empty modulus", with(&bare, "n", json!("")), Some(KeyFault::Missing("n"))),
        (
            "padded modulus",
            with(&bare, "n", json!(format!("{}=", bare["n"].as_str().unwrap()))),
            Some(KeyFault::Base64("n")),
        ),
        (
            "modulus absent, x5c instead",
            with(&without(&bare, "n"), "x5c", json!(["MIIB"])),
            Some(KeyFault::Missing("n")),
        ),
        (
            "modulus of a flawed smart card (ROCA)",
            with(&bare, "n", base64(&roca::flawed(2048))),
            Some(unfit("n is of a flawed smart card, so anyone can find the private key (CVE-2017-15361)")),
        ),
        ("exponent 3", with(&bare, "e", base64(&[3])), None),
        ("exponent 1", with(&bare, "e", base64(&[1])), exponent.clone()),
        ("exponent of zeros", with(&bare, "e", base64(&[0, 0])), exponent.clone()),
        ("even exponent", with(&bare, "e", base64(&[1, 0, 0])), exponent.clone()),
        ("exponent of 34 bits", with(&bare, "e", base64(&[2, 0, 0, 0, 1])), exponent.clone()),
        ("exponent of 20 bytes", with(&bare, "e", base64(&[0xff; 20])), exponent),
    ]);
}

#[test]
fn admission_of_curves_and_other_types() {
    let (rsa, ec, ec384, ed) = (jwk(KeyKind::Rsa), jwk(KeyKind::P256), jwk(KeyKind::P384), jwk(KeyKind::Ed25519));
    let point = |name: &str| URL_SAFE_NO_PAD.decode(ec[name].as_str().unwrap()).unwrap();
    let (x, y) = (point("x"), point("y"));
    let cut_earlier = with(&with(&ec, "x", base64(&x[..31])), "y", base64(&[&x[31..], &y[..]].concat()));
    let unfit = KeyFault::Unfit;
    let curve = Some(unfit("its numbers are no public key"));
    let length = Some(unfit("x or y has not the length of the curve"));
    check_admission(&[
        ("p-256 as published", ec.clone(), None),
        ("p-384 as published", ec384.clone(), None),
        ("crv P-384 over P-256 coordinates", with(&without(&ec, "alg"), "crv", json!("P-384")), length.clone()),
        ("crv P-256 over P-384 coordinates", with(&without(&ec384, "alg"), "crv", json!("P-256")), length.clone()),
        (
            "crv P-521",
            with(&with(&ec, "alg", json!("ES512")), "crv", json!("P-521")),
            Some(unsupported("crv", "P-521")),
        ),
        ("crv secp256k1", with(&without(&ec, "alg"), "crv", json!("secp256k1")), Some(unsupported("crv", "secp256k1"))),
        ("crv absent", without(&ec, "crv"), Some(KeyFault::Missing("crv"))),
        ("x one byte short", with(&ec, "x", base64(&point("x")[1..])), length.clone()),
        ("x and y with a leading zero", with(&with(&ec, "x", signed(&x)), "y", signed(&y)), None),
        ("the same point, cut one byte earlier", cut_earlier, length),
        ("not on the curve", with(&ec, "x", ec["y"].clone()), curve.clone()),
        ("at infinity", with(&with(&ec, "x", base64(&[0; 32])), "y", base64(&[0; 32])), curve),
        ("ed25519 as published", ed.clone(), None),
        ("ed25519 by its name in RFC 9864", with(&ed, "alg", json!("Ed25519")), None),
        ("ed25519 with the other name", with(&ed, "alg", json!("Ed448")), Some(unsupported("alg", "Ed448"))),
        ("ed25519 of 31 bytes", with(&ed, "x", base64(&[1; 31])), Some(unfit("x has not 32 bytes"))),
        ("ed25519 of 33 bytes", with(&ed, "x", base64(&[1; 33])), Some(unfit("x has not 32 bytes"))),
        ("Ed448", with(&with(&ed, "alg", json!("Ed448")), "crv", json!("Ed448")), Some(unsupported("crv", "Ed448"))),
        ("X25519", with(&without(&ed, "alg"), "crv", json!("X25519")), Some(KeyFault::OtherUse)),
        ("ML-DSA", json!({"kty": "AKP", "alg": "ML-DSA-65", "pub": "AA"}), Some(unsupported("kty", "AKP"))),
        ("no kty", without(&rsa, "kty"), Some(KeyFault::Missing("kty"))),
        ("symmetric", json!({"kty": "oct", "k": "AAAA", "kid": "a", "alg": "HS256"}), Some(KeyFault::SharedSecret)),
        ("published private key", with(&ec, "d", base64(&[1; 32])), Some(KeyFault::Private)),
        ("published private key of ML-DSA", json!({"kty": "AKP", "pub": "AA", "priv": "AA"}), Some(KeyFault::Private)),
        ("null", Value::Null, Some(KeyFault::NotAnObject)),
        ("text", json!("key"), Some(KeyFault::NotAnObject)),
    ]);
}

#[test]
fn what_a_sender_writes_for_a_proof_is_read_strictly() {
    let (rsa, ec) = (jwk(KeyKind::Rsa), jwk(KeyKind::P256));
    let zeroed = |key: &Value, name: &str| {
        let number = URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
        with(key, name, signed(&number))
    };
    for (name, key, admitted) in [
        ("rsa", rsa.clone(), true),
        ("p-256", ec.clone(), true),
        ("n with a leading zero", zeroed(&rsa, "n"), false),
        ("e with a leading zero", zeroed(&rsa, "e"), false),
        ("x with a leading zero", zeroed(&ec, "x"), false),
        ("use null", with(&rsa, "use", Value::Null), false),
        ("d null", with(&rsa, "d", Value::Null), false),
    ] {
        assert_eq!(admit(key.as_object().unwrap()).is_some(), admitted, "{name}");
    }
}
