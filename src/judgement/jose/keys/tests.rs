//! Which sets and keys are admitted, row by row.

mod tenants;

use serde_json::json;

use super::*;
use crate::judgement::issue::key::{KeyKind, SigningKey, generate};
use crate::judgement::jose::jws;

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

/// Why each member is left out, in the order of the set.
fn faults(set: &KeySet) -> Vec<(usize, KeyFault)> {
    set.left_out().iter().map(|one| (one.place, one.fault.clone())).collect()
}

fn fitting(key: &Value) -> Vec<Algorithm> {
    parse(std::slice::from_ref(key)).unwrap().keys[0].algorithms().collect()
}

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

#[test]
fn sets() {
    let (one, two) = (jwk(KeyKind::Ed25519), jwk(KeyKind::Ed25519));
    let kid = |key: &Value, kid: &str| with(key, "kid", json!(kid));
    let set = |keys: &[Value]| json!({ "keys": keys }).to_string();
    let many: Vec<_> = (0..1000).map(|number| kid(&one, &number.to_string())).collect();
    let cases: [(&str, String, Result<usize, KeySetError>); 19] = [
        ("a byte order mark", format!("\u{feff}{}", set(std::slice::from_ref(&one))), Ok(1)),
        ("two byte order marks", "\u{feff}\u{feff}{\"keys\":[]}".to_owned(), Err(KeySetError::Json(JsonError::Syntax))),
        ("two keys", set(&[one.clone(), two.clone()]), Ok(2)),
        ("64 keys", set(&many[..64]), Ok(64)),
        ("65 keys", set(&many[..65]), Ok(64)),
        ("1000 keys", set(&many), Ok(64)),
        ("an unknown type beside it", set(&[one.clone(), json!({"kty": "AKP", "kid": "x"})]), Ok(1)),
        ("a null beside it", set(&[one.clone(), Value::Null]), Ok(1)),
        ("a member twice beside it", format!(r#"{{"keys":[{{"kid":"a","kid":"b"}},{one}]}}"#), Ok(1)),
        ("unknown members of the set", format!(r#"{{"x":{{}},"x":[1],"keys":[{one}],"spiffe_sequence":1}}"#), Ok(1)),
        ("no usable key", set(&[json!({"kty": "EC", "crv": "P-521"})]), Ok(0)),
        ("a null only", set(&[Value::Null]), Ok(0)),
        ("empty", set(&[]), Err(KeySetError::Empty)),
        ("keys absent", "{}".to_owned(), Err(KeySetError::NoKeys)),
        ("keys an object", r#"{"keys":{}}"#.to_owned(), Err(KeySetError::NoKeys)),
        ("keys null", r#"{"keys":null}"#.to_owned(), Err(KeySetError::NoKeys)),
        ("keys twice", format!(r#"{{"keys":[{one}],"keys":[{two}]}}"#), Err(KeySetError::Json(JsonError::Repeated))),
        ("HTML", "<html></html>".to_owned(), Err(KeySetError::Json(JsonError::Syntax))),
        (
            "too large",
            format!("{}{}", set(std::slice::from_ref(&one)), " ".repeat(MAX_SET_BYTES)),
            Err(KeySetError::TooLarge),
        ),
    ];
    for (name, text, expected) in cases {
        assert_eq!(KeySet::parse(text.as_bytes()).map(|set| set.len()), expected, "{name}");
    }
    for bytes in [&b""[..], b"[]", b"{\"keys\":[\"\xff\"]}"] {
        assert!(matches!(KeySet::parse(bytes), Err(KeySetError::Json(_))), "{bytes:?}");
    }
}

#[test]
fn the_limit_counts_signing_keys_and_is_announced() {
    let kid = |number: usize| with(&jwk(KeyKind::Ed25519), "kid", json!(number.to_string()));
    let signing: Vec<_> = (0..70).map(kid).collect();
    let encryption = json!({"kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB"});
    let broken = json!({"kty": "RSA", "n": "AQAB"});
    let in_front: Vec<_> = [vec![encryption; 70], vec![broken; 70]].concat();
    for (count, used, nearly_full) in [(55, 55, false), (56, 56, true), (64, 64, true), (70, 64, true)] {
        let set = parse(&[&in_front[..], &signing[..count]].concat()).unwrap();
        assert_eq!((set.len(), set.is_nearly_full()), (used, nearly_full), "{count}");
        assert_eq!(set.contains("63"), used == 64, "{count}");
        assert_eq!(set.left_out().len(), 70 + count - used, "{count}");
    }
    // An entry of a key that is used already takes no place.
    let again = parse(&[&signing[..64], &signing[..1]].concat()).unwrap();
    assert_eq!((again.len(), again.left_out().len()), (64, 0));
}

/// A name, entries with the kid `a`, the algorithms of its keys, and the places of the entries that are left out.
type EntriesOfOneKid<'a> = (&'a str, Vec<Value>, &'a [Algorithm], &'a [usize]);

#[test]
fn one_kid_on_several_entries() {
    let kid = |key: &Value| with(key, "kid", json!("a"));
    let alg = |key: &Value, alg: &str| with(key, "alg", json!(alg));
    let rsa = kid(&jwk(KeyKind::Rsa));
    let bare = without(&rsa, "alg");
    let other_rsa = kid(&jwk(KeyKind::Rsa));
    let (ec, other_ec) = (kid(&jwk(KeyKind::P256)), kid(&jwk(KeyKind::P256)));
    let zero = {
        let number = URL_SAFE_NO_PAD.decode(rsa["n"].as_str().unwrap()).unwrap();
        with(&rsa, "n", base64(&[&[0], &number[..]].concat()))
    };
    let unfit = with(&other_ec, "x", json!("AA"));
    let leaked = with(&rsa, "d", json!("AQAB"));
    let cases: [EntriesOfOneKid<'_>; 16] = [
        ("the same entry twice", vec![rsa.clone(), rsa.clone()], &[Algorithm::RS256], &[]),
        ("once with a leading zero", vec![rsa.clone(), zero], &[Algorithm::RS256], &[]),
        (
            "one key for two algorithms",
            vec![rsa.clone(), alg(&rsa, "PS256")],
            &[Algorithm::RS256, Algorithm::PS256],
            &[],
        ),
        (
            "once for encryption, without use",
            vec![without(&rsa, "use"), alg(&bare, "RSA-OAEP")],
            &[Algorithm::RS256],
            &[],
        ),
        ("once for encryption", vec![rsa.clone(), with(&other_rsa, "use", json!("enc"))], &[Algorithm::RS256], &[]),
        ("of two types", vec![rsa.clone(), ec.clone()], &[Algorithm::RS256, Algorithm::ES256], &[]),
        (
            "two keys for two algorithms",
            vec![rsa.clone(), alg(&other_rsa, "PS256")],
            &[Algorithm::RS256, Algorithm::PS256],
            &[],
        ),
        ("two keys for one algorithm", vec![rsa.clone(), other_rsa.clone()], &[], &[1, 2]),
        ("two keys, one of them for any algorithm", vec![bare.clone(), other_rsa.clone()], &[], &[1, 2]),
        (
            "two keys for one algorithm, and one of another type",
            vec![rsa.clone(), ec.clone(), other_rsa.clone()],
            &[Algorithm::ES256],
            &[1, 3],
        ),
        ("two points", vec![ec.clone(), other_ec.clone()], &[], &[1, 2]),
        ("one is unfit", vec![ec.clone(), unfit], &[Algorithm::ES256], &[2]),
        ("three, of which two are alike", vec![rsa.clone(), rsa.clone(), other_rsa], &[], &[1, 3]),
        ("once with its private part", vec![rsa.clone(), leaked.clone()], &[], &[1, 2]),
        (
            "once with its private part, for encryption",
            vec![rsa.clone(), with(&leaked, "use", json!("enc"))],
            &[],
            &[1],
        ),
        ("once with its private part, under another kid", vec![with(&leaked, "kid", json!("b")), rsa], &[], &[1, 2]),
    ];
    for (name, keys, algorithms, left_out) in cases {
        let set = parse(&keys).unwrap();
        for (_, algorithm) in jws::SUPPORTED {
            let expected = usize::from(algorithms.contains(&algorithm));
            assert_eq!(set.fitting(Some("a"), algorithm).count(), expected, "{name}: {algorithm:?}");
        }
        assert_eq!(set.left_out().iter().map(|one| one.place).collect::<Vec<_>>(), left_out, "{name}");
        assert!(set.publishes("a"), "{name}");
    }
    let nameless = |key: &Value| without(key, "kid");
    let two = parse(&[nameless(&ec), nameless(&other_ec)]).unwrap();
    assert_eq!(two.fitting(None, Algorithm::ES256).count(), 2, "no kid names nothing");
}

#[test]
fn the_published_text_is_the_issuers() {
    let own = json!({"kid": "own", "kty": "EC"});
    let cases: [(&str, &str, &str); 11] = [
        ("a byte order mark", "\u{feff}{\"keys\":[1]}", "\u{feff}{\"keys\":[1,OWN]}"),
        ("nothing of it changes", r#"{"keys":[{"kid":"a"}]}"#, r#"{"keys":[{"kid":"a"},OWN]}"#),
        (
            "white space, order, numbers, unknown and repeated members",
            "{ \"x\": 1.50, \"keys\": [ {\"z\":1,\"a\":2,\"a\":3}\n, null ] ,\n\"keys2\":[]}\n",
            "{ \"x\": 1.50, \"keys\": [ {\"z\":1,\"a\":2,\"a\":3}\n, null ,OWN] ,\n\"keys2\":[]}\n",
        ),
        ("an escaped name", r#"{"\u006beys":[1]}"#, r#"{"\u006beys":[1,OWN]}"#),
        ("brackets in texts", r#"{"keys":["]"],"a":"[]"}"#, r#"{"keys":["]",OWN],"a":"[]"}"#),
        (
            "private members that are null",
            r#"{"keys":[{"kid":"a","d":null}]}"#,
            r#"{"keys":[{"kid":"a","d":null},OWN]}"#,
        ),
        (
            "a private part",
            r#"{ "keys": [ {"kty":"EC", "d": "AQAB", "x" : "AA"} , {"kid": "b"} ], "y": 1 }"#,
            r#"{ "keys": [{"kty":"EC","x":"AA"},{"kid": "b"},OWN], "y": 1 }"#,
        ),
        ("a private part, escaped", r#"{"keys":[{"kty":"EC","\u0064":"AQAB"}]}"#, r#"{"keys":[{"kty":"EC"},OWN]}"#),
        ("a private part, twice", r#"{"keys":[{"d":"AQAB","d":null,"x":1}]}"#, r#"{"keys":[{"d":null,"x":1},OWN]}"#),
        ("a shared secret", r#"{"keys":[{"kty":"oct","k":"AQAB"},{"kid":"b"}]}"#, r#"{"keys":[{"kid":"b"},OWN]}"#),
        ("a shared secret only", r#"{"keys":[{"kty":"oct","k":"AQAB"}]}"#, r#"{"keys":[OWN]}"#),
    ];
    for (name, text, expected) in cases {
        let set = KeySet::parse(text.as_bytes()).unwrap();
        assert_eq!(set.published_with([&own].into_iter()), expected.replace("OWN", &own.to_string()), "{name}");
        let alone = expected.replace(",OWN", "").replace("OWN", "");
        assert_eq!(set.published_with(std::iter::empty()), alone, "{name}, without keys of Cambio");
    }
}

#[test]
fn kids_of_the_set() {
    let key = jwk(KeyKind::P256);
    let encryption = json!({"kty": "RSA", "use": "enc", "alg": "RSA-OAEP", "kid": "e", "n": "AQAB", "e": "AQAB"});
    let leaked = json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "AQAB", "kid": "p"});
    let shared = json!({"kty": "oct", "k": "AQAB", "kid": "s"});
    let set = parse(&[key.clone(), encryption, leaked, shared]).unwrap();
    let kid = key["kid"].as_str().unwrap();
    for (kid, contained, published) in
        [(kid, true, true), ("e", false, true), ("p", false, true), ("s", false, false), ("", false, false)]
    {
        assert_eq!((set.contains(kid), set.publishes(kid)), (contained, published), "{kid}");
    }
}

#[test]
fn what_is_left_out_is_said_in_one_line() {
    let long = "k".repeat(500);
    let set = parse(&[
        json!({"kty": "EC", "crv": "P-521", "kid": "one"}),
        Value::Null,
        json!({"kty": "RSA", "kid": "\n\"", "n": "AA=="}),
        json!({"kty": long, "kid": long, "d": null}),
    ])
    .unwrap();
    let cut = "k".repeat(64);
    let expected = format!(
        "key 1 \"one\": crv \"P-521\" is not supported; key 2: it is no JSON object; \
         key 3 \"\\n\\\"\": n is no base64url without padding; key 4 \"{cut}\": kty \"{cut}\" is not supported"
    );
    assert_eq!(set.left_out_summary(), expected);
    let error = set.check_usable().unwrap_err().to_string();
    assert_eq!(error, format!("the key set has no usable signing key: {expected}"));
    let many = parse(&vec![Value::Null; 1000]).unwrap().left_out_summary();
    assert!(many.ends_with("key 16: it is no JSON object; and 984 more"), "{many}");
}

#[test]
fn keys_that_may_have_signed() {
    let (one, two, ec) = (jwk(KeyKind::Ed25519), jwk(KeyKind::Ed25519), jwk(KeyKind::P256));
    let kid = |key: &Value| key["kid"].as_str().unwrap().to_owned();
    let set = parse(&[one.clone(), two.clone(), ec.clone()]).unwrap();
    let found = |kid: Option<&str>, algorithm| -> Vec<String> {
        set.fitting(kid, algorithm).map(|key| key.kid.clone().unwrap()).collect()
    };
    assert_eq!(found(Some(&kid(&two)), Algorithm::EdDSA), [kid(&two)]);
    assert!(found(Some(&kid(&two)), Algorithm::ES256).is_empty(), "the key is of another type");
    assert!(found(Some("other"), Algorithm::EdDSA).is_empty());
    assert!(found(Some(""), Algorithm::ES256).is_empty(), "an empty kid is a kid");
    assert_eq!(found(None, Algorithm::EdDSA), [kid(&one), kid(&two)], "both are tried");
    assert_eq!(found(None, Algorithm::ES256), [kid(&ec)]);
    let stated = parse(&[jwk(KeyKind::Rsa)]).unwrap();
    assert_eq!(stated.fitting(None, Algorithm::RS256).count(), 1);
    assert_eq!(stated.fitting(None, Algorithm::PS256).count(), 0, "alg other than the token's");
    let nameless = parse(&[without(&one, "kid")]).unwrap();
    assert_eq!(nameless.fitting(None, Algorithm::EdDSA).count(), 1);
    assert_eq!(nameless.fitting(Some(&kid(&one)), Algorithm::EdDSA).count(), 0);
    let many: Vec<_> = (0..20).map(|_| jwk(KeyKind::Ed25519)).collect();
    assert_eq!(parse(&many).unwrap().fitting(None, Algorithm::EdDSA).count(), MAX_TRIES);
}
