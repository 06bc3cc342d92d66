use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::sync::Notify;

use super::harness::*;
use crate::adapters::drain::DrainOutcome;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// An upstream that answers half and ends when its peer does, or goes on when it is told.
async fn half(go: Arc<Notify>) -> std::net::SocketAddr {
    upstream(move |mut stream| {
        let go = Arc::clone(&go);
        async move {
            read_message(&mut stream, &mut Vec::new()).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
            go.notified().await;
            let _ = stream.write_all(b"whole").await;
        }
    })
    .await
}

#[tokio::test]
async fn an_open_stream_holds_the_drain_and_idle_ones_do_not() {
    let go: Arc<Notify> = Arc::default();
    let gate = gate(half(Arc::clone(&go)).await);
    let mut busy = Caller::new(gate.address).await;
    busy.write(GET).await;
    busy.until("half").await;
    let mut silent = Caller::new(gate.address).await;
    let draining = tokio::spawn(gate.drain.drain(Duration::ZERO, LIMIT));
    silent.ended().await;
    assert!(!draining.is_finished());
    go.notify_one();
    busy.until("halfwhole").await;
    busy.ended().await;
    assert_eq!(soon(draining).await.unwrap(), DrainOutcome::Complete);
    assert!(tokio::net::TcpStream::connect(gate.address).await.is_err(), "the port is closed");
}

#[tokio::test]
async fn a_kept_alive_connection_is_closed_at_once() {
    let (upstream, _received) = answering(OK).await;
    let gate = gate(upstream);
    let mut caller = Caller::new(gate.address).await;
    caller.ask(GET).await;
    assert_eq!(soon(gate.drain.drain(Duration::ZERO, LIMIT * 10)).await, DrainOutcome::Complete);
    caller.ended().await;
}

#[tokio::test]
async fn the_deadline_cuts() {
    let gate = gate(half(Arc::default()).await);
    let mut caller = Caller::new(gate.address).await;
    caller.write(GET).await;
    caller.until("half").await;
    let outcome = soon(gate.drain.drain(Duration::ZERO, Duration::from_millis(50))).await;
    assert!(matches!(outcome, DrainOutcome::Cut(1..)), "{outcome:?}");
    caller.ended().await;
}

#[tokio::test]
async fn an_http2_stream_is_finished_first() {
    let go: Arc<Notify> = Arc::default();
    let gate = gate(half(Arc::clone(&go)).await);
    let (mut sender, connection) = http2_caller(gate.address).await;
    let request = http::Request::get("http://a/").body(http_body_util::Empty::new()).unwrap();
    let response = soon(sender.send_request(request)).await.unwrap();
    let draining = tokio::spawn(gate.drain.drain(Duration::ZERO, LIMIT));
    go.notify_one();
    let body = soon(http_body_util::BodyExt::collect(response.into_body())).await.unwrap();
    assert_eq!(body.to_bytes(), "halfwhole");
    assert_eq!(soon(draining).await.unwrap(), DrainOutcome::Complete);
    soon(connection).await.unwrap().unwrap();
}
