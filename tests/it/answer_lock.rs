//! The answer lock and the contract: what the identity provider says is not trusted.

use http::Request;
use serde_json::json;

use crate::support::client::NoAnswer;
use crate::support::echo::{self, Echo};
use crate::support::faults::{Endpoint, Fault};
use crate::support::files::{BACK_END_API, PERMITTED};
use crate::support::tamper::Tamper;
use crate::support::world::{Plan, TOKEN_PATH, World, login};
use crate::support::{client, raw, token};

const ALL_REALM_ROLES: &str = "{ own: true, realm: [default-roles-corp, offline_access, uma_authorization, auditor] }";

/// A world in which back-end-api's tokens are forwarded as they are.
async fn forwarding() -> World {
    let file = format!("{BACK_END_API}{PERMITTED}issuance: forward\n");
    let file = file.replace("{ own: true }", ALL_REALM_ROLES).replace("lifetime: 5m", "claims: [department, groups]");
    Plan::new().await.audience("back-end-api", &file).start().await
}

#[tokio::test]
async fn an_answer_outside_the_contract_is_withheld() {
    let rows: [(&str, Tamper, &str, u16); 15] = [
        ("another audience", Tamper::Audience("other-api"), "answer_audience", 502),
        ("a realm role more", Tamper::RealmRole("admin"), "answer_roles", 403),
        ("another client's role", Tamper::ClientRole("other-api", "other_user"), "answer_roles", 403),
        ("roles in a flat claim", Tamper::Claim("roles"), "answer_claims", 403),
        ("entitlements", Tamper::Claim("entitlements"), "answer_claims", 403),
        ("roles in a claim of any name", Tamper::Claim("https://example.org/permissions"), "answer_claims", 403),
        ("roles in a standard claim", Tamper::Claim("name"), "answer_claims", 403),
        ("the mark of an impersonation", Tamper::Claim("impersonated"), "answer_claims", 403),
        ("a scope more", Tamper::Scope("phone"), "answer_scope", 403),
        ("lives too long", Tamper::Lifetime(3600), "answer_lifetime", 403),
        ("another subject", Tamper::Subject("bob"), "answer_subject", 502),
        ("another token type", Tamper::TokenType("DPoP"), "answer_token_type", 502),
        ("no issued token type", Tamper::DropIssuedTokenType, "answer_token_type", 502),
        ("a foreign signature", Tamper::ForeignKey, "answer_signature", 502),
        ("expired at birth", Tamper::Lifetime(-60), "answer_lifetime", 403),
    ];
    let world = forwarding().await;
    let alice = world.alice().await;
    world.exchange(&alice, &[]).await.access_token();
    for (name, tamper, reason, status) in rows {
        world.idp.faults().clear();
        world.idp.faults().tamper(tamper.clone());
        let before = world.audit_so_far();
        let answer = world.exchange(&alice, &[]).await;
        // 403: the identity provider would grant more than the owner does. 502: it did something else than it was asked.
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        assert!(!answer.text().contains("access_token"), "{name}");
        assert_eq!(world.audit_after(before).await["reason"], reason, "{name}");
    }
}

/// A refresh token would bring back every role that the contract took away.
#[tokio::test]
async fn a_refresh_token_that_nobody_asked_for_is_not_handed_out() {
    for world in [forwarding().await, World::start().await] {
        let alice = world.alice().await;
        world.idp.faults().tamper(Tamper::RefreshToken);
        let direct = world.exchange_directly(&alice, &[]).await.json();
        assert!(direct["refresh_token"].is_string(), "{direct}");
        let answer = world.exchange(&alice, &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.json().get("refresh_token").is_none());
    }
}

