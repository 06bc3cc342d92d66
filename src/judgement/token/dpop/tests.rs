//! Proofs made here, and the one of the RFC, held against every check.

use std::sync::LazyLock;

use http::HeaderValue;
use jsonwebtoken::EncodingKey;
use serde_json::json;

use super::nonce::NonceKey;
use super::*;
use crate::judgement::issue::key::{KeyKind, SigningKey, generate};

const NOW: i64 = 1_800_000_000;
const URL: &str = "https://sso.example.org/realms/corp/protocol/openid-connect/token";
const ALGORITHMS: &[Algorithm] = &[Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA, Algorithm::PS256];

/// RFC 9449 section 4.2.
const RFC: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
/// RFC 9449 section 7.1, and the access token that it goes with.
const RFC_RESOURCE: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
const RFC_TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
/// RFC 9449 section 6.1.
const RFC_JKT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

/// A key of the caller.
struct Holder {
    pem: Secret,
    jwk: Value,
    jkt: String,
    algorithm: Algorithm,
}

impl Holder {
    fn new(kind: KeyKind, algorithm: Algorithm) -> Self {
        let pem = generate(kind).unwrap();
        let key = SigningKey::from_pem(pem.expose().as_bytes()).unwrap();
        let mut jwk = key.jwk().clone();
        let members = jwk.as_object_mut().unwrap();
        members.retain(|name, _| !["kid", "alg", "use"].contains(&name.as_str()));
        Self { jwk, jkt: key.kid().to_owned(), pem, algorithm }
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let pem = self.pem.expose().as_bytes();
        let key = match self.algorithm {
            Algorithm::EdDSA => EncodingKey::from_ed_pem(pem),
            Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(pem),
            _ => EncodingKey::from_rsa_pem(pem),
        };
        let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encoded(header), encoded(claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key.unwrap(), self.algorithm);
        format!("{message}.{}", signature.unwrap())
    }

    fn header(&self) -> Value {
        json!({"typ": "dpop+jwt", "alg": format!("{:?}", self.algorithm), "jwk": self.jwk})
    }
}

static CALLER: LazyLock<Holder> = LazyLock::new(|| Holder::new(KeyKind::P256, Algorithm::ES256));

fn claims() -> Value {
    json!({"jti": "a-known-jti", "htm": "POST", "htu": URL, "iat": NOW})
}

fn with(mut value: Value, name: &str, member: impl Into<Value>) -> Value {
    value[name] = member.into();
    value
}

fn without(mut value: Value, name: &str) -> Value {
    value.as_object_mut().unwrap().remove(name);
    value
}

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn rules() -> DpopRules<'static> {
    DpopRules {
        algorithms: ALGORITHMS,
        window: SignedDuration::from_secs(60),
        leeway: SignedDuration::from_secs(10),
        nonces: None,
    }
}

fn checked(proof: &str, place: ProofTarget, rules: &DpopRules<'_>) -> Result<UnspentProof, DpopError> {
    let (url, token) = (Htu::parse(URL).unwrap(), Secret::new("the-token"));
    check(proof, &ProofRequest { method: &Method::POST, urls: &[url], token: &token, place }, rules, now())
}

