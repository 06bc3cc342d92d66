//! Peers that are slow, stubborn or busy, and answers that are long or slow.

use http::Request;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::outgoing;
use crate::support::client::{self, DEADLINE, NoAnswer};
use crate::support::echo::Echo;
use crate::support::faults::{Endpoint, Fault};
use crate::support::raw;
use crate::support::world::{Plan, TOKEN_PATH, World, login, until};

/// A caller who can't have a turn is told so, and Cambio's own requests have theirs.
#[tokio::test]
async fn a_request_without_a_turn_is_told_to_come_back() {
    let echo = Echo::start().await;
    let plan = Plan::new().await.before(echo.address);
    let world = plan.configure("  connectTimeout: 1s", "  connectTimeout: 1s\n  maxConnections: 2").start().await;
    let mut holder = TcpStream::connect(world.address()).await.unwrap();
    holder.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut beginning = vec![0; 4096];
    assert_ne!(holder.read(&mut beginning).await.unwrap(), 0, "the holder has the only turn of callers");
    let refused = client::get(world.address(), "/echo").await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "1"), "{}", refused.text());
    assert_eq!(refused.json()["error"], "temporarily_unavailable");
    assert!(!refused.header("x-correlation-id").is_empty());
    assert!((world.metric("cambio_upstream_faults_total{reason=\"upstream_busy\"}").await - 1.0).abs() < 0.1);
    let ready = client::get(world.cambio.admin, "/readyz?include=upstream").await;
    assert_eq!(ready.status, 200, "{}", ready.text());
    echo.release();
    until("a turn", async || (client::get(world.address(), "/echo").await.status == 200).then_some(())).await;
}

/// An identity provider that asks for patience is not an identity provider that answers nonsense.
#[tokio::test]
async fn a_busy_identity_provider_stays_one() {
    let world = World::start().await;
    let alice = world.alice().await;
    for (status, said, expected) in [
        (503, "120", "120"),
        (429, "7", "7"),
        (503, "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT"),
        (503, "when node-17 is back", ""),
    ] {
        world.idp.faults().set(Endpoint::Token, Fault::Busy(status, said));
        let before = world.audit_so_far();
        let answer = world.exchange(&alice, &[]).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, expected), "{status} {said}");
        assert_eq!(answer.json()["error"], "temporarily_unavailable");
        assert!(!answer.text().contains("node-17"), "{}", answer.text());
        let line = world.audit_after(before).await;
        assert_eq!((&line["reason"], &line["upstream_status"]), (&json!("upstream_busy"), &json!(status)), "{line}");
        // A login sees what the identity provider said.
        let login = login(world.address(), TOKEN_PATH, "front-end-app", "front-end-secret", "alice").await;
        assert_eq!((login.status.as_u16(), login.header("retry-after")), (status, said));
        assert!(login.text().contains("node-17"));
    }
}

/// Keys that can't be had because their server is busy.
#[tokio::test]
async fn busy_keys_are_told_to_the_caller() {
    let world = Plan::new().await;
    world.idp.faults().set(Endpoint::Certs, Fault::Busy(503, "45"));
    let world = world.start().await;
    let alice = login(world.idp.address(), TOKEN_PATH, "front-end-app", "front-end-secret", "alice").await;
    let answer = world.exchange(&alice.access_token(), &[]).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "45"), "{}", answer.text());
}

/// So it is wherever Cambio asks on its own behalf.
#[tokio::test]
async fn a_busy_identity_provider_stays_one_for_cambios_own_questions() {
    for (name, issuance, endpoint, changes, reason) in [
        ("stillActive", "reissue", Endpoint::Introspect, &[][..], "introspection_unavailable"),
        ("roles of the directory", "mint", Endpoint::Admin, &[], "directory_unavailable"),
        (
            // The answer about another secret is not remembered.
            "who the client is",
            "mint",
            Endpoint::Introspect,
            &[("client_secret", "new")],
            "client_authentication_unavailable",
        ),
    ] {
        let world = outgoing::plan(issuance).await.start().await;
        let alice = world.alice().await;
        assert_eq!(world.exchange(&alice, &[]).await.status, 200, "{name}");
        for status in [503, 429] {
            world.idp.faults().set(endpoint, Fault::Busy(status, "30"));
            let before = world.audit_so_far();
            let answer = world.exchange(&alice, changes).await;
            assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "30"), "{name} {}", answer.text());
            assert_eq!(world.audit_after(before).await["reason"], reason, "{name}");
            world.idp.faults().clear();
        }
    }
}

