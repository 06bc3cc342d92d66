use super::*;
use crate::tools::conformance::case::tests::token;

#[test]
fn a_forgery_differs_in_what_it_says_and_in_nothing_else() {
    let good = token("alice");
    let claims = |token: &SuiteToken| claims_of(token.text.expose()).unwrap();
    let header = |token: &SuiteToken| header_of(token.text.expose()).unwrap();
    let unsecured = unsecured(&good);
    assert_eq!((header(&unsecured)["alg"].as_str(), claims(&unsecured)), (Some("none"), claims(&good)));
    assert!(unsecured.text.expose().ends_with('.'));
    let other = other_subject(&good);
    assert_eq!(claims(&other)["sub"], "somebody-else");
    assert!(other.text.expose().ends_with(".c2lnbmF0dXJl"));
    let unsigned = unsigned(&good);
    assert_eq!((header(&unsigned), claims(&unsigned)), (header(&good), claims(&good)));
    assert!(unsigned.text.expose().ends_with('.'));
    let shared = by_shared_secret(&good, &Secret::new("secret"));
    assert_eq!((header(&shared)["alg"].as_str(), claims(&shared)), (Some("HS256"), claims(&good)));
    let own = by_own_key(&good);
    assert_eq!((header(&own)["alg"].as_str(), claims(&own)), (Some("EdDSA"), claims(&good)));
}

/// Otherwise a server that believes `jwk` would refuse it for another reason, and the case would pass.
#[test]
fn the_own_key_verifies_the_forgery() {
    use crate::judgement::jose::keys::KeySet;
    let forged = by_own_key(&token("alice"));
    let jwk = header_of(forged.text.expose()).unwrap()["jwk"].clone();
    let keys = KeySet::parse(json!({"keys": [jwk]}).to_string().as_bytes()).unwrap();
    let algorithms = [jsonwebtoken::Algorithm::EdDSA];
    assert!(crate::judgement::jose::verify::verify_payload(forged.text.expose(), &keys, &algorithms).is_ok());
}
