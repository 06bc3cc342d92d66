use std::collections::BTreeSet;

use http::Request;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::*;
use crate::judgement::client::registry::Workloads;
use crate::judgement::exchange::accepts::Accepts;
use crate::judgement::exchange::grant::Grant;
use crate::judgement::exchange::parse as exchange;
use crate::judgement::exchange::refresh::{Refresh, parse};
use crate::judgement::expression::Expression;
use crate::judgement::jose::checks::{ClaimRule, KindRules, TokenChecks};
use crate::judgement::jose::issuer_claims::IssuerClaims;
use crate::judgement::jose::verify::VerifiedToken;
use crate::judgement::policy::model::{Demands, Permission};
use crate::judgement::policy::samples::{ISSUER, NOW, audience, listed, now, permission, policy};
use crate::judgement::token::AudienceRule;
use crate::judgement::token::checked::TokenSource;
use crate::judgement::token::lineage::TokenLineage;
use crate::words::oauth::form::Form;
use crate::words::oauth::names::Names;
use crate::words::oauth::urn::TokenType;

fn renewal(changes: &[(&str, Value)]) -> Renewal {
    let mut content = json!({
        "realm": "corp", "client": "front-end-app", "family": "f", "generation": 0, "began": NOW - 60, "issued": NOW - 60,
        "expires": NOW + 3600, "issuance": "reissue", "audiences": ["back-end-api"], "scope": "email profile",
        "subject": {
            "issuer": "corp", "kind": "access_token", "algorithm": "RS256", "kid": "k", "typ": "JWT",
            "claims": {
                "iss": ISSUER, "sub": "alice", "azp": "front-end-app", "typ": "Bearer", "exp": NOW - 30, "iat": NOW - 330,
                "level": 3, "scope": "email profile",
            },
        },
    });
    for (name, value) in changes {
        content[*name] = value.clone();
    }
    Renewal::read(content.to_string().as_bytes()).unwrap()
}

fn refresh(scope: &str) -> Refresh {
    let body = format!("refresh_token=cambio_rt_x&client_id=front-end-app&scope={scope}");
    let head = Request::post("/token").body(()).unwrap().into_parts().0;
    parse(&Form::parse(body.as_bytes()).unwrap(), &head, &Workloads::default()).unwrap()
}

fn refreshing() -> Permission {
    Permission { requested_tokens: BTreeSet::from([TokenType::RefreshToken]), ..permission() }
}

fn checks(rules: &[&str]) -> TokenChecks {
    TokenChecks {
        claims: IssuerClaims::default(),
        algorithms: Vec::new(),
        leeway: SignedDuration::ZERO,
        rules: rules
            .iter()
            .map(|rule| ClaimRule { expression: Expression::compile(rule).unwrap(), message: (*rule).to_owned() })
            .collect(),
        kinds: KindRules::default(),
        may_lack: Vec::new(),
    }
}

fn renew(
    renewal: &Renewal,
    permission: Permission,
    scope: &str,
    issuer: &str,
    rules: &[&str],
) -> Result<Permit, Refusal> {
    renew_at_present(renewal, permission, None, scope, issuer, rules)
}

fn renew_at_present(
    renewal: &Renewal,
    permission: Permission,
    present: Option<&Value>,
    scope: &str,
    issuer: &str,
    rules: &[&str],
) -> Result<Permit, Refusal> {
    let refresh = refresh(scope);
    let authenticated = Authenticated::by_upstream(renewal.asked_again(&refresh).unwrap());
    let checks = checks(rules);
    let checks = SubjectChecks { issuer_name: "corp", issuer, checks: &checks, audience: AudienceRule::Client };
    let policy = policy([audience("back-end-api", vec![permission])]);
    let evidence = Evidence::default();
    let circumstances = Circumstances { realm: "corp", realm_issuer: issuer, ..Circumstances::default() };
    let present = present.and_then(Value::as_object);
    let context = RefreshContext {
        scope: refresh.scope(),
        subject: checks,
        actor: None,
        evidence,
        present,
        access_only: &[],
        pairwise: false,
    };
    let validated = remembered(authenticated, renewal, &context, now())?;
    Permit::renew(validated, renewal, &policy, &circumstances, now())
}

