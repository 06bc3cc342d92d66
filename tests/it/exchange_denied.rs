//! A row for each reason that a caller can provoke with a well-made request: the answer and the audit line.

use std::collections::BTreeSet;

use cambio::words::refusal::Reason;
use serde_json::{Value, json};

use crate::support::files::{BACK_END_API, PERMITTED};
use crate::support::tamper::sign_as;
use crate::support::world::{ACCESS_TOKEN, ID_TOKEN, Plan, TOKEN_PATH, World, exchange_fields};
use crate::support::{client, form, golden, token, world};

const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const REFRESH: &str = "urn:ietf:params:oauth:token-type:refresh_token";
const SAML2: &str = "urn:ietf:params:oauth:token-type:saml2";

/// Every kind of permission, by the client that has it.
const PERMISSIONS: &str = r#"permissions:
  - { clients: [front-end-app], scopes: [email] }
  - { clients: [legacy-app], scopes: [email], expires: 2026-11-01 }
  - { clients: [single-page-app], scopes: [email], condition: 'claims.acr == "2"' }
  - { clients: [back-end-api], issuance: mint, subjectTokens: [id_token], scopes: [email] }
  - { clients: [account], scopes: [email], condition: 'claims.missing == "2"' }
"#;

pub(crate) async fn start() -> World {
    Plan::new().await.audience("back-end-api", &format!("{BACK_END_API}{PERMISSIONS}")).start().await
}

/// A change to the fields of an exchange.
pub(crate) type Change = (&'static str, &'static str);

/// What is asked for: name, changes to the form, expected reason.
#[rustfmt::skip]
pub(crate) const REQUESTS: &[(&str, &[Change], &str)] = &[
    ("no grant type", &[("grant_type", "-")], "grant_type_missing"),
    ("grant type of another spelling", &[("grant_type", " urn:ietf:params:oauth:grant-type:token-exchange")], "grant_type_ambiguous"),
    ("no subject token", &[("subject_token", "-")], "parameter_missing"),
    ("empty subject token", &[("subject_token", "")], "parameter_missing"),
    ("no subject token type", &[("subject_token_type", "-")], "parameter_missing"),
    ("unknown parameter", &[("x_custom", "1")], "parameter_unknown"),
    ("scope twice", &[("scope", "email"), ("scope", "email")], "parameter_repeated"),
    ("no client", &[("client_id", "-"), ("client_secret", "-")], "client_missing"),
    ("subject token type JWT", &[("subject_token_type", JWT)], "subject_token_type_unsupported"),
    ("subject token type short", &[("subject_token_type", "access_token")], "subject_token_type_unsupported"),
    ("requested token type SAML 2", &[("requested_token_type", SAML2)], "requested_token_type_unsupported"),
    ("requested token type unknown", &[("requested_token_type", "x")], "requested_token_type_unsupported"),
    ("requested refresh token", &[("requested_token_type", REFRESH)], "refresh_token_refused"),
    ("actor token", &[("actor_token", "x"), ("actor_token_type", ACCESS_TOKEN)], "actor_token_unsupported"),
    ("unknown resource", &[("audience", "-"), ("resource", "https://other.example")], "resource_unknown"),
    ("no audience", &[("audience", "-")], "audience_missing"),
    ("eleven audiences", &[
        ("audience", "-"), ("audience", "a"), ("audience", "b"), ("audience", "c"), ("audience", "d"), ("audience", "e"),
        ("audience", "f"), ("audience", "g"), ("audience", "h"), ("audience", "i"), ("audience", "j"), ("audience", "k"),
    ], "audiences_too_many"),
    ("audience without a file", &[("audience", "other-api")], "audience_unknown"),
    ("one audience without a file", &[("audience", "back-end-api"), ("audience", "other-api")], "audience_unknown"),
    ("a tab in scope", &[("scope", "a\tb")], "scope_malformed"),
    ("scope beyond the permission", &[("scope", "email profile")], "scope_not_permitted"),
    ("offline access by no name", &[("scope", "email offline_access")], "offline_not_permitted"),
    ("requested ID token", &[("requested_token_type", ID_TOKEN)], "requested_token_type_not_permitted"),
    ("impersonation", &[("requested_subject", "bob")], "door_closed"),
    ("brokering", &[("requested_issuer", "github")], "door_closed"),
    ("JWT bearer", &[("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")], "door_closed"),
    ("UMA", &[("grant_type", "urn:ietf:params:oauth:grant-type:uma-ticket")], "door_closed"),
    ("CIBA", &[("grant_type", "urn:openid:params:grant-type:ciba")], "door_closed"),
    ("wrong secret", &[("client_secret", "wrong")], "upstream_refused"),
];

#[tokio::test]
async fn requests_that_are_refused() {
    let world = start().await;
    let alice = world.alice().await;
    for (name, changes, reason) in REQUESTS {
        let before = world.audit_so_far();
        let answer = world.exchange(&alice, changes).await;
        check(&world, name, before, &answer, reason, &alice).await;
    }
}

