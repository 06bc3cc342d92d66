use serde_json::json;

use super::*;
use crate::judgement::policy::provenance::Provenance;
use crate::judgement::policy::samples::{object, request};

#[test]
fn whom_a_minted_token_is_about() {
    let claims = object(json!({"email": "u@p.example", "empty": "", "line": "a\nb", "n": 1}));
    let cel = |source: &str| Some(Expression::compile(source).unwrap());
    let long = "x".repeat(256);
    for (name, rule, sub, username, expected) in [
        ("qualified", SubjectRule::Qualified, "42", None, Some("partner#42")),
        ("kept", SubjectRule::Keep, "42", None, Some("42")),
        ("mapped", SubjectRule::Mapped, "42", cel("'p:' + claims.email"), Some("p:u@p.example")),
        ("no mapping", SubjectRule::Mapped, "42", None, None),
        ("a claim that is missing", SubjectRule::Mapped, "42", cel("claims.missing"), None),
        ("no text", SubjectRule::Mapped, "42", cel("claims.n"), None),
        ("empty", SubjectRule::Mapped, "42", cel("claims.empty"), None),
        ("a line break", SubjectRule::Mapped, "42", cel("claims.line"), None),
        ("a line break in sub", SubjectRule::Keep, "a\nb", None, None),
        ("too long", SubjectRule::Keep, long.as_str(), None, None),
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
}