#[test]
fn what_the_files_say_now_counts_and_never_more_than_was_granted() {
    let scopes = |names: &[&str]| Permission { scopes: listed(names), ..refreshing() };
    for (name, permission, asked, expected) in [
        ("unchanged", refreshing(), "", Ok("email profile")),
        ("a scope of those granted", refreshing(), "email", Ok("email")),
        ("a scope that was taken away", scopes(&["email"]), "", Ok("email")),
        ("every scope was taken away", scopes(&[]), "", Ok("")),
        ("all is permitted now", Permission { scopes: Names::Any, ..refreshing() }, "", Ok("email profile")),
        ("asked by name, and taken away", scopes(&["email"]), "profile", Err(Reason::ScopeNotPermitted)),
        ("asked for more", Permission { scopes: Names::Any, ..refreshing() }, "openid", Err(Reason::ScopeNotPermitted)),
        ("no refresh tokens any more", permission(), "", Err(Reason::RequestedTokenTypeNotPermitted)),
        (
            "another client's permission",
            Permission { clients: listed(&["other"]), ..refreshing() },
            "",
            Err(Reason::ClientNotPermitted),
        ),
        (
            "another issuer's",
            Permission { issuers: listed(&["partner"]), ..refreshing() },
            "",
            Err(Reason::IssuerNotPermitted),
        ),
        (
            "a condition on the subject's claims",
            Permission { condition: Some(Expression::compile("claims.level > 3").unwrap()), ..refreshing() },
            "",
            Err(Reason::ConditionNotMet),
        ),
    ] {
        let permit = renew(&renewal(&[]), permission, asked, ISSUER, &[]);
        let got = permit.map(|permit| permit.contract().scope_requested.clone().unwrap().to_string());
        assert_eq!(got.as_deref().map_err(|refusal| refusal.reason), expected, "{name}");
    }
}

#[test]
fn what_the_identity_provider_states_now_is_judged() {
    let about =
        |condition: &str| Permission { condition: Some(Expression::compile(condition).unwrap()), ..refreshing() };
    let present = |claims: Value| {
        let mut all = json!({"sub": "alice", "azp": "another", "sid": "another", "acr": "9", "scope": "payments"});
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        all
    };
    let own =
        json!({"sid": "s", "acr": "1", "scope": "email", "groups": ["staff"], "level": 3, "azp": "front-end-app"});
    let mut subject = renewal(&[]).subject.claims.clone();
    subject.extend(own.as_object().unwrap().clone());
    let mut granted = renewal(&[]);
    granted.subject.claims = subject;
    for (name, now_stated, condition, expected) in [
        ("not asked", None, "'staff' in claims.groups", Ok(())),
        ("still so", Some(json!({"groups": ["staff", "x"]})), "'staff' in claims.groups", Ok(())),
        ("taken away", Some(json!({"groups": []})), "'staff' in claims.groups", Err(Reason::ConditionNotMet)),
        ("the claim is gone", Some(json!({})), "'staff' in claims.groups", Err(Reason::ConditionFailed)),
        ("it changed", Some(json!({"level": 2})), "claims.level == 3", Err(Reason::ConditionNotMet)),
        ("a new claim", Some(json!({"vip": true})), "claims.vip", Ok(())),
        ("roles", Some(json!({"realm_access": {"roles": []}})), "size(claims.realm_access.roles) == 0", Ok(())),
        (
            "the login stays",
            Some(json!({})),
            "claims.acr == '1' && claims.sid == 's' && claims.scope == 'email'",
            Ok(()),
        ),
        ("the client stays", Some(json!({})), "claims.azp == 'front-end-app'", Ok(())),
        ("another user", Some(json!({"sub": "bob"})), "true", Err(Reason::RefreshTokenInvalid)),
        ("nobody", Some(json!({"sub": null})), "true", Err(Reason::RefreshTokenInvalid)),
    ] {
        let stated = now_stated.map(present);
        let permit = renew_at_present(&granted, about(condition), stated.as_ref(), "", ISSUER, &[]);
        assert_eq!(permit.map(|_| ()).map_err(|refusal| refusal.reason), expected, "{name}");
    }
}