/// What is no proof is told before anything is said about the token.
#[tokio::test]
async fn a_dpop_header_that_is_no_proof_is_refused() {
    let world = start().await;
    let alice = world.alice().await;
    let mut request = client::form_request(TOKEN_PATH, &exchange_fields(&alice));
    request.headers_mut().insert("dpop", "a.b.c".parse().unwrap());
    let answer = client::send(world.address(), request).await;
    check(&world, "DPoP proof", 0, &answer, "dpop_proof_invalid", &alice).await;
}

/// Keycloak's own words where it knows the case: a client that meets them sees no difference.
#[tokio::test]
async fn answers_are_keycloaks_where_it_would_refuse_too() {
    let world = start().await;
    let alice = world.alice().await;
    for (name, changes, _) in REQUESTS {
        if !["no grant type", "requested token type SAML 2", "scope twice", "wrong secret"].contains(name) {
            continue;
        }
        let (through, direct) = (world.exchange(&alice, changes).await, world.exchange_directly(&alice, changes).await);
        assert_eq!((through.status, through.text()), (direct.status, direct.text()), "{name}");
    }
}

/// Who asks: name, client, secret, expected reason.
const CALLERS: &[(&str, &str, &str, &str)] = &[
    ("no permission", "reporting-app", "reporting-secret", "client_not_permitted"),
    ("permission expired", "legacy-app", "legacy-secret", "permission_expired"),
    ("permission for another token type", "back-end-api", "back-end-secret", "subject_token_type_not_permitted"),
    ("condition false", "single-page-app", "", "condition_not_met"),
    ("condition in error", "account", "account-secret", "condition_failed"),
];

#[tokio::test]
async fn callers_that_are_refused() {
    let world = start().await;
    for (name, client, secret, reason) in CALLERS {
        let token = world.login(client, secret, "alice").await;
        let before = world.audit_so_far();
        let credentials = [("client_id", *client), ("client_secret", if secret.is_empty() { "-" } else { secret })];
        let answer = world.exchange(&token, &[&credentials[..], &[("scope", "email")]].concat()).await;
        check(&world, name, before, &answer, reason, &token).await;
    }
}

/// Which token: name, changes to alice's claims (null removes), expected reason.
fn tokens(world: &World) -> Vec<(&'static str, Value, &'static str)> {
    let now = world.now();
    vec![
        ("expired", json!({"exp": now - 60}), "subject_token_expired"),
        ("expired beyond the leeway", json!({"exp": now - 11}), "subject_token_expired"),
        ("not yet valid", json!({"nbf": now + 60}), "subject_token_not_yet_valid"),
        ("issued in the future", json!({"iat": now + 60}), "subject_token_not_yet_valid"),
        ("no exp", json!({"exp": null}), "subject_token_claims"),
        ("textual exp", json!({"exp": (now + 60).to_string()}), "subject_token_claims"),
        ("no sub", json!({"sub": null}), "subject_token_without_sub"),
        ("an ID token", json!({"typ": "ID"}), "subject_token_kind"),
        ("untrusted issuer", json!({"iss": "https://evil.example"}), "subject_token_issuer_untrusted"),
        ("no issuer", json!({"iss": null}), "subject_token_claims"),
        ("for others", json!({"aud": ["other-api"], "azp": "other-api"}), "subject_token_audience"),
        ("sender-constrained", json!({"cnf": {"jkt": "x"}}), "subject_token_bound"),
        ("of an impersonation session", json!({"act": {"sub": "x"}}), "subject_token_impersonated"),
        ("delegated", json!({"act": {"sub": "x"}, "sid": null}), "subject_token_delegated"),
        ("may be delegated", json!({"may_act": {}}), "may_act_violated"),
    ]
}

#[tokio::test]
async fn subject_tokens_that_are_refused() {
    let world = start().await;
    let alice = world.alice().await;
    for (name, changes, reason) in tokens(&world) {
        let mut claims = token::claims(&alice);
        for (claim, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(claim)),
                value => claims[claim] = value.clone(),
            }
        }
        let token = world.sign(&claims);
        let before = world.audit_so_far();
        let answer = world.exchange(&token, &[("scope", "email")]).await;
        check(&world, name, before, &answer, reason, &token).await;
    }
}

#[tokio::test]
async fn forged_subject_tokens_are_refused() {
    let world = start().await;
    let alice = world.alice().await;
    let key = world.idp.signing_key("corp").unwrap();
    let foreign = world.idp.signing_key("partner").unwrap();
    let claims = token::claims(&alice);
    let (signed, _) = alice.rsplit_once('.').unwrap();
    let header = |change: Value| {
        let mut header = token::header(&alice);
        header.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        key.sign_raw(&header.to_string(), &claims.to_string()).unwrap()
    };
    let object = claims.as_object().unwrap();
    let rows = [
        ("not a JWT", "x".to_owned(), "subject_token_malformed"),
        ("an encrypted JWT", "a.b.c.d.e".to_owned(), "subject_token_malformed"),
        ("signature cut off", format!("{signed}."), "subject_token_signature"),
        ("signed by another's key", sign_as(&foreign, key.kid(), object).unwrap(), "subject_token_signature"),
        ("kid of another", foreign.sign(object).unwrap(), "subject_token_key_unknown"),
        ("alg none", header(json!({"alg": "none"})), "subject_token_algorithm"),
        ("alg HS256", header(json!({"alg": "HS256"})), "subject_token_algorithm"),
        ("alg of the family, not listed", header(json!({"alg": "RS512"})), "subject_token_algorithm"),
        ("crit", header(json!({"crit": ["exp"]})), "subject_token_critical"),
    ];
    for (name, token, reason) in rows {
        let before = world.audit_so_far();
        let answer = world.exchange(&token, &[("scope", "email")]).await;
        check(&world, name, before, &answer, reason, &token).await;
    }
}

