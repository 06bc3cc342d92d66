mod story;

use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::answer::UpstreamAnswer;
use super::*;
use crate::judgement::exchange::grant::Grant;
use crate::judgement::policy::contract::Contract;
use crate::judgement::policy::model::{Audience, Issuance};
use crate::judgement::policy::samples::{
    ISSUER, NOW, audience, contract, keycloak_claims, listed, now, permission, set,
};
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};

/// What Keycloak 26.7.3 answers, with the refresh token that some clients are configured for.
fn body(change: &[(&str, Value)]) -> Vec<u8> {
    let mut text = format!(
        r#"{{"access_token":"original","expires_in":300,"refresh_expires_in":1800,"refresh_token":"r3fresh","token_type":"Bearer","not-before-policy":0,"session_state":"s","scope":"email profile","issued_token_type":"{}"}}"#,
        TokenType::AccessToken.urn()
    );
    for (name, value) in change {
        let members: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
        let old = format!("{}:{}", json!(name), members[*name]);
        text = text.replace(&old, &format!("{}:{value}", json!(name)));
    }
    text.into_bytes()
}

/// Works or fails.
struct Key(bool);

impl reissue::Signer for Key {
    fn kid(&self) -> &'static str {
        "ours"
    }

    fn sign(&self, claims: &Map<String, Value>, typ: &str) -> Result<String, String> {
        if self.0 && typ == "JWT" {
            Ok(format!("signed {}", Value::Object(claims.clone())))
        } else {
            Err("no key".to_owned())
        }
    }
}

fn verified(claims: &Map<String, Value>) -> Verified<'_> {
    Verified { claims, kid: "keycloak-1", issuer: ISSUER, typ: Some("JWT"), directory: None }
}

fn forward(target: Audience, claims: &Map<String, Value>, body: &[u8]) -> Result<Conformed, Refusal> {
    forward::to_contract(&contract(target), UpstreamAnswer::read(200, body)?, &verified(claims), now())
}

fn reissue(contract: &Contract, claims: &Map<String, Value>, body: &[u8]) -> Result<Conformed, Refusal> {
    reissue::to_contract(
        contract,
        UpstreamAnswer::read(200, body)?,
        &verified(claims),
        &Key(true),
        now(),
        Grant::TokenExchange,
    )
}

fn strict() -> Audience {
    audience("back-end-api", vec![permission()])
}

fn lenient() -> Audience {
    let mut target = strict();
    target.issuance = Issuance::Forward;
    target.roles.realm = set(&["default-roles-corp", "offline_access", "uma_authorization"]);
    target.token.claims = listed(&["custom", "department"]);
    target
}

#[test]
fn a_forwarded_answer_keeps_all_but_the_refresh_token() {
    let conformed = forward(lenient(), &keycloak_claims(), &body(&[])).unwrap();
    assert_eq!(
        String::from_utf8(conformed.body()).unwrap(),
        format!(
            r#"{{"access_token":"original","expires_in":300,"refresh_expires_in":0,"token_type":"Bearer","not-before-policy":0,"session_state":"s","scope":"email profile","issued_token_type":"{}"}}"#,
            TokenType::AccessToken.urn()
        )
    );
    let facts = conformed.facts();
    assert_eq!(facts.roles_before, facts.roles_granted);
    assert_eq!(facts.roles_granted.clients["back-end-api"], set(&["backend_user"]));
    assert_eq!(facts.scope_granted.to_string(), "email profile");
    assert_eq!((facts.lifetime, facts.expires, facts.kid.as_str()), (300, NOW + 300, "keycloak-1"));
    assert_eq!(facts.jti.as_deref(), Some("onrtte:1"));
    assert_eq!(facts.dropped_members, ["refresh_token"]);
    assert!(facts.dropped_claims.is_empty());
}

#[test]
fn a_forwarded_answer_beyond_the_contract_is_refused() {
    let refusal = forward(Audience { issuance: Issuance::Forward, ..strict() }, &keycloak_claims(), &body(&[]));
    let refusal = refusal.unwrap_err();
    assert_eq!(refusal.reason, Reason::AnswerRoles);
    assert!(refusal.detail.contains("realm role default-roles-corp"), "{}", refusal.detail);
    assert!(refusal.detail.contains("use issuance: reissue"), "{}", refusal.detail);

    let wider = body(&[("scope", json!("email payments"))]);
    assert_eq!(forward(lenient(), &keycloak_claims(), &wider).unwrap_err().reason, Reason::AnswerScope);

    let mut expired = keycloak_claims();
    expired.extend([("iat".to_owned(), json!(NOW - 60)), ("exp".to_owned(), json!(NOW))]);
    assert_eq!(forward(lenient(), &expired, &body(&[])).unwrap_err().reason, Reason::AnswerLifetime);
}

