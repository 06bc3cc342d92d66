//! One exchange through every stage, with real signatures: form, parsed, validated, permit, issued, conformed.

use jiff::SignedDuration;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::judgement::client::verify::authenticate_by_introspection;
use crate::judgement::dialect::TokenCustoms;
use crate::judgement::exchange::accepts::Accepts;
use crate::judgement::exchange::authenticated::Authenticated;
use crate::judgement::exchange::grant::Grant;
use crate::judgement::exchange::parse::parse;
use crate::judgement::issue::answer::UpstreamAnswer;
use crate::judgement::issue::key::{KeyKind, SigningKey, generate};
use crate::judgement::issue::mint;
use crate::judgement::issue::{Verified, forward, reissue};
use crate::judgement::jose::checks::{KindRules, TokenChecks};
use crate::judgement::jose::issuer_claims::IssuerClaims;
use crate::judgement::jose::keys::KeySet;
use crate::judgement::jose::verify::{Expectations, VerifiedToken, verify};
use crate::judgement::permit::{Circumstances, Permit};
use crate::judgement::policy::mint::Ingredients;
use crate::judgement::policy::model::{Issuance, Policy};
use crate::judgement::policy::samples::{ISSUER, NOW, audience, keycloak_claims, now, object, permission, policy};
use crate::judgement::token::{AudienceRule, SubjectChecks, Validated, validate};
use crate::words::oauth::confirmation::Evidence;
use crate::words::oauth::form::Form;
use crate::words::oauth::urn::{GRANT_TOKEN_EXCHANGE, TokenType};
use crate::words::refusal::Reason;
use crate::words::secret::Secret;

const CORP: Circumstances<'static> = Circumstances {
    realm: "corp",
    realm_issuer: ISSUER,
    impersonate: None,
    carried: &[],
    defaults: &[],
    customs: TokenCustoms { access_only: &[], needs_may_act: false, plain_actors: false },
    drop_offline: false,
    refreshes: false,
    pairwise: false,
};

fn key() -> SigningKey {
    SigningKey::from_pem(generate(KeyKind::P256).unwrap().expose().as_bytes()).unwrap()
}

fn keys(key: &SigningKey) -> KeySet {
    KeySet::parse(json!({"keys": [key.jwk()]}).to_string().as_bytes()).unwrap()
}

fn verified(token: &str, key: &SigningKey) -> VerifiedToken {
    let leeway = SignedDuration::from_secs(10);
    let expect = Expectations { issuer: ISSUER, algorithms: &[Algorithm::ES256], leeway };
    verify(&Secret::new(token), &keys(key), &expect, now()).unwrap()
}

/// front-end-app's user has roles there, and front-end-app asks for a token for back-end-api.
fn validated(keycloak: &SigningKey) -> Validated {
    let mut claims = keycloak_claims();
    claims.extend(object(json!({
        "aud": ["back-end-api", "account"],
        "resource_access": {"front-end-app": {"roles": ["frontend_user", "administrator"]}}
    })));
    let mut form = Form::new();
    for (name, value) in [
        ("grant_type", GRANT_TOKEN_EXCHANGE),
        ("client_id", "front-end-app"),
        ("client_secret", "s3cret"),
        ("subject_token", &keycloak.sign(&claims, "JWT").unwrap()),
        ("subject_token_type", TokenType::AccessToken.urn()),
        ("audience", "back-end-api"),
        ("scope", "email"),
    ] {
        form.push(name, value);
    }
    let (head, ()) = http::Request::post("/").body(()).unwrap().into_parts();
    let authenticated =
        Authenticated::by_upstream(parse(Grant::TokenExchange, form, &head, &Accepts::default()).unwrap());
    let checks = TokenChecks {
        claims: IssuerClaims::default(),
        algorithms: vec![Algorithm::ES256],
        leeway: SignedDuration::from_secs(10),
        rules: Vec::new(),
        kinds: KindRules::default(),
        may_lack: Vec::new(),
    };
    let checks = SubjectChecks { issuer_name: "corp", issuer: ISSUER, checks: &checks, audience: AudienceRule::Client };
    validate(authenticated, &keys(keycloak), &checks, Evidence::default(), now()).unwrap()
}

fn answer(keycloak: &SigningKey) -> UpstreamAnswer {
    let body = json!({
        "access_token": keycloak.sign(&keycloak_claims(), "JWT").unwrap(), "expires_in": 300, "token_type": "Bearer",
        "scope": "email profile", "issued_token_type": TokenType::AccessToken.urn()
    });
    UpstreamAnswer::read(200, body.to_string().as_bytes()).unwrap()
}

