use serde_json::json;

use super::*;
use crate::judgement::policy::provenance::Provenance;
use crate::judgement::policy::samples::{object, request};

#[test]
fn whom_a_minted_token_is_about() {
    let claims =
        object(json!({"iss": "https://as.example.com", "email": "u@p.example", "empty": "", "line": "a\nb", "n": 1}));
    let cel = |source: &str| Some(Expression::compile(source).unwrap());
    let long = "x".repeat(2049);
    for (name, rule, sub, username, expected) in [
        ("qualified", SubjectRule::Qualified, "42", None, Some("partner#42")),
        ("kept", SubjectRule::Keep, "42", None, Some("42")),
        (
            "a UUID",
            SubjectRule::Uuid,
            "03836e1f-58ed-4d67-baa0-a73bf77b9d5d",
            None,
            Some("652d7b51-e62d-5c1e-a8a7-70d518342005"),
        ),
        ("mapped", SubjectRule::Mapped, "42", cel("'p:' + claims.email"), Some("p:u@p.example")),
        ("no mapping", SubjectRule::Mapped, "42", None, None),
        ("a claim that is missing", SubjectRule::Mapped, "42", cel("claims.missing"), None),
        ("no text", SubjectRule::Mapped, "42", cel("claims.n"), None),
        ("empty", SubjectRule::Mapped, "42", cel("claims.empty"), None),
        ("a line break", SubjectRule::Mapped, "42", cel("claims.line"), None),
        ("a line break in sub", SubjectRule::Keep, "a\nb", None, None),
        ("as long as may be", SubjectRule::Keep, &long[1..], None, Some(&long[1..])),
        ("too long", SubjectRule::Keep, long.as_str(), None, None),
        ("too long, qualified", SubjectRule::Qualified, long.as_str(), None, None),
        ("too long, and mapped to something short", SubjectRule::Mapped, long.as_str(), cel("'p'"), None),
    ] {
        let request = ExchangeRequest {
            issuer: "partner",
            provenance: Provenance::Foreign,
            subject: sub,
            ..request(&[], &claims)
        };
        let minted = minted(rule, &request, username.as_ref());
        assert_eq!(minted.as_deref().ok(), expected, "{name}");
        if let Err(refusal) = minted {
            assert_eq!(refusal.reason, Reason::SubjectMappingFailed, "{name}");
            assert!(!refusal.detail.contains("p.example"), "{}", refusal.detail);
        }
    }
    // The issuer's name does not count: an issuer may have the longest subjects.
    let base = request(&[], &claims);
    let longest = ExchangeRequest { issuer: "partner", provenance: Provenance::Foreign, subject: &long[1..], ..base };
    assert_eq!(minted(SubjectRule::Qualified, &longest, None).unwrap().len(), 2048 + "partner#".len());
}

#[test]
fn subjects_of_two_tenants_never_have_one_name() {
    let claims = object(json!({"tid": "t1"}));
    let name = |rule, tenant, subject, username: Option<&str>| {
        let username = username.map(|source| Expression::compile(source).unwrap());
        let request = ExchangeRequest {
            issuer: "entra",
            provenance: Provenance::Foreign,
            subject,
            tenant,
            ..request(&[], &claims)
        };
        minted(rule, &request, username.as_ref()).map_err(|refusal| refusal.reason)
    };
    let qualified = SubjectRule::Qualified;
    assert_eq!(name(qualified, Some("t1"), "42", None).unwrap(), "entra#t1#42");
    assert_eq!(name(qualified, Some("t2"), "42", None).unwrap(), "entra#t2#42");
    // A subject can't be written so that it reads as that of another tenant.
    assert_ne!(name(qualified, Some("t1"), "t2#42", None).unwrap(), name(qualified, Some("t2"), "42", None).unwrap());
    assert_eq!(name(SubjectRule::Keep, Some("t1"), "42", None), Err(Reason::SubjectMappingFailed));
    assert_eq!(name(SubjectRule::Mapped, Some("t1"), "42", Some("claims.tid + '/42'")).unwrap(), "t1/42");
}

/// As `uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_URL, iss), sub)` of Python.
#[test]
fn a_uuid_is_one_subject_of_one_issuer() {
    let (as_example, other) = ("https://as.example.com", "https://other.example.com");
    assert_eq!(uuid(as_example, "42").to_string(), "38ad5590-c90a-561b-a58c-2fd17805cf66");
    assert_eq!(uuid(as_example, "42").get_version_num(), 5, "Keycloak's are of version 4");
    let different = [
        uuid(as_example, "42"),
        uuid(other, "42"),
        uuid(as_example, "43"),
        uuid(as_example, ""),
        uuid("https://as.example.com4", "2"),
        uuid("https://as.example.co", "m42"),
        uuid("", "https://as.example.com42"),
        uuid(as_example, "\u{e9}"),
        uuid(as_example, "e\u{301}"),
    ];
    let distinct: std::collections::BTreeSet<_> = different.iter().collect();
    assert_eq!(distinct.len(), different.len(), "{different:?}");
}

#[test]
fn a_uuid_needs_the_tokens_issuer() {
    let claims = object(json!({"iss": 7}));
    let request = ExchangeRequest { provenance: Provenance::Foreign, subject: "42", ..request(&[], &claims) };
    assert_eq!(minted(SubjectRule::Uuid, &request, None).unwrap_err().reason, Reason::SubjectMappingFailed);
}