#[test]
fn every_claim_and_header_is_checked() {
    let caller = &*CALLER;
    let header = || caller.header();
    let ath = |token: &str| URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()));
    let jwk = |name: &str, value: &str| with(header(), "jwk", with(caller.jwk.clone(), name, value));
    let long = "j".repeat(MAX_JTI_BYTES + 1);
    let claim = |name: &str, value: Value| (header(), with(claims(), name, value));
    let lacks = |name: &str| (header(), without(claims(), name));
    let wrong_type = |name| Some(DpopError::ClaimType(WrongType(name)));
    let jws = |error| Some(DpopError::Jws(error));
    for (name, (header, claims), expected) in [
        ("as it should be", (header(), claims()), None),
        ("more claims", claim("exp", json!(1)), None),
        ("a nonce that nobody asked for", claim("nonce", json!("x")), None),
        ("typ with application/", (with(header(), "typ", "application/DPoP+jwt"), claims()), None),
        ("typ JWT", (with(header(), "typ", "JWT"), claims()), Some(DpopError::Type)),
        ("no typ", (without(header(), "typ"), claims()), Some(DpopError::Type)),
        ("alg none", (with(header(), "alg", "none"), claims()), jws(JwsError::Algorithm)),
        ("alg HS256", (with(header(), "alg", "HS256"), claims()), Some(DpopError::Algorithm)),
        ("an alg off the list", (with(header(), "alg", "RS256"), claims()), Some(DpopError::Algorithm)),
        ("another alg than the key's", (with(header(), "alg", "ES384"), claims()), jws(JwsError::KeyMismatch)),
        ("crit", (with(header(), "crit", json!(["jwk"])), claims()), jws(JwsError::Critical)),
        ("no jwk", (without(header(), "jwk"), claims()), jws(JwsError::KeyMissing)),
        ("jwk a text", (with(header(), "jwk", "x"), claims()), jws(JwsError::KeyMissing)),
        (
            "kid instead",
            (with(without(header(), "jwk"), "kid", caller.jkt.as_str()), claims()),
            jws(JwsError::KeyMissing),
        ),
        ("a private jwk", (jwk("d", "AAAA"), claims()), Some(DpopError::Key)),
        (
            "a symmetric jwk",
            (with(header(), "jwk", json!({"kty": "oct", "k": "AAAA"})), claims()),
            Some(DpopError::Key),
        ),
        ("a jwk for encryption", (jwk("use", "enc"), claims()), Some(DpopError::Key)),
        ("a point off the curve", (jwk("x", &"A".repeat(43)), claims()), Some(DpopError::Key)),
        ("no jti", lacks("jti"), Some(DpopError::Claim("jti"))),
        ("an empty jti", claim("jti", json!("")), Some(DpopError::Claim("jti"))),
        ("a jti that is a number", claim("jti", json!(1)), wrong_type("jti")),
        ("a long jti", claim("jti", json!(long)), Some(DpopError::Claim("jti"))),
        ("no htm", lacks("htm"), Some(DpopError::Claim("htm"))),
        ("another method", claim("htm", json!("GET")), Some(DpopError::Method)),
        ("the method in small letters", claim("htm", json!("post")), Some(DpopError::Method)),
        ("no htu", lacks("htu"), Some(DpopError::Claim("htu"))),
        ("htu with a query", claim("htu", json!(format!("{URL}?a=b#c"))), None),
        (
            "htu in capitals, with a port",
            claim("htu", json!(URL.replace("sso.example.org", "SSO.example.org:443"))),
            None,
        ),
        ("htu of another realm", claim("htu", json!(URL.replace("corp", "partner"))), Some(DpopError::Url)),
        ("htu of another host", claim("htu", json!(URL.replace("sso", "idp"))), Some(DpopError::Url)),
        ("htu of http", claim("htu", json!(URL.replace("https", "http"))), Some(DpopError::Url)),
        ("htu a path", claim("htu", json!("/realms/corp/protocol/openid-connect/token")), Some(DpopError::Url)),
        ("no iat", lacks("iat"), Some(DpopError::Claim("iat"))),
        ("iat a text", claim("iat", json!("1800000000")), wrong_type("iat")),
        ("iat at the end of the window", claim("iat", json!(NOW - 60)), None),
        ("iat before the window", claim("iat", json!(NOW - 61)), Some(DpopError::Old)),
        ("iat long ago", claim("iat", json!(-300_000_000_000_i64)), Some(DpopError::Old)),
        ("iat within the leeway", claim("iat", json!(NOW + 10)), None),
        ("iat in the future", claim("iat", json!(NOW + 11)), Some(DpopError::Early)),
        ("iat at the end of time", claim("iat", json!(253_402_207_200_i64)), Some(DpopError::Early)),
        ("ath of the token", claim("ath", json!(ath("the-token"))), None),
        ("ath of another token", claim("ath", json!(ath("another"))), Some(DpopError::TokenHash)),
        ("ath that is a list", claim("ath", json!([])), wrong_type("ath")),
    ] {
        let proof = caller.sign(&header, &claims);
        assert_eq!(checked(&proof, ProofTarget::TokenEndpoint, &rules()).err(), expected, "{name}");
    }
}

#[test]
fn each_algorithm_with_its_key() {
    for (kind, algorithm) in [
        (KeyKind::P256, Algorithm::ES256),
        (KeyKind::P384, Algorithm::ES384),
        (KeyKind::Ed25519, Algorithm::EdDSA),
        (KeyKind::Rsa, Algorithm::PS256),
    ] {
        let holder = Holder::new(kind, algorithm);
        let proof = checked(&holder.sign(&holder.header(), &claims()), ProofTarget::TokenEndpoint, &rules());
        assert_eq!(proof.unwrap().spent(true).unwrap().jkt(), holder.jkt, "{algorithm:?}");
    }
}

#[test]
fn the_form_and_the_signature() {
    let proof = CALLER.sign(&CALLER.header(), &claims());
    let (message, signature) = proof.rsplit_once('.').unwrap();
    let other = Holder::new(KeyKind::P256, Algorithm::ES256).sign(&CALLER.header(), &claims());
    let moved = format!("{message}.{}", other.rsplit_once('.').unwrap().1);
    let malformed = Some(DpopError::Jws(JwsError::Malformed));
    for (name, text, expected) in [
        ("two parts", message, malformed),
        ("four parts", &format!("{proof}.{signature}"), malformed),
        ("two in one line", &format!("{proof}, {proof}"), malformed),
        ("nothing", "", malformed),
        ("signed by another key", &other, Some(DpopError::Jws(JwsError::Signature))),
        ("another proof's signature", &moved, Some(DpopError::Jws(JwsError::Signature))),
        ("no signature", &format!("{message}."), Some(DpopError::Jws(JwsError::Signature))),
    ] {
        assert_eq!(checked(text, ProofTarget::TokenEndpoint, &rules()).err(), expected, "{name}");
    }
}