#[test]
fn an_empty_scope_grants_nothing_and_not_everything() {
    let any = Permission { scopes: Names::Any, ..refreshing() };
    let permit = renew(&renewal(&[("scope", json!(""))]), any, "", ISSUER, &[]).unwrap();
    assert_eq!(permit.contract().scope_requested, Some(Scope::default()));
}

#[test]
fn offline_access_that_was_taken_away_is_left_out_like_any_scope() {
    let granted = renewal(&[("scope", json!("email offline_access"))]);
    for (scopes, expected) in [(Names::Any, "email"), (listed(&["email", "offline_access"]), "email offline_access")] {
        let permit = renew(&granted, Permission { scopes, ..refreshing() }, "", ISSUER, &[]).unwrap();
        assert_eq!(permit.contract().scope_requested.as_ref().unwrap().to_string(), expected);
    }
}

#[test]
fn the_subject_is_held_to_the_issuers_rules_of_now() {
    for (name, changes, issuer, rules, expected) in [
        ("as before", vec![], ISSUER, &["claims.level == 3"][..], Ok(())),
        ("a new rule", vec![], ISSUER, &["claims.level == 4"], Err(Reason::SubjectTokenRule)),
        ("another iss", vec![], "https://new.example", &[], Err(Reason::SubjectTokenIssuerUntrusted)),
        ("another issuance", vec![("issuance", json!("mint"))], ISSUER, &[], Err(Reason::RefreshTokenInvalid)),
        ("an audience without a file", vec![("audiences", json!(["gone"]))], ISSUER, &[], Err(Reason::AudienceUnknown)),
    ] {
        let permit = renew(&renewal(&changes), refreshing(), "", issuer, rules);
        assert_eq!(permit.map(|_| ()).map_err(|refusal| refusal.reason), expected, "{name}");
    }
}

#[test]
fn the_contract_is_about_the_subject_that_was_granted() {
    let permit = renew(&renewal(&[]), refreshing(), "", ISSUER, &[]).unwrap();
    assert_eq!(permit.contract().subject.as_deref(), Some("alice"));
    assert_eq!(permit.contract().requested, TokenType::AccessToken);
    assert!(permit.decision().refresh);
}

#[test]
fn what_was_bound_is_proved_again() {
    let thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    let bound = renewal(&[("binding", json!({"x5t#S256": thumbprint}))]);
    let refused = renew(&bound, refreshing(), "", ISSUER, &[]).unwrap_err();
    assert_eq!(refused.reason, Reason::SubjectTokenBound);
}

/// An exchange in which a refresh token is welcome, with a subject token that was checked.
fn welcoming_refresh() -> Validated {
    let body = format!(
        "grant_type={}&subject_token=x&subject_token_type={}&audience=back-end-api&client_id=front-end-app&\
         scope=email+offline_access",
        crate::words::oauth::urn::GRANT_TOKEN_EXCHANGE,
        TokenType::AccessToken.urn()
    );
    let head = Request::post("/token").body(()).unwrap().into_parts().0;
    let requested_tokens = BTreeSet::from([TokenType::RefreshToken]);
    let accepts = Accepts { requested_tokens, ..Accepts::default() };
    let form = Form::parse(body.as_bytes()).unwrap();
    let parsed = exchange::parse(Grant::TokenExchange, form, &head, &accepts).unwrap();
    let scope = parsed.scope().cloned();
    let claims = json!({"iss": ISSUER, "sub": "alice", "azp": "front-end-app", "iat": NOW});
    let token = VerifiedToken::remembered(None, claims.as_object().unwrap().clone(), now()).unwrap();
    let checks = checks(&[]);
    let checks = SubjectChecks { issuer_name: "corp", issuer: ISSUER, checks: &checks, audience: AudienceRule::Client };
    let authenticated = Authenticated::by_upstream(parsed);
    let source = TokenSource::Remembered { token, kind: TokenType::AccessToken, binding: Binding::default() };
    let presenter = Presenter::of(&authenticated, Evidence::default());
    let subject = CheckedToken::of(source, TokenRole::Subject, presenter, &checks, now()).unwrap();
    Validated::renewed(authenticated, subject, None, scope)
}

