//! Assertions: a client's own, and the tokens of workloads.

use super::*;

#[test]
fn own_assertions() {
    let key = |changes: Value| signed(&OWN, &claims("key", &changes));
    let public = OWN.key.jwk().to_string();
    for (name, jwt, expected) in [
        ("right", key(json!({})), "key private_key_jwt j1 70"),
        ("for the token endpoint", key(json!({ "aud": ENDPOINT })), "key private_key_jwt j1 70"),
        ("aud as a list", key(json!({ "aud": [REALM, ENDPOINT] })), "key private_key_jwt j1 70"),
        (
            "typ of RFC 7523bis",
            typed(&OWN, &claims("key", &json!({})), "client-authentication+jwt"),
            "key private_key_jwt j1 70",
        ),
        ("an hour long, used at once", key(json!({ "exp": NOW + 3600 })), "key private_key_jwt j1 310"),
        ("no iat, short", key(json!({ "iat": null, "exp": NOW + 300 })), "key private_key_jwt j1 310"),
        ("another's key", signed(&OTHER, &claims("key", &json!({}))), NO),
        ("of an access token's type", typed(&OWN, &claims("key", &json!({})), "at+jwt"), NO),
        ("of another client", signed(&OWN, &claims("shared", &json!({}))), NO),
        ("of no client", signed(&OWN, &claims("nobody", &json!({}))), NO),
        ("for another", key(json!({ "aud": "https://other.example.org" })), NO),
        ("for another, too", key(json!({ "aud": [REALM, "https://other.example.org"] })), NO),
        ("with a slash more", key(json!({ "aud": format!("{REALM}/") })), NO),
        ("for a beginning of us", key(json!({ "aud": "https://sso.example.org" })), NO),
        ("for nobody", key(json!({ "aud": null })), NO),
        ("for an empty list", key(json!({ "aud": [] })), NO),
        ("aud of another type", key(json!({ "aud": 1 })), NO),
        ("expired", key(json!({ "exp": NOW - 10, "iat": NOW - 60 })), NO),
        ("expired within the leeway", key(json!({ "exp": NOW - 9, "iat": NOW - 60 })), "key private_key_jwt j1 1"),
        ("no exp", key(json!({ "exp": null })), NO),
        ("no iat, long", key(json!({ "iat": null, "exp": NOW + 600 })), NO),
        ("issued long ago, valid still", key(json!({ "iat": NOW - 311, "exp": NOW + 3600 })), NO),
        ("issued in the future", key(json!({ "iat": NOW + 11 })), NO),
        ("not yet valid", key(json!({ "nbf": NOW + 11 })), NO),
        ("no jti", key(json!({ "jti": null })), NO),
        ("empty jti", key(json!({ "jti": "" })), NO),
        ("jti of another type", key(json!({ "jti": 7 })), NO),
        ("long jti", key(json!({ "jti": "j".repeat(513) })), NO),
        (
            "by HMAC with the public key",
            authenticated(public.as_bytes(), Algorithm::HS256, &claims("key", &json!({}))),
            NO,
        ),
        ("unsigned", key(json!({})).rsplit_once('.').unwrap().0.to_owned() + ".", NO),
        (
            "keys at a URL that were not fetched",
            signed(&OWN, &claims("url", &json!({}))),
            "client_authentication_unavailable",
        ),
    ] {
        assert_eq!(told(judge(&Shown::Assertion(jwt), None, &[])), expected, "{name}");
    }
    let url = Shown::Assertion(signed(&OWN, &claims("url", &json!({}))));
    assert_eq!(told(judge(&url, None, &[(0, set(&OWN))])), "url private_key_jwt j1 70");
    assert_eq!(told(judge(&url, None, &[(0, set(&OTHER))])), NO);
    assert_eq!(
        told(judge(&Shown::Spiffe(signed(&OWN, &claims("key", &json!({})))), None, &[])),
        "credentials_malformed"
    );
}