#[test]
fn a_reissued_answer_has_our_token_and_says_so() {
    let mut contract = contract(strict());
    contract.lifetime = SignedDuration::from_secs(60);
    contract.scope_requested = Some(["email".to_owned()].into_iter().collect());
    let conformed = reissue(&contract, &keycloak_claims(), &body(&[])).unwrap();
    let answer: Value = serde_json::from_slice(&conformed.body()).unwrap();
    let token = answer["access_token"].as_str().unwrap();
    let claims: Map<String, Value> = serde_json::from_str(token.strip_prefix("signed ").unwrap()).unwrap();
    assert_eq!(claims["resource_access"], json!({"back-end-api": {"roles": ["backend_user"]}}));
    assert_eq!(claims["jti"], json!("onrtte:1"));
    assert!(!claims.contains_key("realm_access") && !claims.contains_key("name"));
    assert_eq!(
        [&answer["expires_in"], &answer["refresh_expires_in"], &answer["scope"], &answer["issued_token_type"]],
        [&json!(60), &json!(0), &json!("email"), &json!(TokenType::AccessToken.urn())]
    );
    assert_eq!(answer.get("refresh_token"), None);
    let text = String::from_utf8(conformed.body()).unwrap();
    assert!(text.starts_with(r#"{"access_token":"signed "#), "the order of members is the provider's");
    assert!(!text.contains("original") && !text.contains("r3fresh"));

    let (_, facts) = conformed.into_parts();
    assert_eq!(facts.roles_before.realm, set(&["default-roles-corp", "offline_access", "uma_authorization"]));
    assert_eq!(facts.roles_granted.realm, set(&[]));
    assert_eq!(facts.scope_granted.to_string(), "email");
    assert_eq!((facts.lifetime, facts.kid.as_str()), (60, "ours"));
    assert_eq!(facts.dropped_claims, ["custom", "name", "preferred_username", "realm_access"]);
}

#[test]
fn expires_in_counts_from_now() {
    let late = jiff::Timestamp::from_second(NOW + 100).unwrap();
    let (claims, answer) = (keycloak_claims(), UpstreamAnswer::read(200, &body(&[])).unwrap());
    let conformed =
        reissue::to_contract(&contract(strict()), answer, &verified(&claims), &Key(true), late, Grant::TokenExchange)
            .unwrap();
    let answer: Value = serde_json::from_slice(&conformed.body()).unwrap();
    assert_eq!(answer["expires_in"], json!(200));
}

#[test]
fn an_id_token_is_reissued_as_one() {
    let mut contract = contract(strict());
    contract.requested = TokenType::IdToken;
    let mut claims = keycloak_claims();
    claims.extend([("typ".to_owned(), json!("ID")), ("aud".to_owned(), json!("front-end-app"))]);
    claims.remove("scope");
    let body = body(&[("token_type", json!("N_A")), ("issued_token_type", json!(TokenType::IdToken.urn()))]);
    let conformed = reissue(&contract, &claims, &body).unwrap();
    let answer: Value = serde_json::from_slice(&conformed.body()).unwrap();
    assert_eq!(answer["token_type"], json!("N_A"));
    assert_eq!(answer["issued_token_type"], json!(TokenType::IdToken.urn()));
    assert!(answer["access_token"].as_str().unwrap().contains(r#""aud":"front-end-app""#));
    assert_eq!(conformed.facts().scope_granted.to_string(), "email profile");
}

#[test]
fn what_can_not_be_mended_or_signed_is_refused() {
    let contract = contract(strict());
    let claims = keycloak_claims();
    let other_type = body(&[("issued_token_type", json!(TokenType::RefreshToken.urn()))]);
    assert_eq!(reissue(&contract, &claims, &other_type).unwrap_err().reason, Reason::AnswerTokenType);
    let answer = UpstreamAnswer::read(200, &body(&[])).unwrap();
    let refusal = reissue::to_contract(&contract, answer, &verified(&claims), &Key(false), now(), Grant::TokenExchange)
        .unwrap_err();
    assert_eq!(refusal.reason, Reason::SigningFailed);
}

#[test]
fn an_rfc_9068_access_token_stays_one() {
    struct Typ;
    impl reissue::Signer for Typ {
        fn kid(&self) -> &'static str {
            "ours"
        }
        fn sign(&self, _: &Map<String, Value>, typ: &str) -> Result<String, String> {
            Ok(typ.to_owned())
        }
    }
    for (typ, expected) in [
        (Some("JWT"), "JWT"),
        (None, "JWT"),
        (Some("at+jwt"), "at+jwt"),
        (Some("AT+JWT"), "at+jwt"),
        (Some("application/at+jwt"), "at+jwt"),
        (Some("at+jwt2"), "JWT"),
    ] {
        let claims = keycloak_claims();
        let token = Verified { typ, ..verified(&claims) };
        let answer = UpstreamAnswer::read(200, &body(&[])).unwrap();
        let conformed =
            reissue::to_contract(&contract(strict()), answer, &token, &Typ, now(), Grant::TokenExchange).unwrap();
        let answer: Value = serde_json::from_slice(&conformed.body()).unwrap();
        assert_eq!(answer["access_token"], expected, "{typ:?}");
    }
}

#[test]
fn an_empty_scope_never_leaves() {
    let mut claims = keycloak_claims();
    claims.insert("scope".to_owned(), json!(""));
    for name in ["email", "email_verified", "name", "preferred_username"] {
        claims.remove(name);
    }
    let body = body(&[("scope", json!(""))]);
    let answers = [forward(lenient(), &claims, &body).unwrap(), reissue(&contract(strict()), &claims, &body).unwrap()];
    for answer in answers {
        let members: Value = serde_json::from_slice(&answer.body()).unwrap();
        assert_eq!(members.get("scope"), None, "{members}");
        assert!(answer.facts().scope_granted.is_empty());
    }
}

#[test]
fn debug_shows_no_token() {
    let conformed = forward(lenient(), &keycloak_claims(), &body(&[])).unwrap();
    assert!(!format!("{conformed:?}").contains("original"));
}
