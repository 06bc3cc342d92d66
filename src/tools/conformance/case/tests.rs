use http::{HeaderMap, Uri};
use serde_json::{Value, json};

use super::*;
use crate::tools::conformance::cases;
use crate::tools::conformance::inputs::{SuiteClient, SuiteToken};
use crate::words::secret::Secret;

/// What a run with a few inputs has.
pub(in crate::tools::conformance) fn inputs() -> Inputs {
    Inputs {
        endpoint: Uri::from_static("https://sso.example.org/token"),
        insecure: false,
        client: SuiteClient { id: "app".to_owned(), secret: Some(Secret::new("secret")), basic: true },
        subject: token("alice"),
        tokens: vec![(Need::Actor, token("agent"))],
        audiences: vec!["api".to_owned()],
        resources: Vec::new(),
        scopes: Vec::new(),
        unknown_audience: "nobody".to_owned(),
        issuer: None,
        keys: None,
        metadata: None,
        introspection: None,
        introspector: SuiteClient { id: "api".to_owned(), secret: None, basic: true },
    }
}

/// Something that looks like a JWT.
pub(in crate::tools::conformance) fn token(subject: &str) -> SuiteToken {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let (header, claims) = (json!({"alg": "RS256", "typ": "JWT"}), json!({"sub": subject, "iss": "x"}));
    SuiteToken {
        text: Secret::new(format!("{}.{}.c2lnbmF0dXJl", part(&header), part(&claims))),
        kind: "urn:ietf:params:oauth:token-type:access_token".to_owned(),
    }
}

/// An answer with this status and body.
pub(in crate::tools::conformance) fn answer(status: u16, body: &Value) -> Observation {
    Observation {
        status,
        headers: HeaderMap::new(),
        body: body.to_string().into_bytes(),
        at: jiff::Timestamp::UNIX_EPOCH,
        introspected: None,
    }
}

/// An answer with a token of these claims.
pub(in crate::tools::conformance) fn with_claims(claims: &Value) -> Observation {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let token = format!("{}.{}.c2ln", part(&json!({"alg": "ES256"})), part(claims));
    answer(200, &json!({"access_token": token, "token_type": "Bearer"}))
}

fn case(id: &str) -> &'static ConformanceCase {
    cases::all().find(|case| case.id == id).unwrap()
}

/// The verdict after these answers; `None` while it asks on.
fn verdict(id: &str, with: &Inputs, answers: &[Observation]) -> Option<CaseVerdict> {
    match case(id).next(with, answers) {
        CaseStep::Ask(_) => None,
        CaseStep::Done(verdict) => Some(verdict),
    }
}

#[test]
fn a_case_stands_on_what_must_work_first() {
    let with = inputs();
    let (good, bad) = (with_claims(&json!({"sub": "alice"})), answer(400, &json!({"error": "invalid_request"})));
    let acting = with_claims(&json!({"sub": "alice", "act": {"sub": "agent"}}));
    let fault = answer(500, &json!({}));
    for (name, id, answers, expected) in [
        ("the plain exchange comes first", "subject-garbage", vec![], None),
        ("then the case", "subject-garbage", vec![good.clone()], None),
        ("refused as it must be", "subject-garbage", vec![good.clone(), bad.clone()], Some("pass")),
        ("accepted", "subject-garbage", vec![good.clone(), good.clone()], Some("FAIL")),
        ("nothing works", "subject-garbage", vec![bad.clone()], Some("skipped")),
        ("no delegation", "act-actor", vec![good.clone(), bad.clone()], Some("not supported")),
        ("a fault is no refusal", "act-actor", vec![good.clone(), fault], Some("skipped")),
        ("ignored", "act-actor", vec![good.clone(), good.clone()], Some("skipped")),
        ("delegation works", "act-actor", vec![good.clone(), acting.clone()], None),
        ("and is judged", "act-actor", vec![good.clone(), acting.clone(), acting.clone()], Some("pass")),
        ("wrongly named", "act-actor", vec![good.clone(), acting, good], Some("FAIL")),
    ] {
        let seen = verdict(id, &with, &answers);
        assert_eq!(seen.as_ref().map(CaseVerdict::word), expected, "{name}: {seen:?}");
    }
}

#[test]
fn what_is_missing_is_said() {
    let mut with = inputs();
    with.tokens.clear();
    with.audiences.clear();
    for (id, expected) in [
        ("actor", "needs --actor-token-file or --actor-token-command"),
        ("audience", "needs --audience"),
        ("scope-order", "needs --scope with two values"),
        ("token-signature", "needs --jwks-url or --issuer"),
    ] {
        assert_eq!(verdict(id, &with, &[]), Some(CaseVerdict::Skipped(expected.to_owned())), "{id}");
    }
}

#[test]
fn plain_http_is_for_loopback_only() {
    for (url, insecure, expected) in [
        ("https://sso.example.org/token", false, "pass"),
        ("https://sso.example.org/token", true, "skipped"),
        ("http://sso.example.org/token", false, "FAIL"),
        ("http://10.0.0.1/token", false, "FAIL"),
        ("http://127.0.0.1:8080/token", false, "skipped"),
        ("http://[::1]:8080/token", false, "skipped"),
        ("http://localhost/token", false, "skipped"),
        ("http://localhost.example.org/token", false, "FAIL"),
    ] {
        let with = Inputs { endpoint: Uri::from_static(url), insecure, ..inputs() };
        assert_eq!(verdict("endpoint-tls", &with, &[]).unwrap().word(), expected, "{url}");
    }
}