#[test]
fn assertions_by_shared_secrets() {
    let right = claims("shared", &json!({}));
    for (name, jwt, expected) in [
        ("right", authenticated(SHARED.as_bytes(), Algorithm::HS256, &right), "shared client_secret_jwt j1 70"),
        ("another secret", authenticated(b"another", Algorithm::HS256, &right), NO),
        ("no secret", authenticated(b"", Algorithm::HS256, &right), NO),
        ("an algorithm that is not configured", authenticated(SHARED.as_bytes(), Algorithm::HS512, &right), NO),
        ("signed with a key", signed(&OWN, &right), NO),
        (
            "cut off",
            authenticated(SHARED.as_bytes(), Algorithm::HS256, &right).rsplit_once('.').unwrap().0.to_owned() + ".AAAA",
            NO,
        ),
        ("of another client", authenticated(SHARED.as_bytes(), Algorithm::HS256, &claims("key", &json!({}))), NO),
        (
            "for another",
            authenticated(SHARED.as_bytes(), Algorithm::HS256, &claims("shared", &json!({ "aud": "x" }))),
            NO,
        ),
    ] {
        assert_eq!(told(judge(&Shown::Assertion(jwt), None, &[])), expected, "{name}");
    }
}

#[test]
fn an_assertion_is_good_once() {
    let shown = Shown::Assertion(signed(&OWN, &claims("key", &json!({}))));
    let Ok(ClientVerdict::UnspentAssertion(once)) = judge(&shown, None, &[]) else { panic!("not once") };
    assert_eq!(once.claimed(false).unwrap_err().reason, Reason::ClientAssertionReplayed);
}

#[test]
fn workloads() {
    let keys = [(0, set(&OWN))];
    let account = |changes: Value| {
        let mut own = json!({ "iss": CLUSTER, "sub": ACCOUNT, "jti": null });
        own.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        claims("k8s", &own)
    };
    let svid = |changes: Value| {
        let mut own = json!({ "iss": SPIRE, "sub": WORKLOAD, "jti": null, "iat": null });
        own.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        claims("spiffe", &own)
    };
    let malformed = "credentials_malformed";
    for (name, shown, expected) in [
        ("account", Shown::Assertion(signed(&OWN, &account(json!({})))), "k8s kubernetes"),
        (
            "account, an hour long",
            Shown::Assertion(signed(&OWN, &account(json!({ "exp": NOW + 3600 })))),
            "k8s kubernetes",
        ),
        (
            "account, for others too",
            Shown::Assertion(signed(&OWN, &account(json!({ "aud": [REALM, "x"] })))),
            "k8s kubernetes",
        ),
        ("account, for the token endpoint", Shown::Assertion(signed(&OWN, &account(json!({ "aud": ENDPOINT })))), NO),
        ("account, for another", Shown::Assertion(signed(&OWN, &account(json!({ "aud": "https://kubernetes" })))), NO),
        ("account, expired", Shown::Assertion(signed(&OWN, &account(json!({ "exp": NOW - 10 })))), NO),
        ("account, by another key", Shown::Assertion(signed(&OTHER, &account(json!({})))), NO),
        (
            "another account",
            Shown::Assertion(signed(&OWN, &account(json!({ "sub": "system:serviceaccount:payments:x" })))),
            malformed,
        ),
        (
            "another cluster",
            Shown::Assertion(signed(&OWN, &account(json!({ "iss": "https://evil.example.org" })))),
            malformed,
        ),
        ("account, as an SVID", Shown::Spiffe(signed(&OWN, &account(json!({})))), NO),
        ("an access token", Shown::Assertion(typed(&OWN, &account(json!({})), "at+jwt")), NO),
        ("SVID", Shown::Assertion(signed(&OWN, &svid(json!({})))), "spiffe spiffe"),
        ("SVID by its own type", Shown::Spiffe(signed(&OWN, &svid(json!({})))), "spiffe spiffe"),
        ("SVID with typ JOSE", Shown::Spiffe(typed(&OWN, &svid(json!({})), "JOSE")), "spiffe spiffe"),
        ("SVID without exp", Shown::Spiffe(signed(&OWN, &svid(json!({ "exp": null })))), NO),
        (
            "SVID of another workload",
            Shown::Spiffe(signed(&OWN, &svid(json!({ "sub": "spiffe://example.org/x" })))),
            malformed,
        ),
    ] {
        assert_eq!(told(judge(&shown, None, &keys)), expected, "{name}");
    }
    let named = |client: &str, jwt: String| {
        Shown::Form(format!("client_id={client}&client_assertion_type={CLIENT_ASSERTION_JWT}&client_assertion={jwt}"))
    };
    let right = signed(&OWN, &account(json!({})));
    assert_eq!(told(judge(&named("k8s", right.clone()), None, &keys)), "k8s kubernetes");
    assert_eq!(told(judge(&named("spiffe", right.clone()), None, &keys)), NO, "client_id is checked, not believed");
    assert_eq!(told(judge(&named("public", right.clone()), None, &keys)), NO);
    assert_eq!(told(judge(&Shown::Assertion(right), None, &[])), "client_authentication_unavailable");
}
