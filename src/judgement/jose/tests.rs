//! Tokens made here and held against every check.

mod remembered;
mod signatures;

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::judgement::issue::key::{KeyKind, SigningKey, generate};
use crate::judgement::jose::jws::{self, JwsError, MAX_TOKEN_BYTES};
use crate::judgement::jose::keys::{KeySet, MAX_TRIES};
use crate::judgement::jose::verify::{Expectations, TokenError, peek, verify};
use crate::words::oauth::json;
use crate::words::secret::Secret;

pub(crate) const ISSUER: &str = "https://sso.example.org/realms/corp";
pub(crate) const NOW: i64 = 1_800_000_000;
const ALGORITHMS: &[Algorithm] =
    &[Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA, Algorithm::HS256];

/// One key of each type, and the set of their public halves.
pub(crate) struct Issuer {
    pems: Vec<(Secret, SigningKey)>,
    pub(crate) keys: KeySet,
}

pub(crate) static CORP: LazyLock<Issuer> = LazyLock::new(|| {
    let pems: Vec<_> = [KeyKind::Rsa, KeyKind::P256, KeyKind::P384, KeyKind::Ed25519]
        .map(|kind| {
            let pem = generate(kind).unwrap();
            let key = SigningKey::from_pem(pem.expose().as_bytes()).unwrap();
            (pem, key)
        })
        .into();
    // Keycloak's keys state an alg; without one, PS256 may be tried with the same RSA key.
    let jwks: Vec<_> = pems
        .iter()
        .map(|(_, key)| {
            let mut jwk = key.jwk().clone();
            jwk.as_object_mut().unwrap().remove("alg");
            jwk
        })
        .collect();
    let keys = KeySet::parse(json!({ "keys": jwks }).to_string().as_bytes()).unwrap();
    Issuer { pems, keys }
});

fn kid(index: usize) -> &'static str {
    CORP.pems[index].1.kid()
}

pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "alice", "aud": ["front-end-app", "account"], "azp": "front-end-app", "typ": "Bearer",
        "exp": NOW + 60, "iat": NOW - 60, "realm_access": {"roles": ["a"]},
    })
}

pub(crate) fn header() -> Value {
    json!({"alg": "RS256", "typ": "JWT", "kid": kid(0)})
}

pub(crate) fn with(value: Value, name: &str, member: Value) -> Value {
    let mut value = value;
    value[name] = member;
    value
}

pub(crate) fn without(value: Value, name: &str) -> Value {
    let mut value = value;
    value.as_object_mut().unwrap().remove(name);
    value
}

/// Signs any text as header and claims, with the key and algorithm given, whatever the header says.
fn sign(header: &str, claims: &str, index: usize, algorithm: Algorithm) -> String {
    let pem = CORP.pems[index].0.expose().as_bytes();
    let key = match index {
        0 => EncodingKey::from_rsa_pem(pem),
        3 => EncodingKey::from_ed_pem(pem),
        _ => EncodingKey::from_ec_pem(pem),
    };
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key.unwrap(), algorithm).unwrap();
    format!("{message}.{signature}")
}

pub(crate) fn rs256(header: &Value, claims: &Value) -> String {
    sign(&header.to_string(), &claims.to_string(), 0, Algorithm::RS256)
}

