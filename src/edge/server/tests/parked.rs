//! Connections without an HTTP state. In a crowd, a connection is parked as soon as its answer is written.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use super::harness::*;
use crate::adapters::drain::DrainOutcome;
use crate::adapters::net::body::Body;
use crate::edge::server::{Connection, Handler};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const SHORT: Duration = Duration::from_millis(150);

/// An upstream that answers each request with its body, or with its target.
async fn echo() -> std::net::SocketAddr {
    upstream(|mut stream| async move {
        let mut buffer = Vec::new();
        while let Some(request) = read_message(&mut stream, &mut buffer).await {
            let (head, body) = request.split_once("\r\n\r\n").unwrap();
            let said = if body.is_empty() { head.split(' ').nth(1).unwrap() } else { body };
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{said}", said.len());
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

#[tokio::test]
async fn each_request_is_answered() {
    let (gate, _awake) = crowded(echo().await, &listen_config());
    let mut caller = Caller::new(gate.address).await;
    for path in ["/1", "/2", "/3"] {
        assert_eq!(body(&caller.ask(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await), path);
    }
}

#[tokio::test]
async fn pipelined_requests_are_all_answered() {
    let (gate, _awake) = crowded(echo().await, &listen_config());
    // hyper lets other tasks run after each 16.
    for count in [2, 15, 16, 17, 33, 100] {
        let mut caller = Caller::new(gate.address).await;
        let paths: Vec<_> = (0..count).map(|number| format!("/{number}")).collect();
        let requests: Vec<_> = paths.iter().map(|path| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
        caller.write(&requests.concat()).await;
        for path in &paths {
            assert_eq!(body(&caller.answer().await), path, "{count}");
        }
        assert_eq!(body(&caller.ask("GET /last HTTP/1.1\r\nHost: a\r\n\r\n").await), "/last", "{count}");
    }
}

#[tokio::test]
async fn bytes_may_come_in_any_pieces() {
    let (gate, _awake) = crowded(echo().await, &listen_config());
    let requests = "\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\none..\r\n\
                    GET /two HTTP/1.1\r\nHost: a\r\n\r\n\
                    POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\nthree..";
    for split in 1..requests.len() {
        let mut caller = Caller::new(gate.address).await;
        let (first, rest) = requests.split_at(split);
        caller.write(first).await;
        tokio::task::yield_now().await;
        caller.write(rest).await;
        for expected in ["one..", "/two", "three.."] {
            assert_eq!(body(&caller.answer().await), expected, "{first:?}");
        }
    }
    let mut caller = Caller::new(gate.address).await;
    for byte in requests.chars() {
        caller.write(&byte.to_string()).await;
        tokio::task::yield_now().await;
    }
    for expected in ["one..", "/two", "three.."] {
        assert_eq!(body(&caller.answer().await), expected);
    }
}

#[tokio::test]
async fn heads_of_every_length_are_read() {
    let (gate, _awake) = crowded(echo().await, &listen_config());
    let mut caller = Caller::new(gate.address).await;
    for length in [1, 4000, 4050, 4096, 5000, 8200, 30_000] {
        let head = format!("GET /{length} HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(length));
        for at in [10, head.len() / 2, head.len() - 1] {
            let (first, rest) = head.split_at(at);
            caller.write(first).await;
            tokio::task::yield_now().await;
            caller.write(rest).await;
            assert_eq!(body(&caller.answer().await), format!("/{length}"));
        }
    }
}

#[tokio::test]
async fn what_is_refused_is_refused() {
    let (gate, _awake) = crowded(echo().await, &listen_config());
    for (name, head) in [
        ("two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na"),
        (
            "both kinds of length",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        ("TLS", "\u{16}\u{3}\u{1}"),
        ("a bad line", "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n"),
    ] {
        for before in [false, true] {
            let mut caller = Caller::new(gate.address).await;
            if before {
                assert!(caller.ask(GET).await.starts_with("HTTP/1.1 200"));
            }
            let (first, rest) = head.split_at(head.len() / 2);
            caller.write(first).await;
            tokio::task::yield_now().await;
            caller.try_write(rest).await;
            let answer = caller.rest().await;
            assert!(answer.starts_with("HTTP/1.1 400"), "{name}: {answer}");
        }
    }
}

#[tokio::test]
async fn an_upgrade_follows() {
    let chat = upstream(|mut stream| async move {
        let mut buffer = Vec::new();
        read_message(&mut stream, &mut buffer).await.unwrap();
        stream.write_all(OK.as_bytes()).await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() && socket.send(message).await.is_err() {
                return;
            }
        }
    })
    .await;
    let (gate, _awake) = crowded(chat, &listen_config());
    let mut caller = Caller::new(gate.address).await;
    caller.ask(GET).await;
    let (mut socket, response) = soon(tokio_tungstenite::client_async("ws://a/", caller.stream)).await.unwrap();
    assert_eq!(response.status().as_u16(), 101);
    for text in ["a", "GET / HTTP/1.1\r\n\r\n", "b"] {
        soon(socket.send(Message::text(text))).await.unwrap();
        assert_eq!(soon(socket.next()).await.unwrap().unwrap().into_text().unwrap(), text);
    }
}

#[tokio::test]
async fn http2_is_told_apart_byte_by_byte() {
    let (gate, _awake) = crowded(echo().await, &listen_config());
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".bytes() {
        stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    let mut frame = [0; 9];
    soon(stream.read_exact(&mut frame)).await.unwrap();
    assert_eq!(frame[3], 4, "SETTINGS");
    let (mut sender, _connection) = http2_caller(gate.address).await;
    for _ in 0..3 {
        let request = http::Request::get("http://a/").body(http_body_util::Empty::new()).unwrap();
        assert_eq!(soon(sender.send_request(request)).await.unwrap().status().as_u16(), 200);
    }
}

#[tokio::test]
async fn limits_hold() {
    let mut listen = listen_config();
    (listen.header_timeout, listen.idle_timeout) = (SHORT, SHORT);
    let (gate, _awake) = crowded(echo().await, &listen);
    for (name, before, then) in [
        ("no byte", "", ""),
        ("idle", GET, ""),
        ("empty lines", GET, "\r\n\r\n"),
        ("half a head", GET, "GET / HTTP/1.1\r\n"),
        ("half a preface", "", "PRI * HTT"),
    ] {
        let mut caller = Caller::new(gate.address).await;
        if !before.is_empty() {
            caller.ask(before).await;
        }
        caller.write(then).await;
        let begun = std::time::Instant::now();
        caller.ended().await;
        assert!(begun.elapsed() < LIMIT / 2, "{name}");
    }
}

#[tokio::test]
async fn a_stop_is_announced_with_the_next_answer() {
    let upstream = echo().await;
    for crowd in [false, true] {
        let (gate, mut awake) = crowded(upstream, &listen_config());
        if !crowd {
            awake.clear();
        }
        let mut idle = Caller::new(gate.address).await;
        idle.ask(GET).await;
        let mut active = Caller::new(gate.address).await;
        assert_eq!(header(&active.ask(GET).await, "connection"), None);
        let mut half = Caller::new(gate.address).await;
        half.write("GET / HTTP/1.1\r\nHo").await;
        let draining = tokio::spawn(gate.drain.drain(SHORT * 4, LIMIT));
        tokio::task::yield_now().await;
        let answer = active.ask(GET).await;
        assert_eq!(header(&answer, "connection"), Some("close"), "{answer}");
        active.ended().await;
        let mut new = Caller::new(gate.address).await;
        let answer = new.ask(GET).await;
        assert_eq!(header(&answer, "connection"), Some("close"), "{answer}");
        new.ended().await;
        assert!(!draining.is_finished());
        idle.ended().await;
        // A head that has begun is answered, although the drain has begun.
        let answer = half.ask("st: a\r\n\r\n").await;
        assert_eq!(header(&answer, "connection"), Some("close"), "{answer}");
        half.ended().await;
        assert_eq!(soon(draining).await.unwrap(), DrainOutcome::Complete);
    }
}

#[tokio::test]
async fn http2_callers_learn_of_a_stop() {
    let gate = gate(echo().await);
    let (mut sender, connection) = http2_caller(gate.address).await;
    let request = || http::Request::get("http://a/").body(http_body_util::Empty::new()).unwrap();
    assert_eq!(soon(sender.send_request(request())).await.unwrap().status().as_u16(), 200);
    let draining = tokio::spawn(gate.drain.drain(LIMIT, LIMIT * 2));
    // GOAWAY ends the caller's connection long before the drain begins.
    soon(connection).await.unwrap().unwrap();
    assert!(!draining.is_finished());
}

#[tokio::test]
async fn the_longest_idle_gives_its_place() {
    let upstream = echo().await;
    for crowd in [false, true] {
        let mut listen = listen_config();
        listen.max_connections = 3;
        let (gate, mut awake) = crowded(upstream, &listen);
        if !crowd {
            awake.clear();
        }
        let mut callers = Vec::new();
        for _ in 0..3 {
            let mut caller = Caller::new(gate.address).await;
            caller.ask(GET).await;
            // Not for synchronisation: the clock of the silence counts in milliseconds.
            tokio::time::sleep(Duration::from_millis(5)).await;
            callers.push(caller);
        }
        callers[0].ask(GET).await;
        let mut new = Caller::new(gate.address).await;
        assert!(new.ask(GET).await.starts_with("HTTP/1.1 200"));
        callers[1].ended().await;
        for kept in [0, 2] {
            assert!(callers[kept].ask(GET).await.starts_with("HTTP/1.1 200"), "{kept}, crowd {crowd}");
        }
    }
}

#[tokio::test]
async fn a_slow_head_gives_its_place() {
    let mut listen = listen_config();
    listen.max_connections = 2;
    let gate = gate_with(&upstream_config(echo().await), &listen);
    let mut slow = Caller::new(gate.address).await;
    slow.write("GET / HT").await;
    let mut silent = Caller::new(gate.address).await;
    let begun = std::time::Instant::now();
    for _ in 0..2 {
        let mut new = Caller::new(gate.address).await;
        assert!(new.ask(GET).await.starts_with("HTTP/1.1 200"));
    }
    assert!(begun.elapsed() < LIMIT / 2, "long before the header timeout");
    slow.ended().await;
    silent.write(GET).await;
}

#[tokio::test]
async fn an_idle_http2_connection_gives_its_place() {
    let mut listen = listen_config();
    listen.max_connections = 1;
    let gate = gate_with(&upstream_config(echo().await), &listen);
    let (mut sender, connection) = http2_caller(gate.address).await;
    let request = http::Request::get("http://a/").body(http_body_util::Empty::new()).unwrap();
    assert_eq!(soon(sender.send_request(request)).await.unwrap().status().as_u16(), 200);
    let mut new = Caller::new(gate.address).await;
    assert!(new.ask(GET).await.starts_with("HTTP/1.1 200"));
    soon(connection).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_busy_connection_keeps_its_place() {
    let (slow, go) = answering_when_told().await;
    let mut listen = listen_config();
    listen.max_connections = 1;
    let (gate, _awake) = crowded(slow, &listen);
    let mut busy = Caller::new(gate.address).await;
    busy.write(GET).await;
    let mut new = Caller::new(gate.address).await;
    new.write(GET).await;
    // Not for synchronisation: the new caller has waited for some rounds.
    tokio::time::sleep(SHORT * 3).await;
    go.notify_one();
    assert!(busy.answer().await.starts_with("HTTP/1.1 200"));
    go.notify_one();
    assert!(new.answer().await.starts_with("HTTP/1.1 200"));
}

/// Answers with the target of the request, and reads no body.
struct Unread;

impl Handler for Unread {
    async fn handle(&self, request: Request<Incoming>, _connection: &Arc<Connection>) -> Response<Body> {
        Response::new(Body::full(request.uri().path().to_owned()))
    }
}

/// hyper has read such a body together with its head. Were the rest held for the next request, the caller of a proxy in front
/// could write the next request of another.
#[tokio::test]
async fn a_body_that_nobody_read_is_never_a_request() {
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let length = smuggled.len();
    let with = |lines: &str| format!("POST /own HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    for (name, request) in [
        ("expected", with(&format!("Expect: 100-continue\r\nContent-Length: {length}\r\n")) + smuggled),
        ("at once", with(&format!("Content-Length: {length}\r\n")) + smuggled),
        (
            "to be closed",
            with(&format!("Connection: close\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n")) + smuggled,
        ),
        (
            "in two chunks",
            with("Transfer-Encoding: chunked\r\n") + &format!("5\r\nabcde\r\n{length:x}\r\n{smuggled}\r\n0\r\n\r\n"),
        ),
        (
            "behind line ends",
            with(&format!("Expect: 100-continue\r\nContent-Length: {}\r\n", length + 4)) + "\r\n\r\n" + smuggled,
        ),
        (
            "with the start of a head behind",
            with(&format!("Expect: 100-continue\r\nContent-Length: {length}\r\n")) + smuggled + "GET /ne",
        ),
    ] {
        let (gate, _awake) = crowded_with(&listen_config(), Unread);
        let mut caller = Caller::new(gate.address).await;
        caller.write(&request).await;
        assert_eq!(body(&caller.answer().await), "/own", "{name}");
        let rest = if request.ends_with("/ne") { "xt" } else { "GET /next" };
        caller.try_write(&format!("{rest} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await;
        let rest = caller.rest().await;
        assert!(!rest.contains("smuggled"), "{name}: {rest}");
    }
}
