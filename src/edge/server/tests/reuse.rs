//! Kept connections to the identity provider that close in the moment in which they are used.

use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::harness::*;

/// How an upstream treats the second request on a connection.
#[derive(Clone, Copy)]
enum Second {
    /// Reads it and closes.
    Closes,
    /// Reads it and resets the connection.
    Resets,
    /// Answers in part and closes.
    Begins,
    /// Sends an informational answer and closes.
    Informs,
}

/// An upstream that answers the first request on each connection, and tells which connection got which request line.
async fn fickle(second: Second) -> (std::net::SocketAddr, mpsc::UnboundedReceiver<(usize, String)>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let connections = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let address = upstream(move |mut stream| {
        let (sender, connections) = (sender.clone(), std::sync::Arc::clone(&connections));
        async move {
            let number = connections.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            let mut buffer = Vec::new();
            for answers in [true, false] {
                let Some(request) = read_message(&mut stream, &mut buffer).await else { return };
                let _ = sender.send((number, request.lines().next().unwrap().to_owned()));
                if answers {
                    let length = if request.starts_with("HEAD") { "" } else { "ok" };
                    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{length}");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            }
            finish(stream, second).await;
        }
    })
    .await;
    (address, receiver)
}

async fn finish(mut stream: TcpStream, second: Second) {
    match second {
        Second::Closes => {}
        Second::Resets => SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap(),
        Second::Begins => stream.write_all(b"HTTP/1.1 200 O").await.unwrap(),
        Second::Informs => stream.write_all(b"HTTP/1.1 103 Early Hints\r\n\r\n").await.unwrap(),
    }
}

/// The status of a request on a kept connection, and which connections had it.
async fn second_request(second: Second, request: &str) -> (String, Vec<usize>) {
    let (address, mut received) = fickle(second).await;
    let gate = gate(address);
    let mut caller = Caller::new(gate.address).await;
    assert!(caller.ask("GET /first HTTP/1.1\r\nHost: a\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    assert_eq!(received.recv().await.unwrap().0, 1);
    let answer = {
        caller.write(request).await;
        caller.until("\r\n\r\n").await;
        caller.take()
    };
    let mut connections = Vec::new();
    while let Ok((number, line)) = received.try_recv() {
        assert_eq!(line, request.lines().next().unwrap());
        connections.push(number);
    }
    (answer.split(' ').nth(1).unwrap().to_owned(), connections)
}

#[tokio::test]
async fn a_safe_request_without_a_body_goes_to_a_new_connection() {
    for request in
        ["GET /a?b HTTP/1.1\r\nHost: a\r\n", "HEAD /a HTTP/1.1\r\nHost: a\r\n", "OPTIONS /a HTTP/1.1\r\nHost: a\r\n"]
    {
        for (name, second) in [("closes", Second::Closes), ("resets", Second::Resets)] {
            for length in ["", "Content-Length: 0\r\n"] {
                let (status, connections) = second_request(second, &format!("{request}{length}\r\n")).await;
                assert_eq!((status.as_str(), connections), ("200", vec![1, 2]), "{name}: {request}{length}");
            }
        }
    }
}

#[tokio::test]
async fn nothing_else_is_sent_again() {
    let body = "Host: a\r\nContent-Type: application/octet-stream\r\nContent-Length: 2\r\n\r\n{}";
    let chunked = "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
    let none = "Host: a\r\n\r\n";
    for (name, second, request) in [
        ("a POST", Second::Closes, format!("POST / HTTP/1.1\r\n{body}")),
        ("a POST, reset", Second::Resets, format!("POST / HTTP/1.1\r\n{body}")),
        ("a POST without a body", Second::Closes, format!("POST / HTTP/1.1\r\n{none}")),
        ("a GET with a body", Second::Closes, format!("GET / HTTP/1.1\r\n{body}")),
        ("a GET with chunks", Second::Resets, format!("GET / HTTP/1.1\r\n{chunked}")),
        ("a PUT without a body", Second::Closes, format!("PUT / HTTP/1.1\r\n{none}")),
        ("a DELETE", Second::Closes, format!("DELETE / HTTP/1.1\r\n{none}")),
        ("a PATCH", Second::Closes, format!("PATCH / HTTP/1.1\r\n{none}")),
        ("another method", Second::Closes, format!("PROPFIND / HTTP/1.1\r\n{none}")),
        ("a GET whose answer has begun", Second::Begins, format!("GET / HTTP/1.1\r\n{none}")),
        ("a GET with an informational answer", Second::Informs, format!("GET / HTTP/1.1\r\n{none}")),
    ] {
        let (status, connections) = second_request(second, &request).await;
        assert_eq!((status.as_str(), connections), ("502", vec![1]), "{name}");
    }
}

#[tokio::test]
async fn a_new_connection_is_the_last() {
    let (seen, mut requests) = mpsc::unbounded_channel();
    let address = upstream(move |mut stream| {
        let seen = seen.clone();
        async move {
            let mut buffer = [0; 1024];
            if let Ok(1..) = stream.read(&mut buffer).await {
                let request = String::from_utf8_lossy(&buffer).into_owned();
                let is_first = request.starts_with("GET /first");
                let _ = seen.send(request.lines().next().unwrap().to_owned());
                if is_first {
                    stream.write_all(OK.as_bytes()).await.unwrap();
                    let _ = stream.read(&mut buffer).await;
                    let _ = seen.send("on the first connection".to_owned());
                }
            }
        }
    })
    .await;
    let gate = gate(address);
    let mut caller = Caller::new(gate.address).await;
    assert!(caller.ask("GET /fresh HTTP/1.1\r\nHost: a\r\n\r\n").await.starts_with("HTTP/1.1 502"));
    assert_eq!(requests.recv().await.unwrap(), "GET /fresh HTTP/1.1");
    assert!(requests.try_recv().is_err(), "a new connection gets one request");

    assert!(caller.ask("GET /first HTTP/1.1\r\nHost: a\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    assert!(caller.ask("GET /again HTTP/1.1\r\nHost: a\r\n\r\n").await.starts_with("HTTP/1.1 502"));
    let mut seen = Vec::new();
    while let Ok(request) = requests.try_recv() {
        seen.push(request);
    }
    assert_eq!(
        seen,
        ["GET /first HTTP/1.1", "on the first connection", "GET /again HTTP/1.1"],
        "once more, and no more"
    );
}