#[test]
fn a_resource_wants_the_hash_of_its_token() {
    let ath = URL_SAFE_NO_PAD.encode(digest(&SHA256, b"the-token"));
    let right = CALLER.sign(&CALLER.header(), &with(claims(), "ath", ath));
    assert!(checked(&right, ProofTarget::Resource, &rules()).is_ok());
    let bare = CALLER.sign(&CALLER.header(), &claims());
    assert_eq!(checked(&bare, ProofTarget::Resource, &rules()).err(), Some(DpopError::Claim("ath")));
}

#[test]
fn the_rfcs_proofs() {
    let rules = DpopRules { algorithms: &[Algorithm::ES256], ..rules() };
    let token = Secret::new(RFC_TOKEN);
    for (proof, method, url, place, iat) in [
        (RFC, Method::POST, "https://server.example.com/token", ProofTarget::TokenEndpoint, 1_562_262_616),
        (
            RFC_RESOURCE,
            Method::GET,
            "https://resource.example.org/protectedresource",
            ProofTarget::Resource,
            1_562_262_618,
        ),
    ] {
        let (url, now) = (Htu::parse(url).unwrap(), Timestamp::from_second(iat).unwrap());
        let asked = ProofRequest { method: &method, urls: &[url], token: &token, place };
        let proof = check(proof, &asked, &rules, now).unwrap();
        assert_eq!(proof.until().as_second(), iat + 61);
        assert_eq!(proof.spent(true).unwrap().jkt(), RFC_JKT);
    }
}

#[test]
fn a_nonce_where_one_is_demanded() {
    let key = NonceKey::new(&[7; 32]).unwrap();
    let rules = DpopRules { nonces: Some(key.of("corp")), ..rules() };
    let old = now() - SignedDuration::from_secs(61);
    for (name, nonce, expected) in [
        ("fresh", json!(key.of("corp").fresh(now())), None),
        ("none", Value::Null, Some(DpopError::Nonce)),
        ("old", json!(key.of("corp").fresh(old)), Some(DpopError::Nonce)),
        ("another realm's", json!(key.of("partner").fresh(now())), Some(DpopError::Nonce)),
        ("made up", json!("nonce"), Some(DpopError::Nonce)),
        ("a number", json!(1), Some(DpopError::ClaimType(WrongType("nonce")))),
    ] {
        let claims = match nonce {
            Value::Null => claims(),
            nonce => with(claims(), "nonce", nonce),
        };
        let proof = CALLER.sign(&CALLER.header(), &claims);
        assert_eq!(checked(&proof, ProofTarget::TokenEndpoint, &rules).err(), expected, "{name}");
    }
    // What is wrong with a proof besides is told first: a nonce would not mend it.
    let wrong = CALLER.sign(&CALLER.header(), &with(claims(), "htm", "GET"));
    assert_eq!(checked(&wrong, ProofTarget::TokenEndpoint, &rules).err(), Some(DpopError::Method));
    assert_eq!(Refusal::from(DpopError::Nonce).reason, Reason::DpopNonceRequired);
    assert_eq!(Refusal::from(DpopError::Method).reason, Reason::DpopProofInvalid);
}

#[test]
fn a_proof_is_good_for_one_use() {
    let proof = CALLER.sign(&CALLER.header(), &claims());
    let unspent = checked(&proof, ProofTarget::TokenEndpoint, &rules()).unwrap();
    assert_eq!(unspent.once(), [CALLER.jkt.as_str(), "a-known-jti"]);
    assert_eq!(unspent.spent(false).err(), Some(DpopError::Replayed));
}

#[test]
fn there_is_one_header_at_most() {
    let headers = |lines: &[&[u8]]| -> HeaderMap {
        lines
            .iter()
            .map(|line| (http::HeaderName::from_static(HEADER), HeaderValue::from_bytes(line).unwrap()))
            .collect()
    };
    let long = "x".repeat(MAX_PROOF_BYTES + 1);
    assert_eq!(header(&headers(&[])), Ok(None));
    assert_eq!(header(&headers(&[b"x"])), Ok(Some("x")));
    assert_eq!(header(&headers(&[b"x", b"x"])), Err(DpopError::Repeated));
    assert_eq!(header(&headers(&[b"\xff"])), Err(DpopError::Header));
    assert_eq!(header(&headers(&[long.as_bytes()])), Err(DpopError::Header));
}
