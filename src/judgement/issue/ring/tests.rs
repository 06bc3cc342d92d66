use serde_json::Map;

use super::*;
use crate::judgement::issue::key::{KeyKind, generate};
use crate::judgement::jose::verify::{Expectations, verify};
use crate::words::secret::Secret;

const AT: Timestamp = Timestamp::constant(1_793_606_400, 0);

fn key(kind: KeyKind) -> SigningKey {
    SigningKey::from_pem(generate(kind).unwrap().expose().as_bytes()).unwrap()
}

fn kids(ring: &KeyRing, now: Timestamp) -> Vec<&str> {
    ring.published(now).map(|key| key.kid).collect()
}

#[test]
fn a_retired_key_is_published_until_its_last_token_has_expired() {
    let (active, next, old, older) = (key(KeyKind::P256), key(KeyKind::Ed25519), key(KeyKind::P384), key(KeyKind::Rsa));
    let names = [&next, &active, &old, &older].map(|key| key.kid().to_owned());
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let second = SignedDuration::from_secs(1);
    let retired =
        vec![Retired { jwk: old.jwk().clone(), at: AT }, Retired { jwk: older.jwk().clone(), at: AT - second }];
    let ring = KeyRing::new(active, vec![next.jwk().clone()], retired).unwrap();
    let end = AT + SignedDuration::from_secs(24 * 3600 + 60);
    for (name, now, expected) in [
        ("at once", AT, &all[..]),
        ("a clock behind", AT - 100 * second, &all[..]),
        ("the last moment of the older", end - 2 * second, &all[..]),
        ("without the older", end - second, &all[..3]),
        ("without both", end, &all[..2]),
        ("long after", end + 1_000_000 * second, &all[..2]),
    ] {
        assert_eq!(kids(&ring, now), expected, "{name}");
    }
    assert!(all.iter().all(|kid| ring.owns(kid)) && !ring.owns("another"));
    let states: Vec<_> = ring.all().map(|key| (key.state, key.algorithm, key.until.is_some())).collect();
    assert_eq!(
        states,
        [
            (KeyState::Next, "EdDSA", false),
            (KeyState::Active, "ES256", false),
            (KeyState::Retired, "ES384", true),
            (KeyState::Retired, "RS256", true),
        ]
    );
}

#[test]
fn tokens_of_all_our_keys_verify_with_the_set() {
    let (old, next) = (key(KeyKind::P384), key(KeyKind::Ed25519));
    let retired = vec![Retired { jwk: old.jwk().clone(), at: AT }];
    let ring = KeyRing::new(key(KeyKind::P256), vec![next.jwk().clone()], retired).unwrap();
    for key in [ring.active(), &old, &next] {
        let claims: Map<_, _> =
            json!({"iss": "https://a", "sub": "b", "exp": AT.as_second() + 9}).as_object().unwrap().clone();
        let token = Secret::new(key.sign(&claims, "JWT").unwrap());
        let expect = Expectations { issuer: "https://a", algorithms: &[key.algorithm()], leeway: SignedDuration::ZERO };
        assert!(verify(&token, ring.key_set(), &expect, AT).is_ok(), "{:?}", key.algorithm());
    }
}

#[test]
fn what_is_ambiguous_or_unfit_makes_no_ring() {
    let pem = generate(KeyKind::P256).unwrap();
    let active = || SigningKey::from_pem(pem.expose().as_bytes()).unwrap();
    let jwk = active().jwk().clone();
    let retired = |jwk: &Value| vec![Retired { jwk: jwk.clone(), at: AT }];
    let mut weak = key(KeyKind::P256).jwk().clone();
    weak["x"] = json!("AAAA");
    for (name, ring, expected) in [
        ("next is active", KeyRing::new(active(), vec![jwk.clone()], vec![]), RingError::RepeatedKid),
        ("retired is active", KeyRing::new(active(), vec![], retired(&jwk)), RingError::RepeatedKid),
        ("off the curve", KeyRing::new(active(), vec![], retired(&weak)), RingError::Unfit),
    ] {
        assert_eq!(ring.unwrap_err(), expected, "{name}");
    }
}

#[test]
fn debug_shows_kids_and_states_only() {
    let pem = generate(KeyKind::P256).unwrap();
    let ring = KeyRing::try_from(SigningKey::from_pem(pem.expose().as_bytes()).unwrap()).unwrap();
    assert_eq!(format!("{ring:?}"), format!("{{{:?}: Active}}", ring.active().kid()));
}

#[test]
fn the_end_of_time_is_no_overflow() {
    assert_eq!(gone(Timestamp::MAX), Timestamp::MAX);
}