#[test]
fn a_shared_secret_and_a_key_are_never_taken_for_each_other() {
    let secret = Secret::new("0123456789abcdef0123456789abcdef");
    let made = |algorithm: Algorithm, key: &[u8]| {
        let header = json!({"alg": format!("{algorithm:?}")}).to_string();
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims().to_string()));
        let key = EncodingKey::from_secret(key);
        let code = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).unwrap();
        format!("{message}.{code}")
    };
    let hmac = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
    let check = |token: &str, algorithms: &[Algorithm]| {
        let expect = Expectations { issuer: ISSUER, algorithms, leeway: SignedDuration::ZERO };
        peek(token)
            .and_then(|token| token.verify_shared(&secret, &expect, now()))
            .map(|token| token.subject().to_owned())
    };
    for algorithm in hmac {
        let right = made(algorithm, secret.expose().as_bytes());
        assert_eq!(check(&right, &hmac), Ok("alice".to_owned()), "{algorithm:?}");
        assert_eq!(check(&right, &[Algorithm::RS256]), Err(TokenError::AlgorithmNotAllowed), "{algorithm:?}");
        assert_eq!(check(&made(algorithm, b"another"), &hmac), Err(JwsError::Signature.into()), "{algorithm:?}");
        let (message, code) = right.rsplit_once('.').unwrap();
        for (name, code) in [("none", ""), ("half", &code[..20]), ("no base64", "***")] {
            let cut = format!("{message}.{code}");
            assert_eq!(check(&cut, &hmac), Err(JwsError::Signature.into()), "{algorithm:?}, {name}");
        }
        // However the algorithms are configured, a key set takes no code, and a secret no signature.
        assert_eq!(outcome(&right, &hmac), Err(TokenError::KeyUnknown), "{algorithm:?}");
    }
    assert_eq!(check(&rs256(&header(), &claims()), ALGORITHMS), Err(JwsError::KeyMismatch.into()));
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn outcome(token: &str, algorithms: &[Algorithm]) -> Result<String, TokenError> {
    let expect = Expectations { issuer: ISSUER, algorithms, leeway: SignedDuration::from_secs(10) };
    verify(&Secret::new(token), &CORP.keys, &expect, now()).map(|token| token.subject().to_owned())
}

#[test]
fn every_algorithm_verifies_with_its_key() {
    let cases = [
        ("RS256", 0, Algorithm::RS256),
        ("PS256", 0, Algorithm::PS256),
        ("ES256", 1, Algorithm::ES256),
        ("ES384", 2, Algorithm::ES384),
        ("EdDSA", 3, Algorithm::EdDSA),
        ("Ed25519", 3, Algorithm::EdDSA),
    ];
    for (name, index, algorithm) in cases {
        let header = json!({"alg": name, "kid": kid(index)}).to_string();
        let token = sign(&header, &claims().to_string(), index, algorithm);
        assert_eq!(outcome(&token, ALGORITHMS), Ok("alice".to_owned()), "{name}");
        let others: Vec<_> = ALGORITHMS.iter().copied().filter(|other| *other != algorithm).collect();
        assert_eq!(outcome(&token, &others), Err(TokenError::AlgorithmNotAllowed), "{name} not listed");
        assert_eq!(outcome(&token, &[]), Err(TokenError::AlgorithmNotAllowed), "{name}, empty list");
        let own = CORP.pems[index].1.sign(claims().as_object().unwrap(), "JWT").unwrap();
        assert_eq!(outcome(&own, ALGORITHMS), Ok("alice".to_owned()), "{name} by SigningKey");
    }
}

fn not_yet(claim: &'static str, seconds: i64) -> TokenError {
    TokenError::NotYetValid { claim, seconds }
}

