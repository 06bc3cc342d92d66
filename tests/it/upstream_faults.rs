//! The identity provider is away, slow or out of its mind.

use bytes::Bytes;
use http::Request;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::client::{self, NoAnswer};
use crate::support::echo::Echo;
use crate::support::faults::{Endpoint, Fault};
use crate::support::world::{CERTS_PATH, DISCOVERY_PATH, Plan, TOKEN_PATH, World, exchange_fields, login, until};

#[tokio::test]
async fn each_fault_has_its_answer_and_its_reason() {
    let world = World::start().await;
    let alice = world.alice().await;
    world.exchange(&alice, &[]).await.access_token();
    let json_answer = |body: &str| Fault::Answer(200, "application/json", body.into());
    let rows = [
        ("closes at once", Fault::CloseAtOnce, "upstream_unavailable", [502, 503]),
        ("closes in the body", Fault::CloseMidBody, "upstream_garbage", [502, 502]),
        ("HTML with 200", Fault::Answer(200, "text/html", "<h1>hello</h1>".into()), "upstream_garbage", [502, 502]),
        ("no JSON", json_answer("{"), "upstream_garbage", [502, 502]),
        ("JSON without a token", json_answer("{}"), "upstream_garbage", [502, 502]),
        ("token that is none", json_answer(&json!({"access_token": 1}).to_string()), "upstream_garbage", [502, 502]),
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
    for status in [400, 401, 403] {
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
    for status in [302, 500, 504] {
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

/// What passes is answered, too, or ends where it was cut; nothing hangs, nothing is made up.
#[tokio::test]
async fn each_fault_on_what_passes_has_its_answer() {
    let world = World::start().await;
    let alice = world.alice().await;
    let userinfo = || {
        let path = "/realms/corp/protocol/openid-connect/userinfo";
        let request = Request::get(path).header("authorization", format!("Bearer {alice}"));
        client::send(world.address(), request.body(Bytes::new()).unwrap())
    };
    let html = "<h1>Service Unavailable</h1>";
    for (name, fault, status, body) in [
        ("closes at once", Fault::CloseAtOnce, 502, None),
        ("closes in the body", Fault::CloseMidBody, 502, None),
        ("hangs", Fault::Hang, 504, None),
        ("HTML with 503", Fault::Answer(503, "text/html", html.into()), 503, Some(html)),
        ("JSON that is none", Fault::Answer(200, "application/json", "{".into()), 200, Some("{")),
    ] {
        world.idp.faults().set(Endpoint::Userinfo, fault);
        let answer = userinfo().await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        assert!(body.is_none_or(|body| answer.text() == body), "{name}: {}", answer.text());
        world.idp.faults().clear();
        assert_eq!(userinfo().await.status, 200, "{name}: and then it works");
    }
    assert_eq!(world.audit_so_far(), 0);
}

/// A body that had begun to leave can only be cut: its caller must not take it for whole.
#[tokio::test]
async fn a_body_that_dies_on_its_way_is_cut_for_the_caller_too() {
    let echo = Echo::start().await;
    let world = Plan::new().await.before(echo.address).start().await;
    for (name, path) in [("dies", "/cut"), ("falls silent for longer than idleTimeout", "/slow")] {
        let request = Request::get(path).body(Bytes::new()).unwrap();
        let answer = client::try_send(world.address(), request).await;
        assert!(matches!(answer, Err(NoAnswer::Broken)), "{name}: {answer:?}");
    }
}

/// Bytes that are no HTTP at all, to an exchange and to what passes.
#[tokio::test]
async fn bytes_that_are_no_http_are_a_bad_gateway() {
    let mut world = World::start().await;
    let alice = world.alice().await;
    world.exchange(&alice, &[]).await.access_token();
    let upstream = world.idp.address();
    let spare = world.start_idp(0).await;
    std::mem::replace(&mut world.idp, spare).stop().await;
    let listener = TcpListener::bind(upstream).await.unwrap();
    let babbling = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n\r\n").await;
        }
    });
    let answer = world.exchange(&alice, &[]).await;
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert_eq!(world.audit(2).await[1]["reason"], "upstream_garbage");
    assert_eq!(client::get(world.address(), "/admin/").await.status, 502);
    assert_eq!(client::get(world.address(), CERTS_PATH).await.status, 200, "from the cache");
    assert_eq!(client::get(world.address(), DISCOVERY_PATH).await.status, 502, "never had it");
    babbling.abort();
}

#[tokio::test]
async fn a_caller_that_hangs_up_leaves_one_line() {
    let world = World::start().await;
    let alice = world.alice().await;
    world.exchange(&alice, &[]).await.access_token();
    world.idp.faults().set(Endpoint::Token, Fault::Hang);
    let arrived = world.idp.faults().arrived();
    let request = client::form_request(TOKEN_PATH, &exchange_fields(&alice));
    let asking = tokio::spawn(client::send(world.address(), request));
    world.idp.faults().reached(arrived + 1).await;
    asking.abort();
    let _ = asking.await;
    let line = world.audit_after(1).await;
    let said = (&line["reason"], &line["status"], &line["outcome"], &line["client"]);
    assert_eq!(said, (&json!("caller_gone"), &json!(499), &json!("failed"), &json!("front-end-app")), "{line}");
    world.idp.faults().clear();
    world.exchange(&alice, &[]).await.access_token();
    assert_eq!(world.audit(3).await.len(), 3, "one line for each");
    let metric = "cambio_exchange_refusals_total{realm=\"corp\",reason=\"caller_gone\"}";
    assert!((world.metric(metric).await - 1.0).abs() < 0.5);
}