#[test]
fn a_refresh_token_is_welcome_and_costs_nothing() {
    let scopes = || listed(&["email", "offline_access"]);
    let plain = || Permission { scopes: scopes(), ..permission() };
    let both = || Permission { scopes: scopes(), ..refreshing() };
    let unmet = || Permission { condition: Some(Expression::compile("claims.level > 3").unwrap()), ..both() };
    let once = || Permission { demands: Demands { one_time: true, still_active: false }, ..both() };
    for (name, permissions, expected) in [
        ("none is permitted", vec![plain()], Ok(false)),
        ("it is permitted", vec![plain(), both()], Ok(true)),
        ("it alone", vec![both()], Ok(true)),
        ("a condition for it does not hold", vec![plain(), unmet()], Ok(false)),
        ("it would cost more", vec![plain(), once()], Ok(false)),
        ("it alone, at its cost", vec![once()], Ok(true)),
        ("it alone, and its condition does not hold", vec![unmet()], Err(Reason::ConditionFailed)),
        ("a scope", vec![permission(), refreshing()], Err(Reason::OfflineNotPermitted)),
    ] {
        let policy = policy([audience("back-end-api", permissions)]);
        let circumstances =
            Circumstances { realm: "corp", realm_issuer: ISSUER, refreshes: true, ..Circumstances::default() };
        let permit = Permit::decide(welcoming_refresh(), &policy, &circumstances, now());
        let refresh = permit.map(|permit| permit.decision().refresh).map_err(|refusal| refusal.reason);
        assert_eq!(refresh, expected, "{name}");
        // Where only the scope asks for a refresh token, the identity provider would refuse what it gives without one.
        let circumstances = Circumstances { refreshes: false, ..circumstances };
        let permit = Permit::decide(welcoming_refresh(), &policy, &circumstances, now());
        let refresh = permit.map(|permit| permit.decision().refresh).map_err(|refusal| refusal.reason);
        let expected = if name == "it is permitted" { Ok(false) } else { expected };
        assert_eq!(refresh, expected, "{name}, by the scope");
    }
}

/// Whoever acts for the user must still be there. Another issuer's actors are not known here.
#[test]
fn a_refresh_token_depends_on_an_actor_of_the_realm() {
    let claims = json!({"iss": ISSUER, "sub": "bob", "iat": NOW - 400, "exp": NOW + 60});
    let actor = |issuer: &str| json!({"issuer": issuer, "kind": "access_token", "algorithm": "RS256", "kid": "k", "typ": "JWT", "claims": claims});
    for (name, changes, expected) in [
        ("no actor", Vec::new(), vec!["alice"]),
        ("of the realm", vec![("actor", actor("corp"))], vec!["alice", "bob"]),
        ("of another issuer", vec![("actor", actor("partner"))], vec!["alice"]),
    ] {
        let lineage = renewal(&changes).lineage_claims("corp", None);
        let lineage = TokenLineage::of(&lineage).unwrap();
        let users: Vec<_> = lineage.users.iter().map(|user| user.subject).collect();
        assert_eq!(users, expected, "{name}");
        let issued = if users.len() == 2 { NOW - 400 } else { NOW - 330 };
        assert_eq!(lineage.issued, issued, "{name}: the older token counts");
    }
}