/// `reissue` narrows roles, scope and lifetime; what it can't narrow it refuses.
#[tokio::test]
async fn reissue_narrows_or_refuses() {
    let world = World::start().await;
    let alice = world.alice().await;
    for tamper in [Tamper::RealmRole("admin"), Tamper::ClientRole("other-api", "x"), Tamper::Lifetime(3600)] {
        world.idp.faults().clear();
        world.idp.faults().tamper(tamper.clone());
        let claims = token::claims(&world.exchange(&alice, &[]).await.access_token());
        assert_eq!(token::realm_roles(&claims), [""; 0], "{tamper:?}");
        assert_eq!(token::role_clients(&claims), ["back-end-api"], "{tamper:?}");
        assert!(claims["exp"].as_i64().unwrap() - world.now() <= 300, "{tamper:?}");
    }
    for (tamper, reason) in [
        (Tamper::Audience("other-api"), "answer_audience"),
        (Tamper::Subject("bob"), "answer_subject"),
        (Tamper::ForeignKey, "answer_signature"),
        (Tamper::TokenType("DPoP"), "answer_token_type"),
    ] {
        world.idp.faults().clear();
        world.idp.faults().tamper(tamper.clone());
        let before = world.audit_so_far();
        let answer = world.exchange(&alice, &[]).await;
        assert!(answer.status.is_server_error(), "{tamper:?}: {}", answer.text());
        assert_eq!(world.audit_after(before).await["reason"], reason, "{tamper:?}");
    }
}

/// An answer with the marks of an exchange that comes from another grant or another path.
#[tokio::test]
async fn marks_of_an_exchange_leave_through_the_pipeline_only() {
    let world = World::start().await;
    let body = json!({"access_token": "x.y.z", "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"});
    world.idp.faults().set(Endpoint::Token, Fault::Answer(200, "application/json", body.to_string()));
    let answer = login(world.address(), TOKEN_PATH, "front-end-app", "front-end-secret", "alice").await;
    // Somebody's exchange got past the request lock: denied, as any exchange without a permission.
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert!(!answer.text().contains("x.y.z"));
    let line = world.audit(1).await.remove(0);
    assert_eq!((&line["reason"], &line["event"]), (&json!("answer_locked"), &json!("answer_withheld")));
    assert!(world.metric("cambio_answers_withheld_total").await > 0.0);

    let echo = Echo::start().await;
    let world = Plan::new().await.before(echo.address).start().await;
    let request = Request::post("/marks").body("a=b".into()).unwrap();
    let answer = client::send(world.address(), request).await;
    assert!(!answer.text().contains("issued_token_type"), "{}", answer.text());
    let line = world.audit(1).await.remove(0);
    assert_eq!((&line["reason"], &line["event"]), (&json!("answer_locked"), &json!("answer_withheld")));
}

/// Longer JSON than any token answer streams, still read, and is cut where the mark appears.
#[tokio::test]
async fn a_late_mark_cuts_a_long_answer() {
    let echo = Echo::start().await;
    let world = Plan::new().await.before(echo.address).start().await;
    let long = client::get(world.address(), "/long-json").await;
    assert_eq!(long.body.len(), echo::LONG_JSON + 2, "without a mark it passes whole");
    let request = Request::get("/late-mark").body("".into()).unwrap();
    let answer = client::try_send(world.address(), request).await;
    assert!(matches!(answer, Err(NoAnswer::Broken)), "{answer:?}");
    let got = raw::send(world.address(), b"GET /late-mark HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(got.body.len() > 256 * 1024, "it had begun: {}", got.body.len());
    assert!(!got.text().contains("secret-token"), "what stands after the mark stays here");
}

/// A content coding hides the marks: we don't ask for one, and an answer that has one all the same is withheld.
#[tokio::test]
async fn a_coded_answer_does_not_hide_its_marks() {
    let world = World::start().await;
    world.idp.faults().set(Endpoint::Token, Fault::Gzip);
    let alice = login(world.idp.address(), TOKEN_PATH, "front-end-app", "front-end-secret", "alice").await;
    assert_eq!(alice.header("content-encoding"), "gzip");
    world.idp.faults().clear();
    let alice = world.alice().await;
    world.idp.faults().set(Endpoint::Token, Fault::Gzip);
    let answer = world.exchange(&alice, &[]).await;
    assert!(answer.status.is_server_error(), "{}", answer.status);
    world.idp.faults().clear();
    world.idp.faults().forget();
    let mut request = client::form_request(TOKEN_PATH, &crate::support::world::exchange_fields(&alice));
    request.headers_mut().insert("accept-encoding", "gzip, br".parse().unwrap());
    client::send(world.address(), request).await.access_token();
    for received in world.idp.faults().received().iter().filter(|received| received.method == "POST") {
        let accepted = received.headers.get("accept-encoding").map_or("identity", |v| v.to_str().unwrap());
        assert_eq!(accepted, "identity");
    }
}
