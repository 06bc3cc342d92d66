//! Refresh tokens of our own: what they bring, and what ends them.

mod upstream;

pub use self::upstream::used_upstream;

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::client::Answer;
use crate::support::files::BACK_END_API;
use crate::support::world::{Plan, TOKEN_PATH, World, login};
use crate::support::{client, form, golden, token};

const REFRESH_TOKEN: &str = "urn:ietf:params:oauth:token-type:refresh_token";
const REVOKE_PATH: &str = "/realms/corp/protocol/openid-connect/revoke";
const LOGOUT_PATH: &str = "/realms/corp/protocol/openid-connect/logout";
const PERMITTED: &str = "permissions:
  - { clients: [front-end-app], scopes: [email, profile], requestedTokens: [access_token, refresh_token] }
";

/// A world in which front-end-app may have refresh tokens for back-end-api.
pub async fn plan() -> Plan {
    let plan = Plan::new()
        .await
        .configure("    signingKey: corp.pem", "    signingKey: corp.pem\n    refreshTokens: { keyFiles: [seal.key] }");
    plan.folder.write("seal.key", cambio::adapters::seal::generate().unwrap().expose());
    plan.audience("back-end-api", &format!("{BACK_END_API}{PERMITTED}"))
}

async fn world() -> World {
    plan().await.start().await
}

