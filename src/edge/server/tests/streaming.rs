use std::time::Duration;

use http::Request;
use http_body_util::{BodyExt as _, Empty};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{Notify, mpsc};

use super::harness::*;

/// An upstream that sends a chunk, waits to be told, and goes on as `end` says.
async fn two_halves(end: &'static str) -> (std::net::SocketAddr, std::sync::Arc<Notify>) {
    let go = std::sync::Arc::new(Notify::new());
    let told = std::sync::Arc::clone(&go);
    let address = upstream(move |mut stream| {
        let told = std::sync::Arc::clone(&told);
        async move {
            let mut buffer = Vec::new();
            while read_message(&mut stream, &mut buffer).await.is_some() {
                stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n").await.unwrap();
                told.notified().await;
                if end.is_empty() {
                    return;
                }
                stream.write_all(end.as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    (address, go)
}

#[tokio::test]
async fn the_first_byte_arrives_before_the_last_is_sent() {
    let (upstream, go) = two_halves("4\r\nlast\r\n0\r\n\r\n").await;
    let gate = gate(upstream);
    let mut caller = Caller::new(gate.address).await;
    caller.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    caller.until("first").await;
    go.notify_one();
    caller.until("last\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn an_upload_streams_too() {
    let (seen, mut pieces) = mpsc::unbounded_channel();
    let upstream = upstream(move |mut stream| {
        let seen = seen.clone();
        async move {
            let mut text = String::new();
            let mut buffer = [0; 1024];
            while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
                let _ = seen.send(text.clone());
                if text.ends_with("0\r\n\r\n") {
                    stream.write_all(OK.as_bytes()).await.unwrap();
                }
            }
        }
    })
    .await;
    let mut caller = Caller::new(gate(upstream).address).await;
    caller.write("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
    while !soon(pieces.recv()).await.unwrap().contains("first") {}
    assert!(caller.ask("4\r\nlast\r\n0\r\n\r\n").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn an_upstream_that_dies_leaves_a_broken_body() {
    let (upstream, go) = two_halves("").await;
    let gate = gate(upstream);
    let mut caller = Caller::new(gate.address).await;
    caller.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    caller.until("first").await;
    go.notify_one();
    let rest = caller.rest().await;
    assert!(!rest.contains("0\r\n\r\n"), "no end is invented: {rest}");

    let (mut sender, _connection) = http2_caller(gate.address).await;
    let response = soon(sender.send_request(Request::get("http://a/").body(Empty::new()).unwrap())).await.unwrap();
    go.notify_one();
    assert!(soon(response.into_body().collect()).await.is_err(), "the stream is reset");
}

#[tokio::test]
async fn a_short_body_is_broken_too() {
    let short = upstream(|mut stream| async move {
        read_message(&mut stream, &mut Vec::new()).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").await.unwrap();
    })
    .await;
    let mut caller = Caller::new(gate(short).address).await;
    caller.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = caller.rest().await;
    assert!(answer.contains("content-length: 10\r\n") && answer.ends_with("\r\n\r\nabc"), "{answer}");
}

#[tokio::test]
async fn a_silent_upstream_is_given_up() {
    let hanging = upstream(|mut stream| async move {
        let mut buffer = Vec::new();
        let request = read_message(&mut stream, &mut buffer).await.unwrap_or_default();
        if request.contains("/half") {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").await.unwrap();
        }
        let _ = stream.read(&mut [0]).await;
    })
    .await;
    let mut config = upstream_config(hanging);
    config.response_timeout = Duration::from_millis(100);
    config.idle_timeout = Duration::from_millis(100);
    let gate = gate_with(&config, &listen_config());
    let mut caller = Caller::new(gate.address).await;
    assert!(caller.ask("GET /none HTTP/1.1\r\nHost: a\r\n\r\n").await.ends_with("upstream_timeout"));
    caller.write("GET /half HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(caller.rest().await.ends_with("\r\n\r\nabc"), "the connection is closed after a part");
}

#[tokio::test]
async fn a_slow_upload_may_take_longer_than_the_response_limit() {
    let (upstream, mut received) = answering(OK).await;
    let mut config = upstream_config(upstream);
    config.response_timeout = Duration::from_millis(200);
    let gate = gate_with(&config, &listen_config());
    let mut caller = Caller::new(gate.address).await;
    caller.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n").await;
    for _ in 0..8 {
        // Not for synchronisation: the upload has to be slow.
        tokio::time::sleep(Duration::from_millis(60)).await;
        caller.write("x").await;
    }
    assert!(caller.answer().await.starts_with("HTTP/1.1 200"));
    assert!(received.recv().await.unwrap().ends_with("xxxxxxxx"));
}

#[tokio::test]
async fn a_large_body_goes_both_ways_unchanged() {
    const SIZE: usize = 3_000_000;
    let echo = upstream(|mut stream| async move {
        let mut buffer = vec![0; SIZE + 4096];
        let mut read = 0;
        let head = loop {
            read += stream.read(&mut buffer[read..]).await.unwrap();
            if let Some(end) = buffer[..read].windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
        };
        while read < head + SIZE {
            read += stream.read(&mut buffer[read..]).await.unwrap();
        }
        stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n").as_bytes()).await.unwrap();
        stream.write_all(&buffer[head..read]).await.unwrap();
    })
    .await;
    let gate = gate(echo);
    let body: String = (0..SIZE).map(|index| char::from(b'a' + u8::try_from(index % 23).unwrap())).collect();
    let mut caller = Caller::new(gate.address).await;
    let answer = caller.ask(&format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {SIZE}\r\n\r\n{body}")).await;
    assert!(answer.split_once("\r\n\r\n").unwrap().1 == body);
}
