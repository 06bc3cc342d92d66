//! Answers that come before the request is complete.

use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::harness::*;

const SIZE: usize = 20_000_000;

/// An upstream that answers when it has the head, and closes with most of the body unread.
async fn impatient(answer: &'static str, reset: bool) -> std::net::SocketAddr {
    upstream(move |mut stream| async move {
        let mut buffer = [0; 1024];
        let _ = stream.read(&mut buffer).await;
        stream.write_all(answer.as_bytes()).await.unwrap();
        if reset {
            // Not for synchronisation: without the pause the reset would discard the answer on its way.
            tokio::time::sleep(Duration::from_millis(20)).await;
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
    })
    .await
}

#[tokio::test]
async fn an_early_answer_reaches_a_caller_that_still_sends() {
    let too_large = "HTTP/1.1 413 Payload Too Large\r\ncontent-length: 9\r\nconnection: close\r\n\r\ntoo large";
    let unknown = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 7\r\n\r\nwho are";
    for (answer, reset) in [(too_large, false), (too_large, true), (unknown, false), (unknown, true)] {
        let gate = gate(impatient(answer, reset).await);
        for framing in
            [format!("Content-Length: {SIZE}\r\n\r\n"), format!("Transfer-Encoding: chunked\r\n\r\n{SIZE:x}\r\n")]
        {
            for _ in 0..5 {
                let mut caller = Caller::new(gate.address).await;
                caller.write(&format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}")).await;
                caller.try_write(&"x".repeat(SIZE)).await;
                let received = caller.rest().await;
                let (head, body) = answer.split_once("\r\n\r\n").unwrap();
                let status = head.lines().next().unwrap();
                assert!(received.starts_with(status) && received.ends_with(body), "reset {reset}: {received}");
            }
        }
    }
}

/// A reset would overtake the answer on a network that is slower than loopback.
#[tokio::test]
async fn the_connection_ends_without_a_reset() {
    let gate = gate(impatient("HTTP/1.1 413 Payload Too Large\r\ncontent-length: 0\r\n\r\n", false).await);
    let mut caller = Caller::new(gate.address).await;
    caller.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc").await;
    caller.until("HTTP/1.1 413").await;
    for _ in 0..100 {
        // Each would fail after a reset.
        caller.stream.write_all(&[b'x'; 1000]).await.unwrap();
    }
    let mut rest = Vec::new();
    soon(caller.stream.read_to_end(&mut rest)).await.unwrap();
}

#[tokio::test]
async fn a_head_that_is_too_large_is_answered_without_a_reset() {
    let gate = gate(answering(OK).await.0);
    let mut caller = Caller::new(gate.address).await;
    caller.try_write(&format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {}", "x".repeat(200_000))).await;
    caller.until("HTTP/1.1 431").await;
    caller.stream.write_all(b"xxx").await.unwrap();
    let mut rest = Vec::new();
    soon(caller.stream.read_to_end(&mut rest)).await.unwrap();
}

#[tokio::test]
async fn informational_answers_are_dropped_and_the_final_one_passes() {
    const ANSWERS: &str = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n\
        HTTP/1.1 103 Early Hints\r\nlink: </b>\r\n\r\nHTTP/1.1 199 Own\r\nx-own: 1\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let (address, _received) = answering(ANSWERS).await;
    let gate = gate(address);
    let mut caller = Caller::new(gate.address).await;
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ] {
        // Twice on one connection: nothing is left over.
        for _ in 0..2 {
            let answer = caller.ask(request).await;
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok"), "{answer}");
            assert!(!answer.contains("link") && !answer.contains("x-own"), "{answer}");
        }
    }
    let (mut sender, _connection) = http2_caller(gate.address).await;
    let request = http::Request::get("http://a/").body(http_body_util::Empty::new()).unwrap();
    assert_eq!(soon(sender.send_request(request)).await.unwrap().status(), 200);
}