fn permitting(issuance: Issuance) -> Policy {
    let mut target = audience("back-end-api", vec![permission()]);
    target.issuance = issuance;
    policy([target])
}

#[test]
fn the_owner_permits_and_the_token_has_only_the_targets_roles() {
    let (keycloak, ours) = (key(), key());
    let owners = permitting(Issuance::Reissue);
    let mut permit = Permit::decide(validated(&keycloak), &owners, &CORP, now()).unwrap();
    assert_eq!(permit.issuance(), Issuance::Reissue);
    assert_eq!((permit.client(), permit.audiences()), ("front-end-app", &["back-end-api".to_owned()][..]));
    assert_eq!(permit.decision().permissions, [("back-end-api".to_owned(), 1)]);
    assert_eq!(permit.validated().subject().issuer(), "corp");

    let answer = answer(&keycloak);
    let issued = verified(answer.token().expose(), &keycloak);
    let issued = Verified::new(&issued, ISSUER);
    let settled = permit.settle(&answer.granted_scope(&issued).unwrap(), &owners, &CORP, now()).unwrap();
    let conformed = reissue::conform(settled, answer, &issued, &ours, now()).unwrap();
    let body: Value = serde_json::from_slice(&conformed.body()).unwrap();
    let reissued = verified(body["access_token"].as_str().unwrap(), &ours);
    assert_eq!(reissued.kid(), Some(ours.kid()));
    assert_eq!(reissued.claims()["resource_access"], json!({"back-end-api": {"roles": ["backend_user"]}}));
    assert_eq!(reissued.claims().get("realm_access"), None);
    assert_eq!(reissued.claims()["scope"], json!("email"));
    assert_eq!(reissued.claims()["exp"], json!(NOW + 300));
}

#[test]
fn a_minted_token_is_ours_alone_and_its_answer_looks_like_keycloaks() {
    let (keycloak, ours) = (key(), key());
    let permit = Permit::decide(validated(&keycloak), &permitting(Issuance::Mint), &CORP, now()).unwrap();
    let credentials = permit.validated().authenticated().parsed().credentials();
    let proof = authenticate_by_introspection(credentials, 200, br#"{"active":false}"#).unwrap();
    let from = Ingredients { directory: None, issuer: ISSUER, now: now(), jti: "cambio:1" };
    let conformed = mint::conform(&permit, &proof, &from, &ours).unwrap();
    let body: Value = serde_json::from_slice(&conformed.body()).unwrap();
    let token = body["access_token"].as_str().unwrap();
    let minted = verified(token, &ours);
    assert_eq!((minted.kid(), minted.typ()), (Some(ours.kid()), Some("JWT")));
    assert_eq!(minted.claims()["aud"], json!("back-end-api"));
    assert_eq!(minted.claims().get("resource_access"), None, "the subject token has no role there");
    assert_eq!(
        String::from_utf8(conformed.body()).unwrap().replace(token, "T"),
        format!(
            r#"{{"access_token":"T","expires_in":300,"refresh_expires_in":0,"token_type":"Bearer","not-before-policy":0,"session_state":"s","scope":"email","issued_token_type":"{}"}}"#,
            TokenType::AccessToken.urn()
        )
    );
    let facts = conformed.facts();
    assert_eq!((facts.lifetime, facts.jti.as_deref(), facts.kid.as_str()), (300, Some("cambio:1"), ours.kid()));
    assert_eq!(facts.subject.as_deref(), Some("user-1"));
    assert_eq!(facts.roles_before.clients["front-end-app"].len(), 2);
}

#[test]
fn forward_refuses_what_it_can_not_narrow() {
    let keycloak = key();
    let owners = permitting(Issuance::Forward);
    let mut permit = Permit::decide(validated(&keycloak), &owners, &CORP, now()).unwrap();
    let answer = answer(&keycloak);
    let issued = verified(answer.token().expose(), &keycloak);
    let issued = Verified::new(&issued, ISSUER);
    let settled = permit.settle(&answer.granted_scope(&issued).unwrap(), &owners, &CORP, now()).unwrap();
    let refusal = forward::conform(settled, answer, &issued, now()).unwrap_err();
    assert_eq!(refusal.reason, Reason::AnswerRoles);
}

#[test]
fn without_the_owners_permission_it_is_refused() {
    let validated = validated(&key());
    assert!(!format!("{validated:?}").contains("s3cret"));
    let refusal = Permit::decide(validated, &policy([audience("back-end-api", vec![])]), &CORP, now()).unwrap_err();
    assert_eq!(refusal.reason, Reason::ClientNotPermitted);
}
