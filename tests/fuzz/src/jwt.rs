//! Tokens: JWS header and claims.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cambio::judgement::jose::jws::kid_of_public_key;
use cambio::judgement::jose::verify::{Expectations, VerifiedToken, peek};
use cambio::words::oauth::json;
use cambio::words::secret::Secret;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey};

const NOW: i64 = 1_800_000_000;
const SECRET: &str = "the secret of the fuzz target";
const EXPECT: Expectations<'_> = Expectations {
    issuer: "https://sso.example.org/realms/corp",
    algorithms: &[Algorithm::HS256],
    leeway: SignedDuration::from_secs(30),
};

/// The input is a token, and also header and claims with a line break between them, which are signed here. A token without
/// the right signature is never accepted. Of the signed ones, only those are accepted whose header and claims are.
pub fn check(input: &[u8]) {
    if let Ok(token) = std::str::from_utf8(input) {
        if let Ok(unverified) = peek(token) {
            assert_eq!(token.matches('.').count(), 2, "not three parts");
            let (kid, is_shared) = (unverified.kid().map(str::to_owned), is_shared(unverified.algorithm()));
            assert_eq!(kid_of_public_key(token), kid.filter(|_| !is_shared), "two readings of kid");
        }
        assert!(verified(token).is_err(), "nobody signed this token");
    }

    let (header, claims) = super::cut(input, b'\n');
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).expect("a signature");
    let Ok(token) = verified(&format!("{message}.{signature}")) else { return };

    let header = json::object(header).expect("an accepted header is a strict object");
    assert!(header.get("alg").is_some_and(|alg| alg == "HS256"), "another algorithm");
    assert!(!header.contains_key("crit") && !header.contains_key("b64"), "an extension");
    let claims = json::object(claims).expect("accepted claims are a strict object");
    assert_eq!(token.claims(), &claims);
    assert!(claims["iss"] == EXPECT.issuer && claims["sub"] == token.subject() && !token.subject().is_empty());
    let seconds = |name: &str| claims.get(name).and_then(serde_json::Value::as_f64);
    let (now, leeway) = (NOW as f64, 31.0);
    assert!(seconds("exp").expect("exp") > now - leeway, "expired");
    assert!(seconds("nbf").is_none_or(|nbf| nbf < now + leeway), "not yet valid");
    assert!(seconds("iat").is_none_or(|iat| iat < now + leeway), "issued in the future");

    let (before, code) = signature.split_at(20);
    let flipped = if code.starts_with('A') { 'B' } else { 'A' };
    assert!(verified(&format!("{message}.{before}{flipped}{}", &code[1..])).is_err(), "a changed signature");
}

fn verified(token: &str) -> Result<VerifiedToken, ()> {
    let now = Timestamp::from_second(NOW).expect("a time");
    peek(token).map_err(drop)?.verify_shared(&Secret::new(SECRET), &EXPECT, now).map_err(drop)
}

fn is_shared(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512)
}
