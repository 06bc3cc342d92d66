use super::*;
use crate::tools::conformance::case::tests::{inputs, token};

#[test]
fn the_plain_exchange_names_a_target_if_there_is_one() {
    let mut with = inputs();
    assert_eq!(exchange(&with).fields.one("audience"), Some("api"));
    with.audiences.clear();
    with.resources.push("https://api.example.org/".to_owned());
    assert_eq!(exchange(&with).fields.one("resource"), Some("https://api.example.org/"));
    with.resources.clear();
    let fields: Vec<_> = exchange(&with).fields.fields().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(fields, ["grant_type", "subject_token", "subject_token_type"]);
}

#[test]
fn credentials_stand_where_they_belong() {
    let (id, secret) = ("a b".to_owned(), Secret::new("s:c"));
    for (name, auth, header, body) in [
        ("none", Auth::None, None, ""),
        ("public", Auth::Public(id.clone()), None, "client_id=a+b&"),
        ("basic", Auth::Basic(id.clone(), secret.clone()), Some("Basic YStiOnMlM0Fj"), ""),
        ("escaped", Auth::Escaped(id.clone(), secret.clone()), Some("Basic JTYxJTIwJTYyOiU3MyUzQSU2Mw=="), ""),
        ("post", Auth::Post(id.clone(), secret.clone()), None, "client_id=a+b&client_secret=s%3Ac&"),
        ("both", Auth::Both(id, secret), Some("Basic YStiOnMlM0Fj"), "client_id=a+b&client_secret=s%3Ac&"),
    ] {
        let request = exchange(&inputs()).auth(auth);
        assert_eq!(request.authorization().as_ref().map(Secret::expose), header, "{name}");
        assert!(request.body().starts_with(&format!("{body}grant_type=")), "{name}: {}", request.body());
        assert!(!format!("{request:?}").contains("s:c"), "{name}");
    }
}

#[test]
fn every_writing_says_the_same() {
    let request = exchange(&inputs()).without("subject_token").with("scope", "a b");
    let plain = Form::parse(request.body().as_bytes()).unwrap();
    let escaped = request.clone().written(Writing::Escaped).body();
    assert_eq!(Form::parse(escaped.as_bytes()).unwrap(), plain);
    assert!(escaped.bytes().all(|byte| b"%=&0123456789ABCDEF".contains(&byte)));
    let json: serde_json::Value = serde_json::from_str(&request.written(Writing::Json).body()).unwrap();
    assert_eq!(json["scope"], "a b");
}

#[test]
fn the_same_is_asked_once() {
    let request = || exchange(&inputs());
    let other = request().actor(&token("agent"));
    for (name, one, another, same) in [
        ("itself", request(), request(), true),
        ("another field", request(), other, false),
        ("another writing", request(), request().written(Writing::Charset), false),
        ("other credentials", request(), request().auth(Auth::Basic("app".to_owned(), Secret::new("x"))), false),
        ("another way", request(), request().auth(Auth::Post("app".to_owned(), Secret::new("secret"))), false),
        ("by GET", request(), CaseRequest { get: true, ..request() }, false),
        ("elsewhere", request(), CaseRequest { endpoint: Destination::Introspection, ..request() }, false),
    ] {
        assert_eq!(one.same(&another), same, "{name}");
    }
}
