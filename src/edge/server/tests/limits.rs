use std::sync::Arc;
use std::time::Duration;

use super::harness::*;
use crate::adapters::metrics::{Metrics, Scrape};
use crate::adapters::net::budget::MemoryBudget;
use crate::edge::server::{Server, bind};

const SHORT: Duration = Duration::from_millis(150);
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn a_slow_head_is_cut() {
    let (upstream, mut received) = answering(OK).await;
    let mut listen = listen_config();
    listen.header_timeout = SHORT;
    let gate = gate_with(&upstream_config(upstream), &listen);
    for (name, before, head) in [
        ("silent", "", ""),
        ("half", "", "GET / HTTP/1.1\r\nHost: "),
        ("half, kept alive", GET, "GET / HTTP/1.1\r\nHost: "),
        ("HTTP/2 preface only", "", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ] {
        let mut caller = Caller::new(gate.address).await;
        if !before.is_empty() {
            assert!(caller.ask(before).await.starts_with("HTTP/1.1 200"));
            received.recv().await.unwrap();
        }
        caller.write(head).await;
        let started = std::time::Instant::now();
        caller.ended().await;
        assert!(started.elapsed() < LIMIT / 2, "{name}");
    }
    assert!(received.try_recv().is_err());
}

#[tokio::test]
async fn a_dripping_head_is_cut() {
    let (upstream, _received) = answering(OK).await;
    let mut listen = listen_config();
    listen.header_timeout = SHORT;
    let gate = gate_with(&upstream_config(upstream), &listen);
    let mut caller = Caller::new(gate.address).await;
    caller.write("GET / HTTP/1.1\r\n").await;
    soon(async {
        use tokio::io::AsyncWriteExt as _;
        // Not for synchronisation: each byte resets a naive timer.
        while caller.stream.write_all(b"a").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let (slow, go) = answering_when_told().await;
    let mut listen = listen_config();
    listen.idle_timeout = SHORT;
    let gate = gate_with(&upstream_config(slow), &listen);
    let mut caller = Caller::new(gate.address).await;
    caller.write(GET).await;
    // Not for synchronisation: the answer has to take longer than the idle limit.
    tokio::time::sleep(SHORT * 3).await;
    go.notify_one();
    assert!(caller.answer().await.starts_with("HTTP/1.1 200"));
    caller.ended().await;
}

#[tokio::test]
async fn an_idle_http2_connection_is_closed() {
    let (upstream, _received) = answering(OK).await;
    let mut listen = listen_config();
    listen.idle_timeout = SHORT;
    let gate = gate_with(&upstream_config(upstream), &listen);
    let (mut sender, connection) = http2_caller(gate.address).await;
    let request = http::Request::get("http://a/").body(http_body_util::Empty::new()).unwrap();
    assert_eq!(soon(sender.send_request(request)).await.unwrap().status().as_u16(), 200);
    soon(connection).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_caller_that_does_not_read_is_cut() {
    let endless = upstream(|mut stream| async move {
        use tokio::io::AsyncWriteExt as _;
        read_message(&mut stream, &mut Vec::new()).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        let piece = vec![b'x'; 65536];
        while stream.write_all(&piece).await.is_ok() {}
    })
    .await;
    let mut listen = listen_config();
    listen.idle_timeout = SHORT;
    let metrics = Arc::new(Metrics::new().unwrap());
    let (_drain, watch) = crate::adapters::drain::channel();
    let listener = bind(listen.address).unwrap();
    let address = listener.local_addr().unwrap();
    let handler =
        Arc::new(Passing(crate::adapters::upstream::client::UpstreamClient::new(&upstream_config(endless)).unwrap()));
    tokio::spawn(Server::new(&listen, MemoryBudget::unlimited()).unwrap().serve(
        listener,
        handler,
        watch,
        Arc::clone(&metrics),
    ));
    let mut caller = Caller::new(address).await;
    caller.write(GET).await;
    soon(async {
        let counts = ["\ncambio_connections 0\n", "\ncambio_connections_total 1\n"];
        let gone = |text: String| counts.iter().all(|count| text.contains(count));
        while !gone(metrics.exposition(Scrape::default()).unwrap()) {
            tokio::time::sleep(SHORT / 10).await;
        }
    })
    .await;
}

#[tokio::test]
async fn heads_are_bounded() {
    let (upstream, _received) = answering(OK).await;
    let mut listen = listen_config();
    listen.max_header_bytes = 16 * 1024;
    let gate = gate_with(&upstream_config(upstream), &listen);
    for (name, fill, status) in [
        ("just below", format!("X: {}\r\n", "a".repeat(12 * 1024)), "200"),
        ("too long", format!("X: {}\r\n", "a".repeat(64 * 1024)), "431"),
        ("many", "X: a\r\n".repeat(900), "200"),
        ("too many", "X: a\r\n".repeat(1001), "431"),
    ] {
        let mut caller = Caller::new(gate.address).await;
        caller.try_write(&format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fill}\r\n")).await;
        let answer = caller.rest().await;
        // A reset may overtake the 431 when more of the head comes after it.
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")) || (name == "too long" && answer.is_empty()),
            "{name}: {answer}"
        );
    }
}

/// Over HTTP/2, the limit is about the list of headers, not about the bytes that stand for it (RFC 9113 section 6.5.2).
#[tokio::test]
async fn a_head_over_http2_is_bounded_and_harms_no_other() {
    let (upstream, _received) = answering(OK).await;
    let gate = gate_with(&upstream_config(upstream), &listen_config());
    let (mut sender, _connection) = http2_caller(gate.address).await;
    for (lines, status) in [(2, 200), (12, 200), (18, 431), (2, 200)] {
        let mut request = http::Request::get("http://a/");
        for _ in 0..lines {
            request = request.header("x", "a".repeat(3_900));
        }
        let answer = soon(sender.send_request(request.body(http_body_util::Empty::new()).unwrap())).await.unwrap();
        assert_eq!(answer.status(), status, "{lines} lines");
    }
}

#[tokio::test]
async fn more_connections_than_allowed_wait() {
    let (upstream, _received) = answering(OK).await;
    let mut listen = listen_config();
    listen.max_connections = 1;
    let gate = gate_with(&upstream_config(upstream), &listen);
    let mut first = Caller::new(gate.address).await;
    first.ask(GET).await;
    let mut second = Caller::new(gate.address).await;
    second.write(GET).await;
    drop(first);
    assert!(second.answer().await.starts_with("HTTP/1.1 200"));
}
