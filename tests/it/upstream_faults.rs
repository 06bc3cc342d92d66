//! The identity provider is away, slow or out of its mind.

use cambio::demo::{Endpoint, Fault};
use serde_json::json;

use crate::support::client;
use crate::support::world::{TOKEN_PATH, World, login, until};

#[tokio::test]
async fn each_fault_has_its_answer_and_its_reason() {
    let world = World::start().await;
    let alice = world.alice().await;
    world.exchange(&alice, &[]).await.access_token();
    let json_answer = |body: &str| Fault::Answer(200, "application/json", body.into());
    let rows = [
        ("closes at once", Fault::CloseAtOnce, "upstream_unavailable", [502, 503]),
        ("closes in the body", Fault::CloseMidBody, "upstream_garbage", [502, 502]),
        (
            "HTML with 200",
            Fault::Answer(200, "text/html", "<h1>hello</h1>".into()),
            "upstream_garbage",
            [502, 502],
        ),
        ("no JSON", json_answer("{"), "upstream_garbage", [502, 502]),
        ("JSON without a token", json_answer("{}"), "upstream_garbage", [502, 502]),
        (
            "token that is none",
            json_answer(&json!({"access_token": 1}).to_string()),
            "upstream_garbage",
            [502, 502],
        ),
        (
            "5 MB",
            json_answer(&format!("{{\"access_token\":\"{}\"}}", "x".repeat(5 << 20))),
            "upstream_garbage",
            [502, 502],
        ),
        ("hangs", Fault::Hang, "upstream_timeout", [504, 504]),
    ];
    for (name, fault, reason, statuses) in rows {
        world.idp.faults().set(Endpoint::Token, fault);
        let before = world.audit_so_far();
        let answer = world.exchange(&alice, &[]).await;
        assert!(statuses.contains(&answer.status.as_u16()), "{name}: {} {}", answer.status, answer.text());
        let line = world.audit_after(before).await;
        assert_eq!(line["reason"], reason, "{name}: {line}");
        world.idp.faults().clear();
        world.exchange(&alice, &[]).await.access_token();
    }
}

#[tokio::test]
async fn its_own_errors_are_passed_on() {
    let world = World::start().await;
    let alice = world.alice().await;
    for status in [400, 401, 403, 429] {
        let body = json!({"error": "x", "error_description": format!("because {status}")}).to_string();
        world.idp.faults().set(Endpoint::Token, Fault::Answer(status, "application/json", body.clone()));
        let before = world.audit_so_far();
        let answer = world.exchange(&alice, &[]).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (status, body));
        assert_eq!(world.audit_after(before).await["reason"], "upstream_refused");
    }
}

/// A server error is no word of OAuth: it says nothing to a caller that the text of a page could not spoil.
#[tokio::test]
async fn its_faults_are_not() {
    let world = World::start().await;
    let alice = world.alice().await;
    for status in [302, 500, 503] {
        world.idp.faults().set(Endpoint::Token, Fault::Answer(status, "text/html", "<h1>inside</h1>".into()));
        let before = world.audit_so_far();
        let answer = world.exchange(&alice, &[]).await;
        assert_eq!(answer.status, 502, "{status}");
        assert!(!answer.text().contains("inside"));
        let line = world.audit_after(before).await;
        assert_eq!((&line["reason"], &line["upstream_status"]), (&json!("upstream_garbage"), &json!(status)));
    }
}

#[tokio::test]
async fn stopped_and_restarted_with_other_keys() {
    let mut world = World::start().await;
    let port = world.idp.address().port();
    let alice = world.alice().await;
    world.exchange(&alice, &[]).await.access_token();

    let spare = world.start_idp(0).await;
    std::mem::replace(&mut world.idp, spare).stop().await;
    let answer = world.exchange(&alice, &[]).await;
    assert!([502, 503].contains(&answer.status.as_u16()), "{}", answer.text());
    let pass = login(world.address(), TOKEN_PATH, "front-end-app", "front-end-secret", "alice").await;
    assert!([502, 503].contains(&pass.status.as_u16()), "{}", pass.text());
    assert_eq!(client::get(world.cambio.admin, "/livez").await.status, 200);
    assert_eq!(client::get(world.cambio.admin, "/readyz").await.status, 200, "ready is about us");
    assert_ne!(client::get(world.cambio.admin, "/readyz?include=upstream").await.status, 200);

    world.idp = world.start_idp(port).await;
    world.idp.rotate("corp", false).unwrap();
    world.clock.advance(jiff::SignedDuration::from_secs(11));
    until("an exchange with the new keys", async || {
        (world.exchange(&world.alice().await, &[]).await.status == 200).then_some(())
    })
    .await;
    let old = world.exchange(&alice, &[]).await;
    assert_ne!(old.status, 200, "the old key is gone");
}

#[tokio::test]
async fn a_caller_that_hangs_up_leaves_a_line_too() {
    let world = World::start().await;
    let alice = world.alice().await;
    world.exchange(&alice, &[]).await.access_token();
    world.idp.faults().set(Endpoint::Token, Fault::Hang);
    let arrived = world.idp.faults().arrived();
    let address = world.address();
    let fields: Vec<_> = crate::support::world::exchange_fields(&alice)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
    let asking = tokio::spawn(async move {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        client::post(address, TOKEN_PATH, &fields).await
    });
    world.idp.faults().reached(arrived + 1).await;
    asking.abort();
    let _ = asking.await;
    let line = world.audit_after(1).await;
    assert!(["caller_gone", "upstream_timeout"].contains(&line["reason"].as_str().unwrap()), "{line}");
}
