use jiff::SignedDuration;
use jsonwebtoken::Algorithm;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::judgement::expression::Expression;
use crate::judgement::jose::checks::{ClaimRule, KindRules, TokenChecks};
use crate::judgement::jose::issuer_claims::IssuerClaims;
use crate::judgement::token::checked::{CheckedToken, TokenSource};
use crate::judgement::token::presented::{Presenter, TokenRole};
use crate::judgement::token::{AudienceRule, SubjectChecks};
use crate::words::oauth::confirmation::Evidence;

const ISSUER: &str = "https://login.partner.example";
const NOW: i64 = 1_800_000_000;

fn answer() -> Value {
    json!({
        "active": true, "iss": ISSUER, "sub": "u-1", "aud": ["https://sso.example.org", "other"],
        "exp": NOW + 60, "iat": NOW - 60, "token_type": "Bearer", "scope": "a b", "client_id": "app",
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut answer = answer();
    answer[name] = value;
    answer
}

fn without(name: &str) -> Value {
    let mut answer = answer();
    answer.as_object_mut().unwrap().remove(name);
    answer
}

fn judged(answer: &Value, kind: TokenType) -> Result<VerifiedToken, Reason> {
    let checks = TokenChecks {
        claims: IssuerClaims::default(),
        algorithms: vec![Algorithm::RS256],
        leeway: SignedDuration::from_secs(10),
        rules: vec![ClaimRule {
            expression: Expression::compile("claims.iss != '' && (!has(claims.scope) || claims.scope != 'bad')")
                .unwrap(),
            message: "bad scope".to_owned(),
        }],
        kinds: KindRules::default(),
        may_lack: Vec::new(),
    };
    let audiences = ["https://sso.example.org".to_owned()];
    let checks = SubjectChecks {
        issuer_name: "partner",
        issuer: ISSUER,
        checks: &checks,
        audience: AudienceRule::AnyOf(&audiences),
    };
    let answer = IntrospectionAnswer::read(answer.to_string().as_bytes()).map_err(|_| Reason::Internal)?;
    let now = Timestamp::from_second(NOW).unwrap();
    let source = TokenSource::Introspected { answer: &answer, kind };
    let presenter = Presenter { client: "front-end-app", is_public: false, evidence: Evidence::default() };
    CheckedToken::of(source, TokenRole::Subject, presenter, &checks, now)
        .map(|checked| checked.token().clone())
        .map_err(|refusal| refusal.reason)
}

#[test]
fn answers() {
    let (claims, audience) = (Reason::SubjectTokenClaims, Reason::SubjectTokenAudience);
    let kind = Reason::SubjectTokenKind;
    let rows: [(&str, Value, Result<(), Reason>); 42] = [
        ("good", answer(), Ok(())),
        ("no iss", without("iss"), Ok(())),
        ("another iss", with("iss", json!("https://evil.example")), Err(Reason::SubjectTokenIssuerUntrusted)),
        ("iss of a wrong type", with("iss", json!(1)), Err(claims)),
        ("iss empty", with("iss", json!("")), Err(claims)),
        ("not active", json!({"active": false}), Err(Reason::SubjectTokenInactive)),
        ("not active, with claims", with("active", json!(false)), Err(Reason::SubjectTokenInactive)),
        ("active as text", with("active", json!("true")), Err(Reason::Internal)),
        ("active as number", with("active", json!(1)), Err(Reason::Internal)),
        ("no active", without("active"), Err(Reason::Internal)),
        ("no exp", without("exp"), Err(claims)),
        ("exp as text", with("exp", json!((NOW + 60).to_string())), Err(claims)),
        ("expired", with("exp", json!(NOW - 10)), Err(Reason::SubjectTokenExpired)),
        ("expired within the leeway", with("exp", json!(NOW - 9)), Ok(())),
        ("not yet valid", with("nbf", json!(NOW + 11)), Err(Reason::SubjectTokenNotYetValid)),
        ("issued in the future", with("iat", json!(NOW + 11)), Err(Reason::SubjectTokenNotYetValid)),
        ("no iat", without("iat"), Ok(())),
        ("no sub", without("sub"), Err(Reason::SubjectTokenWithoutSub)),
        ("sub empty", with("sub", json!("")), Err(Reason::SubjectTokenWithoutSub)),
        ("no aud", without("aud"), Err(audience)),
        ("another aud", with("aud", json!("other")), Err(audience)),
        ("aud as text", with("aud", json!("https://sso.example.org")), Ok(())),
        ("aud of a wrong type", with("aud", json!(1)), Err(claims)),
        ("no token_type", without("token_type"), Err(kind)),
        ("bearer in lower case", with("token_type", json!("bearer")), Ok(())),
        ("token_type access_token", with("token_type", json!("access_token")), Ok(())),
        ("token_type refresh_token", with("token_type", json!("refresh_token")), Err(kind)),
        ("token_type of a wrong type", with("token_type", json!(["Bearer"])), Err(claims)),
        ("DPoP without cnf", with("token_type", json!("DPoP")), Err(Reason::SubjectTokenBound)),
        ("cnf", with("cnf", json!({"jkt": "x"})), Err(Reason::SubjectTokenBound)),
        ("act", with("act", json!({"sub": "x"})), Ok(())),
        ("may_act", with("may_act", Value::Null), Ok(())),
        ("token_use access_token", with("token_use", json!("access_token")), Ok(())),
        ("token_use refresh_token", with("token_use", json!("refresh_token")), Err(kind)),
        ("typ Bearer", with("typ", json!("Bearer")), Ok(())),
        ("typ Refresh", with("typ", json!("Refresh")), Err(kind)),
        ("typ ID", with("typ", json!("ID")), Err(kind)),
        ("at_hash", with("at_hash", json!("x")), Err(kind)),
        ("events", with("events", json!({})), Err(kind)),
        ("iss is sub", with("sub", json!(ISSUER)), Err(kind)),
        ("nonce", with("nonce", json!("n")), Ok(())),
        ("a rule that does not hold", with("scope", json!("bad")), Err(Reason::SubjectTokenRule)),
    ];
    for (name, answer, expected) in rows {
        assert_eq!(judged(&answer, TokenType::AccessToken).map(|_| ()), expected, "{name}");
    }
}

#[test]
fn an_opaque_token_is_an_access_token() {
    for kind in [TokenType::IdToken, TokenType::Jwt, TokenType::RefreshToken, TokenType::Saml2] {
        assert_eq!(judged(&answer(), kind).map(|_| ()), Err(Reason::SubjectTokenMalformed), "{kind:?}");
    }
}

#[test]
fn what_was_asked_is_the_issuer() {
    let token = judged(&without("iss"), TokenType::AccessToken).unwrap();
    assert_eq!(token.claims()["iss"], ISSUER);
    assert_eq!((token.subject(), token.kid(), token.typ(), token.algorithm()), ("u-1", None, None, None));
    assert!(token.is_opaque());
}

#[test]
fn what_looks_like_a_jwt_is_shown_to_nobody() {
    let long = "a".repeat(MAX_TOKEN_BYTES + 1);
    for (token, opaque) in [
        ("2YotnFZFEjr1zCsicMWpAA", true),
        ("ory_at_abc.def", true),
        ("a", true),
        ("a.b.c.d", true),
        // {"alg":"RS256"}, signed, encrypted, cut off and broken
        ("eyJhbGciOiJSUzI1NiJ9.e30.AA", false),
        ("eyJhbGciOiJSUzI1NiJ9.a.b.c.d", false),
        ("eyJhbGciOiJSUzI1NiJ9.e30", false),
        ("eyJhbGciOiJSUzI1NiJ9", false),
        ("!!!.e30.AA", false),
        ("a.b.c", false),
        ("", false),
        ("with space", false),
        ("tab\there", false),
        ("é", false),
        (&long, false),
    ] {
        assert_eq!(is_opaque(token), opaque, "{token}");
    }
}

proptest! {
    #[test]
    fn any_token_is_looked_at_without_panic(token: String) {
        let _ = is_opaque(&token);
    }
}