#[tokio::test]
async fn what_depends_on_the_realm() {
    // A claim rule that does not hold.
    let rule =
        "    signingKey: corp.pem\n    claimValidationRules: [{ expression: 'claims.acr == \"2\"', message: step up }]";
    let world = Plan::new().await.configure("    signingKey: corp.pem", rule).start().await;
    let alice = world.alice().await;
    let answer = world.exchange(&alice, &[]).await;
    check(&world, "claim rule", 0, &answer, "subject_token_rule", &alice).await;

    // A role expression that has no answer for this token.
    let file = format!("{BACK_END_API}{PERMITTED}")
        .replace("{ own: true }", "{ own: true, map: [{ to: x, when: 'claims.missing == 1' }] }");
    let world = Plan::new().await.audience("back-end-api", &file).start().await;
    let alice = world.alice().await;
    let answer = world.exchange(&alice, &[]).await;
    check(&world, "role expression in error", 0, &answer, "role_mapping_failed", &alice).await;

    // A realm that is not configured.
    let world = World::start().await;
    let path = "/realms/partner/protocol/openid-connect/token";
    let carol = world::login(world.address(), path, "partner-app", "partner-secret", "carol").await.access_token();
    let fields = [("client_id", "partner-app"), ("client_secret", "partner-secret")];
    let fields = form::changed(&exchange_fields(&carol), &fields);
    let answer = client::post(world.address(), path, &fields).await;
    check(&world, "realm without configuration", 0, &answer, "realm_unknown", &carol).await;

    // A token of an issuer that the realm trusts and the owner did not name.
    let before = world.audit_so_far();
    let answer = world.exchange(&carol, &[]).await;
    check(&world, "permission for another issuer", before, &answer, "issuer_not_permitted", &carol).await;

    // The identity provider has its own reasons, and its words are passed on.
    let bob = world.login("front-end-app", "front-end-secret", "bob").await;
    let before = world.audit_so_far();
    let answer = world.exchange(&bob, &[]).await;
    assert_eq!(answer.body, world.exchange_directly(&bob, &[]).await.body);
    check(&world, "no role there", before, &answer, "upstream_refused", &bob).await;
}

#[tokio::test]
async fn an_open_door_is_open() {
    let doors = "    signingKey: corp.pem\n    doors: { jwtBearer: open }";
    let world = Plan::new().await.configure("    signingKey: corp.pem", doors).start().await;
    let path = "/realms/partner/protocol/openid-connect/token";
    let carol = world::login(world.address(), path, "partner-app", "partner-secret", "carol").await.access_token();
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("client_id", "front-end-app"),
        ("client_secret", "front-end-secret"),
        ("assertion", &carol),
    ];
    client::post(world.address(), world::TOKEN_PATH, &fields).await.access_token();
}

/// Holds an answer and its audit line to the expected reason and to the golden file of the row's name.
async fn check(world: &World, name: &str, before: usize, answer: &client::Answer, reason: &str, token: &str) {
    assert_ne!(answer.status, 200, "{name}: {}", answer.text());
    assert_eq!(answer.header("cache-control"), "no-store", "{name}");
    assert_eq!(answer.header("content-type"), "application/json", "{name}");
    let line = world.audit_after(before).await;
    assert_eq!(line["reason"], reason, "{name}: {line}");
    let text = format!("{}\n{}\n{}", answer.status.as_u16(), answer.text(), golden::audit(&line));
    if token.len() > 1 {
        assert!(!text.contains(token.rsplit('.').next().filter(|s| s.len() > 1).unwrap_or(token)), "{name}: leaks");
    }
    golden::check(&format!("denied/{}.txt", name.replace([' ', '\''], "-").to_lowercase()), &text);
}

/// No reason is forgotten: each is provoked by a row here or by a scenario elsewhere.
#[test]
fn every_reason_is_provoked_somewhere() {
    let sources = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it")).unwrap();
    let text: String = sources
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    // A fault of ours or of a library, or what the demo's identity provider can't do: unit tests make these.
    let elsewhere = BTreeSet::from(["signing_failed"]);
    for reason in Reason::ALL {
        // The list above names its members once.
        let excused = elsewhere.contains(reason.as_str());
        let provoked = text.matches(&format!("\"{reason}\"")).count() > usize::from(excused);
        assert!(provoked != excused, "{reason}");
    }
}
