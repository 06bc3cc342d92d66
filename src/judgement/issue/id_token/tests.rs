use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::*;
use crate::judgement::exchange::grant::Grant;
use crate::judgement::issue::answer::UpstreamAnswer;
use crate::judgement::issue::{forward, reissue};
use crate::judgement::policy::model::Permission;
use crate::judgement::policy::samples::{
    ISSUER, NOW, audience, contract, keycloak_claims, listed, now, object, permission, set,
};

/// Signs by writing the claims out.
struct Key;

impl Signer for Key {
    fn kid(&self) -> &'static str {
        "ours"
    }

    fn sign(&self, claims: &Map<String, Value>, typ: &str) -> Result<String, String> {
        Ok(format!("{typ} {}", Value::Object(claims.clone())))
    }
}

/// A contract of front-end-app, which may have the scope openid, and with it ID tokens if so permitted.
fn contract_with(issuance: Issuance, id_tokens: bool) -> Contract {
    let kinds = [Some(TokenType::AccessToken), Some(TokenType::IdToken).filter(|_| id_tokens)];
    let requested_tokens: BTreeSet<_> = kinds.into_iter().flatten().collect();
    let permission = Permission { requested_tokens, scopes: listed(&["email", "openid", "profile"]), ..permission() };
    let mut target = audience("back-end-api", vec![permission]);
    target.issuance = issuance;
    target.roles.realm = set(&["default-roles-corp", "offline_access", "uma_authorization"]);
    target.token.claims = listed(&["custom", "department"]);
    contract(target)
}

fn access_token(scope: &str) -> Map<String, Value> {
    let mut claims = keycloak_claims();
    claims.insert("scope".to_owned(), json!(scope));
    for name in ["email", "email_verified", "name", "preferred_username"] {
        claims.remove(name);
    }
    claims
}

/// Keycloak's ID token beside it, changed; `null` takes a claim away.
fn id_token(changes: Value) -> Map<String, Value> {
    let mut claims = object(json!({
        "exp": NOW + 300, "iat": NOW, "jti": "i", "iss": ISSUER, "aud": "front-end-app", "sub": "user-1", "typ": "ID",
        "azp": "front-end-app", "sid": "s", "at_hash": "h", "acr": "1", "email": "u@example.org"
    }));
    for (name, value) in object(changes) {
        match value {
            Value::Null => claims.remove(&name),
            value => claims.insert(name, value),
        };
    }
    claims
}

fn handed_out(contract: &Contract, scope: &str, id: &Map<String, Value>) -> Result<Option<String>, Refusal> {
    let body = json!({
        "access_token": "original", "token_type": "Bearer", "scope": scope, "id_token": "as received",
        "issued_token_type": TokenType::AccessToken.urn()
    });
    let answer = UpstreamAnswer::read(200, body.to_string().as_bytes()).unwrap();
    let claims = access_token(scope);
    let verified = |claims| Verified { claims, kid: "k", issuer: ISSUER, typ: Some("JWT"), directory: None };
    let beside = answer.id_token_beside(contract);
    let mut conformed = if contract.issuance == Issuance::Forward {
        forward::to_contract(contract, answer, &verified(&claims), now()).unwrap()
    } else {
        reissue::to_contract(contract, answer, &verified(&claims), &Key, now(), Grant::TokenExchange).unwrap()
    };
    assert!(conformed.facts().dropped_members.contains(&"id_token".to_owned()));
    if let Some(received) = &beside {
        let token = IdTokenBeside { received, verified: verified(id) };
        conformed = conformed.beside(token, contract, Some(&Key), now())?;
    }
    let dropped = conformed.facts().dropped_members.contains(&"id_token".to_owned());
    let members: Value = serde_json::from_slice(&conformed.body()).unwrap();
    let text = members.get("id_token").and_then(Value::as_str).map(str::to_owned);
    assert_eq!(dropped, text.is_none());
    Ok(text)
}

#[test]
fn it_goes_out_where_a_permission_lists_id_tokens_and_the_scope_asks_for_one() {
    for (name, issuance, permitted, scope, expected) in [
        ("not permitted", Issuance::Reissue, false, "openid", false),
        ("not permitted, forwarded", Issuance::Forward, false, "openid", false),
        ("not asked for", Issuance::Reissue, true, "email", false),
        ("reissued", Issuance::Reissue, true, "openid email", true),
        ("forwarded", Issuance::Forward, true, "openid email", true),
    ] {
        let text = handed_out(&contract_with(issuance, permitted), scope, &id_token(json!({}))).unwrap();
        assert_eq!(text.is_some(), expected, "{name}");
        let Some(text) = text else { continue };
        if issuance == Issuance::Forward {
            assert_eq!(text, "as received", "{name}");
            continue;
        }
        let claims: Map<String, Value> = serde_json::from_str(text.strip_prefix("JWT ").unwrap()).unwrap();
        assert_eq!(
            (&claims["aud"], &claims["typ"], &claims["sub"]),
            (&json!("front-end-app"), &json!("ID"), &json!("user-1"))
        );
        assert!(!claims.contains_key("at_hash"), "the access token is another now");
    }
}

#[test]
fn one_that_breaks_the_contract_refuses_the_answer() {
    for (name, changes, expected) in [
        ("another audience", json!({"aud": "other"}), Reason::AnswerAudience),
        ("another client", json!({"azp": "other"}), Reason::AnswerAudience),
        ("another user", json!({"sub": "user-2", "sid": "x"}), Reason::AnswerSubject),
        ("an access token", json!({"typ": "Bearer"}), Reason::AnswerTokenType),
        ("an actor", json!({"act": {"sub": "x"}}), Reason::AnswerSubject),
    ] {
        for issuance in [Issuance::Reissue, Issuance::Forward] {
            let refusal = handed_out(&contract_with(issuance, true), "openid", &id_token(changes.clone())).unwrap_err();
            assert_eq!(refusal.reason, expected, "{name}");
            assert!(refusal.detail.starts_with("the ID token beside the access token: "), "{}", refusal.detail);
        }
    }
    let further = id_token(json!({"groups": ["admins"]}));
    let refusal = handed_out(&contract_with(Issuance::Forward, true), "openid", &further).unwrap_err();
    assert_eq!(refusal.reason, Reason::AnswerClaims, "a forwarded one can't be narrowed");
    let narrowed = handed_out(&contract_with(Issuance::Reissue, true), "openid", &further).unwrap().unwrap();
    assert!(!narrowed.contains("admins"), "{narrowed}");
}
