//! What operators see.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use cambio::edge::health::Pulse;

use crate::support::client;
use crate::support::world::{World, until};

#[tokio::test]
async fn health() {
    let world = World::start().await;
    world.exchange(&world.alice().await, &[]).await.access_token();
    for path in ["/livez", "/readyz", "/healthz", "/readyz?include=upstream,jwks"] {
        assert_eq!(client::get(world.cambio.admin, path).await.status, 200, "{path}");
    }
    for path in ["/nothing", "/metrics/x"] {
        assert_eq!(client::get(world.cambio.admin, path).await.status, 404, "{path}");
    }
    assert_eq!(client::get(world.cambio.admin, "/readyz?include=x").await.status, 400);
    assert_eq!(client::post(world.cambio.admin, "/livez", &[]).await.status, 405);
    // Nothing of it is on the callers' listener.
    let answer = client::get(world.address(), "/metrics").await;
    assert!(!answer.text().contains("cambio_"));
}

#[tokio::test]
async fn metrics_count_exchanges_by_reason() {
    let world = World::start().await;
    let alice = world.alice().await;
    world.exchange(&alice, &[]).await.access_token();
    world.exchange(&alice, &[("audience", "other-api")]).await;
    let text = client::get(world.cambio.admin, "/metrics").await.text();
    let exchanges: Vec<_> = text.lines().filter(|line| line.starts_with("cambio_exchange_refusals_total{")).collect();
    let refused = exchanges.iter().find(|line| line.contains("reason=\"audience_unknown\""));
    assert!(refused.is_some_and(|line| line.ends_with(" 1")), "{exchanges:?}");
}

#[tokio::test]
async fn the_loaded_configuration_is_shown_without_secrets() {
    let world = World::start().await;
    let answer = client::get_by_address(world.cambio.admin, "/config").await;
    assert_eq!(answer.status, 200);
    let text = answer.text();
    assert!(text.contains("back-end-api") && text.contains("corp"), "{text}");
    assert!(!text.contains("PRIVATE KEY"));
    // A digest would let readers guess a secret that is no random text.
    let files = answer.json()["files"].clone();
    let digest = |name: &str| files[world.folder.path(name).display().to_string()].clone();
    for name in ["cambio.yaml", "audiences/back-end-api.yaml"] {
        assert_eq!(digest(name).as_str().map(str::len), Some(64), "{name}: {files}");
    }
    assert_eq!(digest("corp.pem"), serde_json::Value::Null, "{files}");
    assert_eq!(answer.json()["otherFiles"], serde_json::json!([world.folder.path("corp.pem").display().to_string()]));
    let before = text;
    world.permit(false).await;
    assert_ne!(client::get_by_address(world.cambio.admin, "/config").await.text(), before, "the policy's hash changed");
}

/// Asks with the threads of the test's runtime blocked, which serve Cambio's callers as well.
fn ask(admin: SocketAddr, path: &str) -> (String, Duration) {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(admin).unwrap();
    stream.set_read_timeout(Some(client::DEADLINE)).unwrap();
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer.lines().next().unwrap_or_default().to_owned(), begun.elapsed())
}

#[tokio::test]
async fn probes_are_answered_while_all_serving_threads_are_busy() {
    let world = World::start().await;
    for path in ["/livez", "/readyz", "/metrics", "/config", "/page.json", "/"] {
        let (status, took) = ask(world.cambio.admin, path);
        assert_eq!(status, "HTTP/1.1 200 OK", "{path}");
        assert!(took < Duration::from_secs(1), "{path}: {took:?}");
    }
}

#[tokio::test]
async fn probes_fail_when_the_serving_threads_do_not_turn_any_more() {
    let world = World::start().await;
    let seconds = |count| (0..count).for_each(|_| world.cambio.shared().pulse.second());
    seconds(Pulse::LOST);
    for path in ["/livez", "/readyz", "/healthz"] {
        assert_eq!(ask(world.cambio.admin, path).0, "HTTP/1.1 503 Service Unavailable", "{path}");
    }
    let status = async || (client::get(world.cambio.admin, "/livez").await.status == 200).then_some(());
    until("the next beat", status).await;
}

#[tokio::test]
async fn connections_that_stay_open_keep_no_probe_out() {
    let world = World::start().await;
    let open = |first: &[u8]| -> Vec<TcpStream> {
        let connect = || {
            let mut stream = TcpStream::connect(world.cambio.admin).unwrap();
            stream.write_all(first).unwrap();
            if first.ends_with(b"\r\n\r\n") {
                assert_ne!(stream.read(&mut [0; 512]).unwrap(), 0);
            }
            stream
        };
        (0..100).map(|_| connect()).collect()
    };
    for first in ["", "GET /livez HTT", "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let held = open(first.as_bytes());
        let (status, took) = ask(world.cambio.admin, "/livez");
        assert_eq!(status, "HTTP/1.1 200 OK", "{first:?}");
        assert!(took < Duration::from_secs(1), "{first:?}: {took:?}");
        drop(held);
    }
}

#[tokio::test]
async fn checks_of_other_systems_keep_no_probe_out() {
    let world = World::start().await;
    let ask_for_more = || {
        let mut stream = TcpStream::connect(world.cambio.admin).unwrap();
        stream.write_all(b"GET /readyz?include=upstream HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        stream
    };
    let held: Vec<_> = (0..100).map(|_| ask_for_more()).collect();
    assert_eq!(ask(world.cambio.admin, "/livez").0, "HTTP/1.1 200 OK");
    drop(held);
}
