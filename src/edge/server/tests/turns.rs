//! The bounded number of connections to the identity provider, and connections whose callers have gone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{Semaphore, mpsc};

use super::harness::*;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// An upstream that tells which of its connections has a request, and answers each when a permit is there.
struct Upstream {
    address: SocketAddr,
    asked: mpsc::UnboundedReceiver<usize>,
    answers: Arc<Semaphore>,
    accepted: Arc<AtomicUsize>,
}

impl Upstream {
    async fn new(answer: &'static str) -> Self {
        let (sender, asked) = mpsc::unbounded_channel();
        let (answers, accepted) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let (gate, count) = (Arc::clone(&answers), Arc::clone(&accepted));
        let address = upstream(move |mut stream| {
            let (sender, gate) = (sender.clone(), Arc::clone(&gate));
            let number = count.fetch_add(1, Ordering::Relaxed) + 1;
            async move {
                let mut buffer = Vec::new();
                while read_message(&mut stream, &mut buffer).await.is_some() {
                    let _ = sender.send(number);
                    gate.acquire().await.unwrap().forget();
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            }
        })
        .await;
        Self { address, asked, answers, accepted }
    }

    async fn next(&mut self) -> usize {
        soon(self.asked.recv()).await.unwrap()
    }
}

#[tokio::test]
async fn requests_beyond_the_bound_wait_for_a_connection() {
    let mut upstream = Upstream::new(OK).await;
    let mut config = upstream_config(upstream.address);
    // One of them is for Cambio's own requests, and one caller alone has half of the others.
    config.max_connections = 5;
    let gate = gate_with(&config, &listen_config());
    let mut callers = Vec::new();
    for _ in 0..4 {
        let mut caller = Caller::new(gate.address).await;
        caller.write(GET).await;
        callers.push(caller);
    }
    assert_eq!([upstream.next().await, upstream.next().await].iter().sum::<usize>(), 3, "two connections");
    upstream.answers.add_permits(4);
    for caller in &mut callers {
        assert!(caller.answer().await.starts_with("HTTP/1.1 200"));
    }
    assert_eq!(upstream.accepted.load(Ordering::Relaxed), 2, "those who waited used the same connections");
}

#[tokio::test]
async fn a_request_that_waits_in_vain_is_refused_and_cambios_own_are_not() {
    let mut upstream = Upstream::new(OK).await;
    let mut config = upstream_config(upstream.address);
    config.max_connections = 2;
    config.connect_timeout = std::time::Duration::from_millis(150);
    let client = crate::adapters::upstream::client::UpstreamClient::new(&config).unwrap();
    let gate = serve(&listen_config(), Passing(client.clone()));
    let mut first = Caller::new(gate.address).await;
    first.write(GET).await;
    upstream.next().await;
    let refused = Caller::new(gate.address).await.ask(GET).await;
    assert!(refused.ends_with("upstream_busy"), "{refused}");
    let own = tokio::spawn(async move { client.is_reachable().await });
    upstream.next().await;
    upstream.answers.add_permits(2);
    assert!(soon(own).await.unwrap().is_ok());
    assert!(first.answer().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_caller_who_goes_away_gives_the_connection_back() {
    for (name, answer, kept) in [
        ("a short answer", OK, true),
        ("in chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", true),
        ("a long answer", "HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\nthe beginning", false),
        ("until the end", "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", false),
    ] {
        let mut upstream = Upstream::new(answer).await;
        let mut config = upstream_config(upstream.address);
        config.max_connections = 2;
        let gate = gate_with(&config, &listen_config());
        let mut gone = Caller::new(gate.address).await;
        gone.write(GET).await;
        upstream.next().await;
        drop(gone);
        // Its turn is the only one, so that this request waits for it.
        let mut next = Caller::new(gate.address).await;
        next.write(GET).await;
        upstream.answers.add_permits(2);
        let number = upstream.next().await;
        assert_eq!(number, if kept { 1 } else { 2 }, "{name}");
    }
}

#[tokio::test]
async fn resets_do_not_cost_the_upstream_a_connection_each() {
    let mut upstream = Upstream::new(OK).await;
    let mut config = upstream_config(upstream.address);
    config.max_connections = 4;
    let gate = gate_with(&config, &listen_config());
    upstream.answers.add_permits(1000);
    let mut seen = 0;
    for _ in 0..20 {
        let (mut caller, _connection) = http2_caller(gate.address).await;
        for _ in 0..10 {
            caller.ready().await.unwrap();
            let request = Request::get("http://a/").body(Empty::<Bytes>::new()).unwrap();
            let answer = caller.send_request(request);
            upstream.next().await;
            seen += 1;
            // Resets the stream.
            drop(answer);
        }
    }
    assert_eq!(seen, 200);
    let accepted = upstream.accepted.load(Ordering::Relaxed);
    assert!(accepted <= 4, "{accepted} connections for 200 requests that were reset");
}
