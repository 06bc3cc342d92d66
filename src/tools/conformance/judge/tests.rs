use serde_json::json;

use super::*;
use crate::tools::conformance::case::tests::{answer, with_claims};

#[test]
fn a_refusal_has_the_status_and_the_code_and_no_token() {
    for (name, status, body, expected) in [
        ("as it must be", 400, json!({"error": "invalid_request"}), true),
        ("another code", 400, json!({"error": "invalid_grant"}), false),
        ("another status", 403, json!({"error": "invalid_request"}), false),
        ("401 is for clients", 401, json!({"error": "invalid_request"}), false),
        ("a client", 401, json!({"error": "invalid_client"}), true),
        ("a client by 400", 400, json!({"error": "invalid_client"}), true),
        ("no JSON object", 400, json!("invalid_request"), false),
        ("a token, too", 400, json!({"error": "invalid_request", "access_token": "x"}), false),
        ("a success", 200, json!({"error": "invalid_request"}), false),
    ] {
        let judged = refused(&answer(status, &body), &["invalid_request", "invalid_client"]);
        assert_eq!(judged.is_ok(), expected, "{name}: {judged:?}");
    }
}

#[test]
fn an_offer_is_taken_refused_or_broken() {
    for (name, status, body, expected) in [
        ("taken", 200, json!({"access_token": "x"}), Ok(())),
        ("refused", 400, json!({"error": "invalid_request"}), Err("not supported")),
        ("refused without a code", 400, json!({}), Err("FAIL")),
        ("a fault", 500, json!({"error": "server_error"}), Err("FAIL")),
        ("nothing in it", 200, json!({}), Err("FAIL")),
        ("an empty token", 200, json!({"access_token": ""}), Err("FAIL")),
    ] {
        let judged = offered(&answer(status, &body)).map_err(|verdict| verdict.word());
        assert_eq!(judged, expected, "{name}");
    }
}

#[test]
fn not_issued_wants_an_error_of_the_clients() {
    for (status, body, expected) in [
        (400, json!({}), true),
        (405, json!({}), true),
        (200, json!({}), false),
        (500, json!({}), false),
        (400, json!({"access_token": "x"}), false),
    ] {
        assert_eq!(not_issued(&answer(status, &body)).is_ok(), expected, "{status} {body}");
    }
}

#[test]
fn an_answer_is_told_without_what_is_in_it() {
    for (status, body, expected) in [
        (200, json!({"access_token": "very-secret"}), "200, a token was issued"),
        (400, json!({"error": "invalid\n_request é", "error_description": "very-secret"}), "400 invalid_request"),
        (400, json!({"error": "x".repeat(100)}), &format!("400 {}", "x".repeat(40))),
        (400, json!({}), "400 without error"),
        (502, json!("bad gateway"), "502, not JSON"),
    ] {
        assert_eq!(answer(status, &body).told(), expected);
    }
}

#[test]
fn targets_and_scopes() {
    let claims = |aud: Value| with_claims(&json!({"aud": aud, "scope": "b a"})).claims().unwrap();
    assert!(is_for(&claims(json!("a")), &["a"]));
    assert!(is_for(&claims(json!(["a", "b"])), &["b", "a"]));
    assert!(!is_for(&claims(json!(["a", "b"])), &["c"]));
    assert!(!is_for(&claims(json!({"a": 1})), &["a"]));
    assert_eq!(scope(" b  a b"), ["a", "b"]);
    assert_eq!(granted(&with_claims(&json!({"scope": "b a"}))), Some("b a".to_owned()));
    let told = answer(200, &json!({"access_token": "opaque", "scope": "a"}));
    assert_eq!(granted(&told), Some("a".to_owned()));
    assert_eq!(super::claims(&told).unwrap_err().word(), "skipped");
}
