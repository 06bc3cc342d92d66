//! `refreshTokens.keepSessions`: the refresh tokens of minted tokens keep the session of the login alive, and end it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::refresh_tokens::{plan, refresh, refresh_token};
use crate::support::files::BACK_END_API;
use crate::support::world::{TOKEN_PATH, World, login};
use crate::support::{client, form, lenient, token};

const REFRESH_TOKEN: &str = "urn:ietf:params:oauth:token-type:refresh_token";
const LOGOUT: &str = "/realms/corp/protocol/openid-connect/logout";

const KEPT: &str = "permissions:
  - { clients: [front-end-app], scopes: [openid, offline_access], requestedTokens: [access_token, refresh_token] }
issuance: mint
";

/// A world in which Cambio's own client keeps the sessions of minted tokens.
async fn keeping(settings: &str) -> World {
    let plan = plan().await;
    plan.folder.write("cambio-secret", "cambio-secret\n");
    let directory = "    directory: { clientId: cambio, clientSecretFile: cambio-secret, cacheFor: 0s }\n";
    let file = format!("{BACK_END_API}{KEPT}").replace("{ own: true }", "{ own: true, source: directory }");
    plan.configure("keyFiles: [seal.key]", &format!("keyFiles: [seal.key]{settings}"))
        .configure("    signingKey: corp.pem\n", &format!("    signingKey: corp.pem\n{directory}"))
        .audience("back-end-api", &file)
        .start()
        .await
}

/// Alice's login, with a token that names Cambio's own client.
async fn kept_login(world: &World) -> (String, Value) {
    let login = login(world.address(), TOKEN_PATH, "front-end-app", "front-end-secret", "alice").await.json();
    let mut claims = token::claims(login["access_token"].as_str().unwrap());
    claims["aud"] = json!(["front-end-app", "cambio"]);
    (world.sign(&claims), login)
}

async fn log_out(world: &World, token: &str) -> u16 {
    let credentials = [("client_id", "front-end-app"), ("client_secret", "front-end-secret")];
    let fields = form::changed(&credentials, &[("refresh_token", token)]);
    client::post(world.address(), LOGOUT, &fields).await.status.as_u16()
}

/// What Cambio's own client sent to the token and logout endpoints since the test forgot the requests: grants and tokens.
fn sent_by_cambio(world: &World) -> Vec<(String, Option<String>)> {
    let received = world.idp.faults().received().into_iter();
    let requests = received.filter_map(|one| {
        let fields = lenient::pairs(&one.body);
        let field = |name: &str| fields.iter().find(|field| field.0 == name).map(|field| field.1.clone());
        let grant = field("grant_type").unwrap_or_else(|| "logout".to_owned());
        (field("client_id")? == "cambio" && grant != "client_credentials").then(|| (grant, field("refresh_token")))
    });
    requests.collect()
}