#[test]
fn what_the_library_lets_through_is_refused() {
    let critical = Err(TokenError::Jws(JwsError::Critical));
    let embedded = with(header(), "jwk", CORP.pems[1].1.jwk().clone());
    let cases = [
        ("nothing wrong", header(), claims(), Ok("alice".to_owned())),
        ("unknown crit", with(header(), "crit", json!(["x"])), claims(), critical.clone()),
        ("empty crit", with(header(), "crit", json!([])), claims(), critical.clone()),
        ("crit null", with(header(), "crit", Value::Null), claims(), critical.clone()),
        ("crit b64", with(with(header(), "crit", json!(["b64"])), "b64", json!(false)), claims(), critical.clone()),
        ("b64 alone", with(header(), "b64", json!(true)), claims(), critical),
        ("iss missing", header(), without(claims(), "iss"), Err(TokenError::ClaimMissing("iss"))),
        ("iss of another", header(), with(claims(), "iss", json!("https://other")), Err(TokenError::Issuer)),
        (
            "iss with a slash more",
            header(),
            with(claims(), "iss", json!(format!("{ISSUER}/"))),
            Err(TokenError::Issuer),
        ),
        (
            "iss a list",
            header(),
            with(claims(), "iss", json!([ISSUER])),
            Err(TokenError::ClaimType(crate::judgement::jose::claims::WrongType("iss"))),
        ),
        ("sub missing", header(), without(claims(), "sub"), Err(TokenError::ClaimMissing("sub"))),
        ("sub empty", header(), with(claims(), "sub", json!("")), Err(TokenError::ClaimMissing("sub"))),
        ("exp missing", header(), without(claims(), "exp"), Err(TokenError::ClaimMissing("exp"))),
        (
            "exp a text",
            header(),
            with(claims(), "exp", json!("4102444800")),
            Err(TokenError::ClaimType(crate::judgement::jose::claims::WrongType("exp"))),
        ),
        ("exp 50 s ago", header(), with(claims(), "exp", json!(NOW - 50)), Err(TokenError::Expired(50))),
        ("exp at the leeway", header(), with(claims(), "exp", json!(NOW - 10)), Err(TokenError::Expired(10))),
        ("exp within the leeway", header(), with(claims(), "exp", json!(NOW - 9)), Ok("alice".to_owned())),
        (
            "nbf in 2096",
            header(),
            with(claims(), "nbf", json!(3_976_214_400_u64)),
            Err(not_yet("nbf", 3_976_214_400 - NOW)),
        ),
        ("nbf within the leeway", header(), with(claims(), "nbf", json!(NOW + 10)), Ok("alice".to_owned())),
        ("nbf beyond the leeway", header(), with(claims(), "nbf", json!(NOW + 11)), Err(not_yet("nbf", 11))),
        ("iat beyond the leeway", header(), with(claims(), "iat", json!(NOW + 11)), Err(not_yet("iat", 11))),
        ("iat missing", header(), without(claims(), "iat"), Ok("alice".to_owned())),
        ("kid unknown", with(header(), "kid", json!("other")), claims(), Err(TokenError::KeyUnknown)),
        ("kid of a key of another type", with(header(), "kid", json!(kid(1))), claims(), Err(TokenError::KeyUnknown)),
        ("kid a number", with(header(), "kid", json!(1)), claims(), Err(TokenError::Jws(JwsError::Malformed))),
        ("kid missing, one RSA key", without(header(), "kid"), claims(), Ok("alice".to_owned())),
        ("embedded key is not looked at", embedded, claims(), Ok("alice".to_owned())),
        ("jku is not looked at", with(header(), "jku", json!("http://127.0.0.1:1/")), claims(), Ok("alice".to_owned())),
        ("x5u is not looked at", with(header(), "x5u", json!("http://127.0.0.1:1/")), claims(), Ok("alice".to_owned())),
        ("alg missing", without(header(), "alg"), claims(), Err(TokenError::Jws(JwsError::Algorithm))),
        ("alg unknown", with(header(), "alg", json!("RS257")), claims(), Err(TokenError::Jws(JwsError::Algorithm))),
        (
            "alg of another padding",
            with(header(), "alg", json!("PS256")),
            claims(),
            Err(TokenError::Jws(JwsError::Signature)),
        ),
    ];
    for (name, header, claims, expected) in cases {
        assert_eq!(outcome(&rs256(&header, &claims), ALGORITHMS), expected, "{name}");
    }
}

