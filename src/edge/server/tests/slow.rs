//! Callers and upstreams who do not read, or read and write a little now and then.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};

use super::harness::*;

const SHORT: Duration = Duration::from_millis(150);

/// An upstream that sends this much after each request's head, and tells when its connection has ended.
async fn sending(head: &'static str, size: usize) -> (SocketAddr, mpsc::UnboundedReceiver<()>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let address = upstream(move |mut stream| {
        let sender = sender.clone();
        async move {
            read_message(&mut stream, &mut Vec::new()).await;
            let _ = stream.write_all(head.as_bytes()).await;
            let piece = vec![b'x'; 64 * 1024];
            let mut left = size;
            while left > 0 && stream.write_all(&piece[..left.min(piece.len())]).await.is_ok() {
                left = left.saturating_sub(piece.len());
            }
            let _ = stream.read_to_end(&mut Vec::new()).await;
            let _ = sender.send(());
        }
    })
    .await;
    (address, receiver)
}

/// An HTTP/2 caller whose streams have this window.
async fn caller_with_window(address: SocketAddr, window: u32) -> http2::SendRequest<Empty<Bytes>> {
    let stream = TcpStream::connect(address).await.unwrap();
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(window);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    // The connection answers pings and settings.
    tokio::spawn(connection);
    sender
}

fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("http://a{path}")).body(Empty::new()).unwrap()
}

#[tokio::test]
async fn streams_without_a_window_are_reset_and_their_connections_closed() {
    let mut listen = listen_config();
    listen.idle_timeout = SHORT;
    for (name, head, size, window) in [
        ("of known length", "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", 1_000_000, 0),
        ("until the end", "HTTP/1.1 200 OK\r\n\r\n", usize::MAX, 0),
        ("a small window", "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", 1_000_000, 1000),
    ] {
        let (upstream, mut ended) = sending(head, size).await;
        let gate = gate_with(&upstream_config(upstream), &listen);
        let mut caller = caller_with_window(gate.address, window).await;
        let mut bodies = Vec::new();
        for _ in 0..3 {
            bodies.push(soon(caller.send_request(get("/"))).await.unwrap().into_body());
        }
        for body in &mut bodies {
            soon(ended.recv()).await.unwrap();
            // What the window held, and then the reset.
            let end = soon(async { while let Some(Ok(_)) = body.frame().await {} }).await;
            assert_eq!(end, (), "{name}");
        }
    }
}

#[tokio::test]
async fn a_silent_upstream_is_not_the_callers_fault() {
    let go = Arc::new(Notify::new());
    let told = Arc::clone(&go);
    let events = upstream(move |mut stream| {
        let told = Arc::clone(&told);
        async move {
            read_message(&mut stream, &mut Vec::new()).await;
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            for _ in 0..2 {
                stream.write_all(b"3\r\nx\n\n\r\n").await.unwrap();
                told.notified().await;
            }
            stream.write_all(b"0\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let mut listen = listen_config();
    listen.idle_timeout = SHORT;
    let gate = gate_with(&upstream_config(events), &listen);
    let (mut http2, _connection) = http2_caller(gate.address).await;
    let mut body = soon(http2.send_request(get("/"))).await.unwrap().into_body();
    for _ in 0..2 {
        assert_eq!(soon(body.frame()).await.unwrap().unwrap().into_data().unwrap(), "x\n\n");
        // Not for synchronisation: the silence has to be longer than the limit.
        tokio::time::sleep(SHORT * 3).await;
        go.notify_one();
    }
    while let Some(frame) = soon(body.frame()).await {
        assert_eq!(frame.expect("the end, and no reset").into_data().unwrap(), "");
    }
    let mut http1 = Caller::new(gate.address).await;
    http1.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    for _ in 0..2 {
        http1.until("x\n\n").await;
        http1.take();
        tokio::time::sleep(SHORT * 3).await;
        go.notify_one();
    }
    http1.until("0\r\n\r\n").await;
}

#[tokio::test]
async fn an_upload_that_trickles_is_cut() {
    let (ends, mut ended) = mpsc::unbounded_channel();
    let upstream = upstream(move |mut stream| {
        let ends = ends.clone();
        async move {
            let _ = stream.read_to_end(&mut Vec::new()).await;
            let _ = ends.send(());
        }
    })
    .await;
    let mut config = upstream_config(upstream);
    // The harness takes the limit on callers' bodies from here.
    config.idle_timeout = SHORT;
    let gate = gate_with(&config, &listen_config());
    for head in ["Content-Length: 100000", "Transfer-Encoding: chunked"] {
        let mut caller = Caller::new(gate.address).await;
        caller.write(&format!("POST /up HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n")).await;
        let piece = if head.starts_with('T') { "1\r\na\r\n" } else { "a" };
        soon(async {
            loop {
                tokio::select! {
                    _ = ended.recv() => return,
                    // Not for synchronisation: each piece resets a naive timer.
                    () = tokio::time::sleep(SHORT / 10) => caller.try_write(piece).await,
                }
            }
        })
        .await;
        caller.until("body_timeout").await;
    }
}

#[tokio::test]
async fn an_upstream_that_does_not_read_is_given_up() {
    let (streams, mut arrived) = mpsc::unbounded_channel();
    let upstream = upstream(move |stream| {
        let streams = streams.clone();
        async move {
            let _ = streams.send(stream);
        }
    })
    .await;
    let mut config = upstream_config(upstream);
    config.idle_timeout = SHORT;
    let gate = gate_with(&config, &listen_config());
    let mut caller = Caller::new(gate.address).await;
    caller.write("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n").await;
    let mut held = soon(arrived.recv()).await.unwrap();
    let piece = "a".repeat(64 * 1024);
    let (mut reads, mut writes) = caller.stream.split();
    let mut answer = vec![0; 256];
    soon(async {
        tokio::select! {
            read = reads.read(&mut answer) => assert_ne!(read.unwrap(), 0),
            () = async { while writes.write_all(piece.as_bytes()).await.is_ok() {} std::future::pending().await } => {}
        }
    })
    .await;
    assert!(String::from_utf8_lossy(&answer).contains("upstream_unavailable"), "{}", String::from_utf8_lossy(&answer));
    // Reads what the kernel held, and then the end.
    let _ = soon(held.read_to_end(&mut Vec::new())).await;
}