/// Each refresh of a minted token is one of the session, too, with a new refresh token of the identity provider each time.
#[tokio::test]
async fn a_minted_token_keeps_the_session_where_the_realm_says_so() {
    for (settings, keeps) in [(", keepSessions: true, reuse: 30s", true), (", reuse: 30s", false)] {
        let world = keeping(settings).await;
        let (subject, _) = kept_login(&world).await;
        world.idp.faults().forget();
        let answer = world.exchange(&subject, &[("requested_token_type", REFRESH_TOKEN), ("scope", "openid")]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let used = refresh_token(&answer);
        let next = refresh_token(&refresh(&world, &used, &[]).await);
        assert_eq!(refresh_token(&refresh(&world, &used, &[]).await), next);
        let last = refresh(&world, &next, &[]).await;
        assert_eq!(last.status, 200, "{}", last.text());
        let sent = sent_by_cambio(&world);
        if !keeps {
            assert_eq!(sent, [], "{settings}");
            continue;
        }
        assert_eq!(sent[0].0, "urn:ietf:params:oauth:grant-type:token-exchange");
        let refreshes: BTreeSet<_> = sent[1..].iter().map(|one| one.1.clone()).collect();
        assert_eq!((sent.len(), refreshes.len()), (4, 3), "{sent:?}");
        assert!(!answer.text().contains(refreshes.first().unwrap().as_deref().unwrap()), "it never leaves");
        // The session has ended: so says the identity provider's own refresh.
        let before = world.audit_so_far();
        world.idp.faults().forget();
        assert_eq!(log_out(&world, &refresh_token(&last)).await, 204);
        assert_eq!(sent_by_cambio(&world).iter().map(|one| one.0.as_str()).collect::<Vec<_>>(), ["logout"]);
        assert_eq!(world.audit_after(before).await["outcome"], "allowed");
        assert_eq!(refresh(&world, &refresh_token(&last), &[]).await.status, 400);
    }
}

#[tokio::test]
async fn a_logout_of_a_kept_session_is_a_logout_of_all() {
    let world = keeping(", keepSessions: true").await;
    let (subject, login) = kept_login(&world).await;
    let asked = [("requested_token_type", REFRESH_TOKEN), ("scope", "openid")];
    let (one, other) = (world.exchange(&subject, &asked).await, world.exchange(&subject, &asked).await);
    assert_eq!(log_out(&world, &refresh_token(&one)).await, 204);
    assert_eq!(refresh(&world, login["refresh_token"].as_str().unwrap(), &[]).await.status, 400, "the login's own");
    let before = world.audit_so_far();
    assert_eq!(refresh(&world, &refresh_token(&other), &[]).await.status, 400);
    assert_eq!(world.audit_after(before).await["detail"], "the user's session has ended");
}

/// Without a part in the session there is no refresh token; an offline one needs none.
#[tokio::test]
async fn a_session_that_cambio_can_not_keep_gives_no_refresh_token() {
    let world = keeping(", keepSessions: true").await;
    let alice = world.alice().await;
    let before = world.audit_so_far();
    let answer = world.exchange(&alice, &[("requested_token_type", REFRESH_TOKEN), ("scope", "openid")]).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    let line = world.audit_after(before).await;
    assert_eq!(line["reason"], "refresh_token_refused");
    assert!(line["detail"].as_str().unwrap().contains("realms.*.directory.clientId"), "{line}");
    world.idp.faults().forget();
    let asked = [("requested_token_type", REFRESH_TOKEN), ("scope", "openid offline_access")];
    let offline = world.exchange(&alice, &asked).await;
    assert_eq!(refresh(&world, &refresh_token(&offline), &[]).await.status, 200);
    assert_eq!(sent_by_cambio(&world), []);
}

/// Only `invalid_grant` is about the session. Any other refusal says nothing about the refresh token, which stays good.
#[tokio::test]
async fn a_refusal_that_is_not_about_the_session_does_not_end_it() {
    for (name, status, body, expected, reason) in [
        ("the client", 400, r#"{"error":"invalid_client"}"#, 503, "directory_unavailable"),
        (
            "the request",
            400,
            r#"{"error":"invalid_request","error_description":"invalid_grant"}"#,
            503,
            "directory_unavailable",
        ),
        ("no OAuth", 400, "<h1>bad request</h1>", 503, "directory_unavailable"),
        ("too long to be read", 400, "", 503, "directory_unavailable"),
        ("busy", 429, "{}", 503, "directory_unavailable"),
        ("the session", 400, r#"{"error":"invalid_grant"}"#, 400, "refresh_token_invalid"),
    ] {
        let world = keeping(", keepSessions: true").await;
        let (subject, _) = kept_login(&world).await;
        let answer = world.exchange(&subject, &[("requested_token_type", REFRESH_TOKEN), ("scope", "openid")]).await;
        let used = refresh_token(&answer);
        let long = format!("{{\"error\":\"invalid_grant\",\"x\":\"{}\"}}", "x".repeat(2 << 20));
        world.idp.faults().answer_at(TOKEN_PATH, status, if body.is_empty() { &long } else { body });
        let before = world.audit_so_far();
        let refused = refresh(&world, &used, &[]).await;
        assert_eq!(refused.status, expected, "{name}: {}", refused.text());
        assert_eq!(world.audit_after(before).await["reason"], reason, "{name}");
        world.idp.faults().clear();
        if expected == 503 {
            assert_eq!(refresh(&world, &used, &[]).await.status, 200, "{name}");
        }
    }
}