/// Alice's exchange for back-end-api, with a refresh token.
pub async fn exchanged(world: &World, changes: &[(&str, &str)]) -> Answer {
    let alice = world.alice().await;
    let answer = world.exchange(&alice, &form::changed(&[("requested_token_type", REFRESH_TOKEN)], changes)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

pub fn refresh_token(answer: &Answer) -> String {
    let body = answer.json();
    body["refresh_token"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
}

/// Uses a refresh token as front-end-app.
pub async fn refresh(world: &World, token: &str, changes: &[(&str, &str)]) -> Answer {
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", "front-end-app"),
        ("client_secret", "front-end-secret"),
        ("refresh_token", token),
    ];
    client::post(world.address(), TOKEN_PATH, &form::changed(&fields, changes)).await
}

fn error(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.json()["error"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_refresh_brings_what_the_exchange_brought_and_nothing_more() {
    let world = world().await;
    let answer = exchanged(&world, &[]).await;
    assert_eq!(answer.json()["issued_token_type"], REFRESH_TOKEN);
    assert_eq!(answer.json()["token_type"], "Bearer");
    let first = refresh_token(&answer);
    assert!(first.starts_with("cambio_rt_"), "the upstream's never leaves unsealed");
    assert!(answer.json()["refresh_expires_in"].as_i64().unwrap() > 0);
    let before = token::claims(&answer.access_token());

    world.clock.advance(SignedDuration::from_mins(4));
    let answer = refresh(&world, &first, &[]).await;
    let after = token::claims(&answer.access_token());
    assert_eq!(after["exp"].as_i64().unwrap() - before["exp"].as_i64().unwrap(), 240);
    for claim in ["sub", "iss", "aud", "azp", "scope", "resource_access", "realm_access"] {
        assert_eq!(after[claim], before[claim], "{claim}");
    }
    assert_eq!(token::client_roles(&after, "back-end-api"), ["backend_user"]);
    assert_ne!(after["jti"], before["jti"]);
    assert_eq!(answer.json().get("issued_token_type"), None, "a refresh says nothing of it");
    assert_eq!(answer.header("cache-control"), "no-store");
    let second = refresh_token(&answer);
    assert_ne!(second, first);
    assert_eq!(refresh(&world, &second, &[]).await.status, 200, "and so on");
}

#[tokio::test]
async fn its_audit_lines() {
    let world = world().await;
    let before = world.audit_so_far();
    let token = refresh_token(&exchanged(&world, &[]).await);
    let exchange = world.audit_after(before).await;
    assert_eq!((&exchange["event"], &exchange["refresh_generation"]), (&json!("token_exchange"), &json!(0)));
    assert_eq!(refresh(&world, &token, &[]).await.status, 200);
    let line = world.audit_after(before + 1).await;
    assert_eq!(line["refresh_family"], exchange["refresh_family"]);
    assert_eq!(line["subject"], exchange["subject"]);
    golden::check("audit/refreshed.json", &golden::audit(&masked_jti(line)));
    assert_eq!(refresh(&world, &token, &[]).await.status, 400);
    let line = world.audit_after(before + 2).await;
    golden::check("audit/refresh_reused.json", &golden::audit(&line));
    let allowed = "cambio_own_token_requests_total{endpoint=\"refresh\",outcome=\"allowed\",realm=\"corp\"}";
    assert!((world.metric(allowed).await - 1.0).abs() < 0.1);
}

fn masked_jti(mut line: Value) -> Value {
    line["issued_jti"] = json!("[jti]");
    line
}

#[tokio::test]
async fn a_second_use_ends_the_whole_family() {
    let world = world().await;
    let first = refresh_token(&exchanged(&world, &[]).await);
    let second = refresh_token(&refresh(&world, &first, &[]).await);
    let reused = refresh(&world, &first, &[]).await;
    assert_eq!(error(&reused), (400, "invalid_grant".into()));
    assert_eq!(reused.json()["error_description"], "Maximum allowed refresh token reuse exceeded");
    let line = world.audit(3).await.pop().unwrap();
    assert_eq!(line["reason"], "refresh_token_reused");
    assert_eq!(error(&refresh(&world, &second, &[]).await), (400, "invalid_grant".into()), "the copy is of no use");
    let other = refresh_token(&exchanged(&world, &[]).await);
    assert_eq!(refresh(&world, &other, &[]).await.status, 200, "another family goes on");
}

#[tokio::test]
async fn two_at_once_are_one() {
    let world = world().await;
    let token = refresh_token(&exchanged(&world, &[]).await);
    let (one, other) = tokio::join!(refresh(&world, &token, &[]), refresh(&world, &token, &[]));
    let statuses = [one.status.as_u16(), other.status.as_u16()];
    assert!(statuses == [200, 400] || statuses == [400, 200], "{statuses:?}");
}

#[tokio::test]
async fn what_the_owner_takes_away_is_gone_at_the_next_refresh() {
    let world = world().await;
    let token = refresh_token(&exchanged(&world, &[]).await);
    let narrow = PERMITTED.replace("[email, profile]", "[email]");
    world.rewrite("audiences/back-end-api.yaml", &format!("{BACK_END_API}{narrow}")).await;
    let answer = refresh(&world, &token, &[]).await;
    let claims = token::claims(&answer.access_token());
    assert_eq!(claims["scope"], "email");
    assert_eq!(claims.get("preferred_username"), None, "a claim of profile");

    let token = refresh_token(&answer);
    world.rewrite("audiences/back-end-api.yaml", &format!("{BACK_END_API}{PERMITTED}")).await;
    let answer = refresh(&world, &token, &[]).await;
    assert_eq!(token::claims(&answer.access_token())["scope"], "email profile", "it was granted once");

    let token = refresh_token(&answer);
    world.permit(false).await;
    let refused = refresh(&world, &token, &[]).await;
    assert_eq!(error(&refused), (400, "invalid_grant".into()));
    assert_eq!(world.audit(4).await.pop().unwrap()["reason"], "client_not_permitted");
}

#[tokio::test]
async fn a_scope_may_be_narrowed_and_never_widened() {
    let world = world().await;
    let token = refresh_token(&exchanged(&world, &[("scope", "email")]).await);
    let wider = refresh(&world, &token, &[("scope", "email profile")]).await;
    assert_eq!(error(&wider), (400, "invalid_scope".into()));
    let answer = refresh(&world, &token, &[("scope", "email")]).await;
    assert_eq!(token::claims(&answer.access_token())["scope"], "email");

    let token = refresh_token(&exchanged(&world, &[]).await);
    let narrow = refresh(&world, &token, &[("scope", "profile")]).await;
    assert_eq!(token::claims(&narrow.access_token())["scope"], "profile");
    let again = refresh(&world, &refresh_token(&narrow), &[]).await;
    assert_eq!(token::claims(&again.access_token())["scope"], "email profile", "for that one token only");
}

#[tokio::test]
async fn a_session_that_ended_upstream_is_over() {
    let world = world().await;
    let fields = [
        ("grant_type", "password"),
        ("client_id", "front-end-app"),
        ("client_secret", "front-end-secret"),
        ("username", "alice"),
        ("password", "alice-password"),
    ];
    let logged_in = client::post(world.address(), TOKEN_PATH, &fields).await;
    let changes = [("requested_token_type", REFRESH_TOKEN)];
    let token = refresh_token(&world.exchange(&logged_in.access_token(), &changes).await);
    let logout = [
        ("client_id", "front-end-app"),
        ("client_secret", "front-end-secret"),
        ("refresh_token", logged_in.json()["refresh_token"].as_str().unwrap()),
    ]
    .map(|(name, value)| (name, value.to_owned()));
    let logout: Vec<(&str, &str)> = logout.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(client::post(world.address(), LOGOUT_PATH, &logout).await.status, 204);
    let refused = refresh(&world, &token, &[]).await;
    assert_eq!(error(&refused), (400, "invalid_grant".into()), "{}", refused.text());
    let line = world.audit(2).await.pop().unwrap();
    assert_eq!((&line["event"], &line["reason"]), (&json!("token_refresh"), &json!("upstream_refused")));
}

#[tokio::test]
async fn it_ends_with_its_time() {
    let file = format!("{BACK_END_API}{PERMITTED}").replace("lifetime: 5m", "lifetime: 5m, refreshLifetime: 20m");
    let world = plan().await.audience("back-end-api", &file).start().await;
    let answer = exchanged(&world, &[]).await;
    assert_eq!(answer.json()["refresh_expires_in"], 1200);
    let token = refresh_token(&answer);
    world.clock.advance(SignedDuration::from_mins(15));
    let answer = refresh(&world, &token, &[]).await;
    assert_eq!(answer.json()["refresh_expires_in"], 300, "using it does not prolong it");
    world.clock.advance(SignedDuration::from_mins(5));
    assert_eq!(error(&refresh(&world, &refresh_token(&answer), &[]).await), (400, "invalid_grant".into()));
}

#[tokio::test]
async fn nobody_else_has_any_use_for_it() {
    let world = world().await;
    let token = refresh_token(&exchanged(&world, &[]).await);
    let mut tampered = token.clone();
    let last = tampered.pop().unwrap();
    tampered.push(if last == 'A' { 'Q' } else { 'A' });
    let other = [("client_id", "reporting-app"), ("client_secret", "reporting-secret")];
    let rows: [(&str, &str, &[(&str, &str)], (u16, &str)); 6] = [
        ("another client", &token, &other, (400, "invalid_grant")),
        ("a wrong secret", &token, &[("client_secret", "wrong")], (401, "unauthorized_client")),
        ("no client", &token, &[("client_id", "-"), ("client_secret", "-")], (401, "invalid_client")),
        ("tampered", &tampered, &[], (400, "invalid_grant")),
        ("an audience", &token, &[("audience", "other-api")], (400, "invalid_request")),
        ("the prefix alone", "cambio_rt_", &[], (400, "invalid_grant")),
    ];
    for (name, token, changes, (status, code)) in rows {
        let answer = refresh(&world, token, changes).await;
        assert_eq!(error(&answer), (status, code.to_owned()), "{name}: {}", answer.text());
    }
    assert_eq!(refresh(&world, &token, &[]).await.status, 200, "and none of them used it up");
    let reasons: Vec<_> = world.audit(8).await.iter().map(|line| line["reason"].clone()).collect();
    assert!(reasons.contains(&json!("refresh_token_invalid")), "{reasons:?}");

    let path = "/realms/partner/protocol/openid-connect/token";
    let fields = [("grant_type", "refresh_token"), ("client_id", "front-end-app"), ("refresh_token", &token)];
    let elsewhere = client::post(world.address(), path, &fields).await;
    assert_eq!(error(&elsewhere), (400, "invalid_grant".into()), "a realm that is not configured");
}

#[tokio::test]
async fn the_upstreams_own_refresh_tokens_pass_as_they_did() {
    let world = world().await;
    let logged_in = login(world.address(), TOKEN_PATH, "front-end-app", "front-end-secret", "alice").await;
    let own = logged_in.json()["refresh_token"].as_str().unwrap().to_owned();
    let before = world.audit_so_far();
    let answer = refresh(&world, &own, &[]).await;
    assert_eq!(answer.status, 200);
    assert!(!refresh_token(&answer).starts_with("cambio_rt_"));
    assert_eq!(world.audit_so_far(), before);
}

#[tokio::test]
async fn a_new_seal_key_takes_over_while_the_old_one_opens() {
    let world = world().await;
    let token = refresh_token(&exchanged(&world, &[]).await);
    world.folder.write("new.key", cambio::adapters::seal::generate().unwrap().expose());
    let text = world.folder.read("cambio.yaml");
    world.rewrite("cambio.yaml", &text.replace("[seal.key]", "[new.key, seal.key]")).await;
    let answer = refresh(&world, &token, &[]).await;
    world.rewrite("cambio.yaml", &text.replace("[seal.key]", "[new.key]")).await;
    let answer = refresh(&world, &refresh_token(&answer), &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn who_is_not_permitted_one_gets_none() {
    let world = plan()
        .await
        .audience("back-end-api", &format!("{BACK_END_API}{}", PERMITTED.replace(", refresh_token", "")))
        .start()
        .await;
    let answer = world.exchange(&world.alice().await, &[("requested_token_type", REFRESH_TOKEN)]).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    let answer = world.exchange(&world.alice().await, &[]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json().get("refresh_token"), None);
}

/// Keycloak's JWT authorization grant begins no session, so that there is no refresh token to ask Keycloak for.
#[tokio::test]
async fn a_translated_token_has_no_refresh_token() {
    let file = format!(
        "{BACK_END_API}permissions:\n  - {{ clients: [front-end-app], issuers: [partner], issuance: translate, \
         scopes: [email], requestedTokens: [access_token, refresh_token] }}\n"
    );
    let world = plan().await.audience("back-end-api", &file).start().await;
    let shown = client::get_by_address(world.cambio.admin, "/config").await.json();
    let broken = shown["brokenAudienceFiles"].to_string();
    assert!(broken.contains("refresh_token is not possible with `issuance: translate`"), "{broken}");
    let before = world.audit_so_far();
    assert_eq!(world.exchange(&world.alice().await, &[]).await.status, 403);
    assert_eq!(world.audit_after(before).await["reason"], "audience_misconfigured");
}

/// Nobody is asked upstream: the claims of then, the files of now.
#[tokio::test]
async fn a_minted_token_is_issued_again_for_a_foreign_subject() {
    let file = format!(
        "{BACK_END_API}permissions:\n  - {{ clients: [front-end-app], issuers: [partner], issuance: mint, oneTime: true, \
         scopes: [email], requestedTokens: [refresh_token] }}\n"
    );
    let world = plan().await.audience("back-end-api", &file).start().await;
    let path = "/realms/partner/protocol/openid-connect/token";
    let carol = login(world.idp.address(), path, "partner-app", "partner-secret", "carol").await.access_token();
    let answer = world.exchange(&carol, &[("requested_token_type", REFRESH_TOKEN)]).await;
    let before = token::claims(&answer.access_token());
    assert_eq!(answer.json()["issued_token_type"], REFRESH_TOKEN);
    world.clock.advance(SignedDuration::from_mins(10));
    let wrong = refresh(&world, &refresh_token(&answer), &[("client_secret", "wrong")]).await;
    assert_eq!(wrong.status, 401, "{}", wrong.text());
    let answer = refresh(&world, &refresh_token(&answer), &[]).await;
    let after = token::claims(&answer.access_token());
    for claim in ["sub", "aud", "azp", "iss"] {
        assert_eq!(after[claim], before[claim], "{claim}");
    }
    assert_ne!(after["jti"], before["jti"]);
    assert_eq!(after["exp"].as_i64().unwrap() - world.now(), 300);
    assert_eq!(refresh(&world, &refresh_token(&answer), &[]).await.status, 200);
}

/// A foreign issuer is not asked again, so its users' refresh tokens last an hour, whatever the audience's file says.
#[tokio::test]
async fn a_foreign_subjects_refresh_tokens_end_after_an_hour() {
    let file = format!(
        "{BACK_END_API}permissions:\n  - {{ clients: [front-end-app], issuers: [partner], issuance: mint, \
         scopes: [email], requestedTokens: [refresh_token] }}\n"
    );
    let file = file.replace("token: { lifetime: 5m }", "token: { lifetime: 5m, refreshLifetime: 12h }");
    let world = plan().await.audience("back-end-api", &file).start().await;
    let path = "/realms/partner/protocol/openid-connect/token";
    let carol = login(world.idp.address(), path, "partner-app", "partner-secret", "carol").await.access_token();
    let answer = world.exchange(&carol, &[("requested_token_type", REFRESH_TOKEN)]).await;
    world.clock.advance(SignedDuration::from_mins(59));
    let second = refresh(&world, &refresh_token(&answer), &[]).await;
    assert_eq!(second.status, 200, "{}", second.text());
    world.clock.advance(SignedDuration::from_mins(2));
    assert_eq!(error(&refresh(&world, &refresh_token(&second), &[]).await), (400, "invalid_grant".into()));
}