#[test]
fn repeated_members_are_refused() {
    let text = claims().to_string();
    let twice = text.replacen('{', r#"{"realm_access":{"roles":["administrator"]},"#, 1);
    let inner = text.replacen(r#""roles":"#, r#""roles":["administrator"],"roles":"#, 1);
    let escaped = text.replacen('{', r#"{"\u0072ealm_access":{},"#, 1);
    let again = header().to_string().replacen('{', r#"{"kid":"x","#, 1);
    let algorithm = header().to_string().replacen('{', r#"{"alg":"none","#, 1);
    let subject = text.replacen('{', r#"{"sub":"admin","#, 1);
    let unknown = header().to_string().replacen('{', r#"{"x":1,"x":2,"#, 1);
    let header = header().to_string();
    for (name, header, claims) in [
        ("a claim twice", header.as_str(), twice.as_str()),
        ("a member of a claim twice", &header, &inner),
        ("a claim twice, once escaped", &header, &escaped),
        ("sub twice", &header, &subject),
        ("alg twice", &algorithm, &text),
        ("kid twice", &again, &text),
        ("an unknown header member twice", &unknown, &text),
    ] {
        assert_eq!(
            outcome(&sign(header, claims, 0, Algorithm::RS256), ALGORITHMS),
            Err(TokenError::Jws(JwsError::Repeated)),
            "{name}"
        );
    }
}

#[test]
fn forgeries_are_refused() {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let good = rs256(&header(), &claims());
    let signature = good.rsplit_once('.').unwrap().1;
    // The public key as the secret of a MAC, the oldest of all tricks: the same bytes that anyone can fetch.
    let mac = with(header(), "alg", json!("HS256"));
    let message = format!("{}.{}", encode(&mac), encode(&claims()));
    let secret = EncodingKey::from_secret(CORP.pems[0].1.jwk()["n"].as_str().unwrap().as_bytes());
    let mac =
        format!("{message}.{}", jsonwebtoken::crypto::sign(message.as_bytes(), &secret, Algorithm::HS256).unwrap());
    let none = encode(&with(header(), "alg", json!("none")));
    let by_own_key = sign(
        &json!({"alg": "ES256", "kid": kid(0), "jwk": CORP.pems[1].1.jwk()}).to_string(),
        &claims().to_string(),
        1,
        Algorithm::ES256,
    );
    let admin = encode(&with(claims(), "sub", json!("admin")));
    let malformed = TokenError::Jws(JwsError::Malformed);
    let large = rs256(&header(), &with(claims(), "x", json!("x".repeat(MAX_TOKEN_BYTES))));
    let bytes = large.len();
    let cases = [
        ("HS256 with the public key", mac, TokenError::KeyUnknown),
        ("alg none, no signature", format!("{none}.{}.", encode(&claims())), TokenError::Jws(JwsError::Algorithm)),
        (
            "alg none, a signature",
            format!("{none}.{}.{signature}", encode(&claims())),
            TokenError::Jws(JwsError::Algorithm),
        ),
        (
            "signature left out",
            format!("{}.{}.", encode(&header()), encode(&claims())),
            TokenError::Jws(JwsError::Signature),
        ),
        ("embedded key, kid of another", by_own_key, TokenError::KeyUnknown),
        ("other claims", format!("{}.{admin}.{signature}", encode(&header())), TokenError::Jws(JwsError::Signature)),
        ("padded", format!("{good}="), TokenError::Jws(JwsError::Signature)),
        ("a space behind", format!("{good} "), TokenError::Jws(JwsError::Signature)),
        ("a space before", format!(" {good}"), malformed),
        ("a fourth part", format!("{good}.x"), malformed),
        ("two parts", encode(&header()), malformed),
        ("nothing", String::new(), malformed),
        ("five parts (JWE)", "a.b.c.d.e".to_owned(), malformed),
        ("JSON serialisation", json!({"payload": "", "signatures": []}).to_string(), malformed),
        ("header a list", format!("{}.{}.{signature}", encode(&json!([])), encode(&claims())), malformed),
        ("claims a text", rs256(&header(), &json!("x")), malformed),
        ("too long", large, TokenError::Jws(JwsError::TooLong { bytes, limit: MAX_TOKEN_BYTES })),
    ];
    for (name, token, expected) in cases {
        assert_eq!(outcome(&token, ALGORITHMS), Err(expected), "{name}");
    }
}

#[test]
fn a_token_without_kid_is_tried_with_the_keys_that_fit() {
    let pems: Vec<_> = (0..12).map(|_| generate(KeyKind::Ed25519).unwrap()).collect();
    let jwk = |pem: &Secret| SigningKey::from_pem(pem.expose().as_bytes()).unwrap().jwk().clone();
    let jwks: Vec<_> = pems.iter().map(|pem| without(jwk(pem), "kid")).collect();
    let set = KeySet::parse(json!({ "keys": jwks }).to_string().as_bytes()).unwrap();
    let only_p256 = json!({ "keys": [CORP.pems[1].1.jwk()] }).to_string();
    let only_p256 = KeySet::parse(only_p256.as_bytes()).unwrap();
    let expect = Expectations { issuer: ISSUER, algorithms: ALGORITHMS, leeway: SignedDuration::ZERO };
    let message =
        [r#"{"alg":"EdDSA"}"#.to_owned(), claims().to_string()].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    for (at, pem) in pems.iter().enumerate() {
        let key = EncodingKey::from_ed_pem(pem.expose().as_bytes()).unwrap();
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::EdDSA).unwrap();
        let token = format!("{message}.{signature}");
        let peeked = peek(&token).unwrap();
        let is_tried = at < MAX_TRIES;
        assert_eq!(peeked.lacks_its_key(&set, ALGORITHMS), !is_tried, "{at}");
        assert!(!peeked.lacks_its_key(&set, &[Algorithm::RS256]), "{at}: not for an algorithm that is not allowed");
        assert!(peeked.lacks_its_key(&only_p256, ALGORITHMS), "{at}: no key fits");
        let outcome = peeked.verify(&set, &expect, now()).map(|_| ());
        assert_eq!(outcome, if is_tried { Ok(()) } else { Err(JwsError::Signature.into()) }, "{at}");
    }
    let named = CORP.pems[3].1.sign(claims().as_object().unwrap(), "JWT").unwrap();
    assert!(!peek(&named).unwrap().lacks_its_key(&set, ALGORITHMS), "its kid is unknown, so keys were fetched for it");
}

#[test]
fn a_login_waits_for_published_keys_only() {
    let token = |header: &str| format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(header));
    for (name, token, kid) in [
        ("RS256", token(r#"{"alg":"RS256","kid":"a"}"#), Some("a")),
        ("an algorithm that Cambio does not verify", token(r#"{"alg":"ES512","kid":"a"}"#), Some("a")),
        ("an extension that Cambio does not know", token(r#"{"alg":"RS256","kid":"a","crit":["x"]}"#), Some("a")),
        ("HS256", token(r#"{"alg":"HS256","kid":"a"}"#), None),
        ("HS512", token(r#"{"alg":"HS512","kid":"a"}"#), None),
        ("none", token(r#"{"alg":"none","kid":"a"}"#), None),
        ("no kid", token(r#"{"alg":"RS256"}"#), None),
        ("a kid that is no text", token(r#"{"alg":"RS256","kid":1}"#), None),
        ("no alg", token(r#"{"kid":"a"}"#), None),
        ("encrypted", format!("{}.AA", token(r#"{"alg":"RSA-OAEP","enc":"A128GCM","kid":"a"}"#)), None),
        ("opaque", "abc".to_owned(), None),
        ("opaque with dots", "a.b.c".to_owned(), None),
    ] {
        assert_eq!(jws::kid_of_public_key(&token).as_deref(), kid, "{name}");
    }
}

/// `verify` never gets so far, because a key is only found for an algorithm that it fits. This is the second lock.
#[test]
fn a_key_that_does_not_fit_verifies_nothing() {
    let token = rs256(&header(), &claims());
    let other = CORP.keys.fitting(Some(kid(1)), Algorithm::ES256).next().unwrap();
    assert_eq!(jws::UnverifiedJws::read(&token).unwrap().verify(other), Err(JwsError::KeyMismatch));
}

#[test]
fn an_empty_shared_secret_is_nobodys() {
    let message = ["eyJhbGciOiJIUzI1NiJ9".to_owned(), URL_SAFE_NO_PAD.encode(claims().to_string())].join(".");
    let expect = Expectations { issuer: ISSUER, algorithms: &[Algorithm::HS256], leeway: SignedDuration::ZERO };
    let outcome = |secret: &str| {
        let key = EncodingKey::from_secret(secret.as_bytes());
        let code = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
        let token = Secret::new(format!("{message}.{code}"));
        peek(token.expose()).and_then(|token| token.verify_shared(&Secret::new(secret), &expect, now())).map(|_| ())
    };
    assert_eq!(outcome("s3cret"), Ok(()));
    assert_eq!(outcome(""), Err(TokenError::Jws(JwsError::KeyMismatch)));
}

#[test]
fn peek_reads_who_could_verify_it() {
    let seen = peek(&rs256(&header(), &claims())).unwrap();
    assert_eq!((seen.issuer(), seen.kid(), seen.algorithm()), (ISSUER, Some(kid(0)), Algorithm::RS256));
    assert!(!format!("{seen:?}").contains("alice"));
    let refused = |token: &str| peek(token).unwrap_err();
    assert_eq!(refused(&rs256(&header(), &without(claims(), "iss"))), TokenError::ClaimMissing("iss"));
    assert_eq!(refused("garbage"), TokenError::Jws(JwsError::Malformed));
}

#[test]
fn debug_and_errors_show_no_claim() {
    let token = rs256(&header(), &claims());
    let expect = Expectations { issuer: ISSUER, algorithms: ALGORITHMS, leeway: SignedDuration::ZERO };
    let verified = verify(&Secret::new(token), &CORP.keys, &expect, now()).unwrap();
    let debug = format!("{verified:?}");
    assert!(!debug.contains("alice") && !debug.contains("roles"), "{debug}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_single_changed_byte_verifies(at in any::<prop::sample::Index>(), byte in 0_u8..128, index in 0_usize..4) {
        static TOKENS: LazyLock<Vec<String>> = LazyLock::new(|| {
            CORP.pems.iter().map(|(_, key)| key.sign(claims().as_object().unwrap(), "JWT").unwrap()).collect()
        });
        let mut bytes = TOKENS[index].clone().into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        let changed = String::from_utf8(bytes).unwrap();
        prop_assert!(outcome(&changed, ALGORITHMS).is_err());
    }

    #[test]
    fn no_text_makes_it_panic(text in ".*", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(outcome(&text, ALGORITHMS).is_err());
        let part = URL_SAFE_NO_PAD.encode(&bytes);
        let token = [part.as_str(); 3].join(".");
        prop_assert!(outcome(&token, ALGORITHMS).is_err());
        let _ = json::object(&bytes);
        let _ = KeySet::parse(&bytes);
    }

    #[test]
    fn what_is_signed_is_what_is_read(sub in "[^\"\\\\]{1,40}", extra in prop::collection::btree_map("[a-z]{5,9}", any::<i64>(), 0..8)) {
        let mut claims = claims();
        claims["sub"] = json!(sub);
        for (name, value) in extra {
            claims[name] = json!(value);
        }
        let token = CORP.pems[3].1.sign(claims.as_object().unwrap(), "JWT").unwrap();
        let expect = Expectations { issuer: ISSUER, algorithms: ALGORITHMS, leeway: SignedDuration::ZERO };
        let verified = verify(&Secret::new(token), &CORP.keys, &expect, now()).unwrap();
        prop_assert_eq!(verified.claims(), claims.as_object().unwrap());
        prop_assert_eq!(verified.subject(), sub);
    }
}