/// No token answer is as long as this, so it does not leave, and who operates Cambio knows of it.
#[tokio::test]
async fn a_token_endpoint_has_no_long_answers() {
    let world = World::start().await;
    let long = format!("{{\"access_token\":\"secret-token\",\"a\":\"{}\"}}", "x".repeat(300 * 1024));
    world.idp.faults().set(Endpoint::Token, Fault::Answer(200, "application/json", long));
    let answer = login(world.address(), TOKEN_PATH, "front-end-app", "front-end-secret", "alice").await;
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert!(!answer.text().contains("secret-token"));
    let line = world.audit(1).await.remove(0);
    assert_eq!((&line["reason"], &line["event"]), (&json!("answer_too_long"), &json!("answer_withheld")));
    assert_eq!(line["id"], answer.header("x-correlation-id"));
    assert!((world.metric("cambio_answers_withheld_total").await - 1.0).abs() < 0.1);
}

/// A long answer leaves without a token, wherever the mark stands, and its cut is told.
#[tokio::test]
async fn a_long_answer_carries_no_token() {
    let echo = Echo::start().await;
    let world = Plan::new().await.before(echo.address).start().await;
    for (path, begins) in [("/early-token", false), ("/late-token", true), ("/late-mark", true)] {
        let before = world.audit_so_far();
        let withheld = world.metric("cambio_answers_withheld_total").await;
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let got = raw::send(world.address(), request.as_bytes()).await;
        assert_eq!(got.body.len() > 256 * 1024, begins, "{path}: {}", got.body.len());
        assert!(!got.text().contains("secret-token"), "{path}");
        let line = world.audit_after(before).await;
        assert_eq!((&line["reason"], &line["event"]), (&json!("answer_locked"), &json!("answer_withheld")), "{path}");
        assert_eq!((&line["path"], &line["method"], &line["outcome"]), (&json!(path), &json!("GET"), &json!("denied")));
        assert!((world.metric("cambio_answers_withheld_total").await - withheld - 1.0).abs() < 0.1, "{path}");
    }
    let rejected = world.metric("cambio_rejected_requests_total{reason=\"answer_locked\"}").await;
    assert!((rejected - 3.0).abs() < 0.1, "{rejected}");
}

/// JSON that comes in pieces leaves in pieces, unless a piece has a token.
#[tokio::test]
async fn a_slow_stream_of_json_is_not_held_to_its_end() {
    let echo = Echo::start().await;
    let plan = Plan::new().await.before(echo.address);
    let world = plan.configure("  idleTimeout: 2s", "  idleTimeout: 30s").start().await;
    let open = async |path: &str| {
        let mut stream = TcpStream::connect(world.address()).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    };
    let read = async |stream: &mut TcpStream, until: &str| {
        let mut got = String::new();
        let mut piece = vec![0; 4096];
        let work = async {
            while until.is_empty() || !got.contains(until) {
                match stream.read(&mut piece).await {
                    Ok(0) | Err(_) => break,
                    Ok(count) => got.push_str(std::str::from_utf8(&piece[..count]).unwrap()),
                }
            }
        };
        tokio::time::timeout(DEADLINE, work).await.expect("within the deadline");
        got
    };
    let mut events = open("/events").await;
    assert!(read(&mut events, "{\"first\":1}").await.contains("{\"first\":1}"), "before the end is there");
    echo.release();
    assert!(read(&mut events, "").await.ends_with("{\"second\":2}\n\r\n0\r\n\r\n"));

    let before = world.audit_so_far();
    let mut cut = open("/events-with-token").await;
    read(&mut cut, "{\"first\":1}").await;
    echo.release();
    assert!(!read(&mut cut, "").await.contains("token"), "cut before the token");
    assert_eq!(world.audit_after(before).await["event"], "answer_withheld");

    // An answer that begins with a token is short, and is held until it is whole.
    let mut token = open("/slow-token").await;
    echo.release();
    assert!(read(&mut token, "").await.contains("slow-token"));
}

/// A server that breaks off is still told from one that is cut.
#[tokio::test]
async fn what_breaks_off_writes_no_audit_line() {
    let echo = Echo::start().await;
    let world = Plan::new().await.before(echo.address).start().await;
    let request = Request::get("/cut").body("".into()).unwrap();
    let answer = client::try_send(world.address(), request).await;
    assert!(matches!(answer, Err(NoAnswer::Broken)), "{answer:?}");
    assert_eq!(world.audit_so_far(), 0);
}
