//! Which sets and keys are admitted, row by row.

mod admission;
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
