use http::{Request, Version};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::harness::*;

#[tokio::test]
async fn a_request_arrives_as_it_was_sent() {
    let (upstream, mut received) = answering(OK).await;
    let mut caller = Caller::new(gate(upstream).address).await;
    let answer = caller
        .ask("GET /a//b/%2e%2E/c?x=%zz&y HTTP/1.1\r\nHost: sso.example.org\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\n\
              X-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\ntraceparent: 00-ab-cd-01\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok"), "{answer}");
    let request = received.recv().await.unwrap();
    assert!(request.starts_with("GET /a//b/%2e%2E/c?x=%zz&y HTTP/1.1\r\n"), "{request}");
    for (name, value) in [
        ("host", Some("sso.example.org")),
        ("connection", None),
        ("x-hop", None),
        ("x_forwarded_for", None),
        ("x-forwarded-for", Some("127.0.0.1")),
        ("x-forwarded-proto", Some("http")),
        ("x-forwarded-host", Some("sso.example.org")),
        ("x-forwarded-port", Some("80")),
        ("forwarded", Some("for=127.0.0.1;host=\"sso.example.org\";proto=http")),
        ("traceparent", Some("00-ab-cd-01")),
    ] {
        assert_eq!(header(&request, name), value, "{name}");
    }
}

#[tokio::test]
async fn a_trusted_proxy_is_believed() {
    let (upstream, mut received) = answering(OK).await;
    let mut listen = listen_config();
    listen.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let gate = gate_with(&upstream_config(upstream), &listen);
    let mut caller = Caller::new(gate.address).await;
    caller.ask("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n\r\n").await;
    let request = received.recv().await.unwrap();
    assert_eq!(header(&request, "x-forwarded-for"), Some("6.6.6.6, 127.0.0.1"));
    assert_eq!(header(&request, "x-forwarded-proto"), Some("https"));
}

#[tokio::test]
async fn http_1_0_without_a_host_gets_the_upstreams() {
    let (upstream, mut received) = answering(OK).await;
    let mut caller = Caller::new(gate(upstream).address).await;
    caller.write("GET / HTTP/1.0\r\n\r\n").await;
    assert!(caller.rest().await.starts_with("HTTP/1.0 200"));
    let request = received.recv().await.unwrap();
    assert!(request.starts_with("GET / HTTP/1.1\r\n"));
    assert_eq!(header(&request, "host"), Some(upstream.to_string().as_str()));
}

#[tokio::test]
async fn bodies_keep_their_framing() {
    let cases = [
        ("length", "POST", "Content-Length: 3\r\n\r\nabc", "content-length: 3", "abc"),
        (
            "chunks",
            "POST",
            "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n",
            "transfer-encoding: chunked",
            "3\r\nabc\r\n0\r\n\r\n",
        ),
        (
            "GET with chunks",
            "GET",
            "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            "transfer-encoding: chunked",
            "3\r\nabc\r\n0\r\n\r\n",
        ),
        ("empty POST", "POST", "\r\n", "content-length: 0", ""),
    ];
    let (upstream, mut received) = answering(OK).await;
    let mut caller = Caller::new(gate(upstream).address).await;
    for (name, method, rest, framing, body) in cases {
        caller.ask(&format!("{method} / HTTP/1.1\r\nHost: a\r\n{rest}")).await;
        let request = received.recv().await.unwrap();
        if name != "empty POST" {
            assert!(request.contains(framing), "{name}: {request}");
        }
        assert!(request.ends_with(&format!("\r\n\r\n{body}")), "{name}: {request}");
    }
}

#[tokio::test]
async fn answers_without_a_body_keep_their_head() {
    let cases = [
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\ncontent-length: 12345\r\nconnection: keep-alive, x-hop\r\nx-hop: 1\r\n\r\n",
            Some("12345"),
        ),
        ("GET", "HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\ncontent-length: 7\r\n\r\n", None),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", None),
    ];
    for (method, answer, length) in cases {
        let (upstream, _received) = answering(answer).await;
        let mut caller = Caller::new(gate(upstream).address).await;
        // Twice, to see that the connection can go on.
        for _ in 0..2 {
            caller.write(&format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
            caller.until("\r\n\r\n").await;
            let head = caller.take();
            assert_eq!(head.lines().next(), answer.lines().next());
            assert_eq!(header(&head, "content-length"), length, "{head}");
            assert_eq!(header(&head, "x-hop"), None);
            assert!(head.ends_with("\r\n\r\n"), "no body: {head}");
        }
    }
}

#[tokio::test]
async fn informational_answers_end_here() {
    let (upstream, _received) =
        answering("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let mut caller = Caller::new(gate(upstream).address).await;
    let answer = caller.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && !answer.contains("link"), "{answer}");
}

#[tokio::test]
async fn expect_continue_is_answered_here() {
    let (upstream, mut received) = answering(OK).await;
    let mut caller = Caller::new(gate(upstream).address).await;
    caller.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n").await;
    caller.until("HTTP/1.1 100 Continue\r\n\r\n").await;
    caller.take();
    assert!(caller.ask("abc").await.starts_with("HTTP/1.1 200"));
    let request = received.recv().await.unwrap();
    assert_eq!(header(&request, "expect"), None);
    assert!(request.ends_with("abc"));
}

#[tokio::test]
async fn h2c_upgrade_is_ignored() {
    let (upstream, mut received) = answering(OK).await;
    let mut caller = Caller::new(gate(upstream).address).await;
    for _ in 0..2 {
        let answer = caller
            .ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n")
            .await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let request = received.recv().await.unwrap().to_ascii_lowercase();
        assert!(!request.contains("upgrade") && !request.contains("http2-settings"), "{request}");
    }
}

#[tokio::test]
async fn http2_by_prior_knowledge() {
    let (upstream, mut received) = answering(OK).await;
    let stream = TcpStream::connect(gate(upstream).address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .handshake::<_, Full<bytes::Bytes>>(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = Request::post("http://sso.example.org/a?b").body(Full::from("abc")).unwrap();
    let response = soon(sender.send_request(request)).await.unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_2));
    assert_eq!(soon(response.into_body().collect()).await.unwrap().to_bytes(), "ok");
    let request = received.recv().await.unwrap();
    assert!(request.starts_with("POST /a?b HTTP/1.1\r\n"), "{request}");
    assert_eq!(header(&request, "host"), Some("sso.example.org"));
    assert_eq!(header(&request, "content-length"), Some("3"));
}

#[tokio::test]
async fn connections_upstream_are_used_again_and_replaced() {
    // The upstream closes each connection after its second answer without saying so.
    let (counter, mut connections) = tokio::sync::mpsc::unbounded_channel();
    let address = upstream(move |mut stream| {
        let counter = counter.clone();
        async move {
            counter.send(()).unwrap();
            let mut buffer = Vec::new();
            for _ in 0..2 {
                if read_message(&mut stream, &mut buffer).await.is_none() {
                    return;
                }
                stream.write_all(OK.as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    let mut caller = Caller::new(gate(address).address).await;
    for _ in 0..2 {
        assert!(caller.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    }
    connections.recv().await.unwrap();
    assert!(connections.try_recv().is_err(), "one connection for two requests");
}

#[tokio::test]
async fn trailers_go_both_ways() {
    let (upstream, mut received) = answering(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\nx-sum: 9\r\n\r\n",
    )
    .await;
    let mut caller = Caller::new(gate(upstream).address).await;
    let answer = caller
        .ask("POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\nTransfer-Encoding: chunked\r\nTrailer: x-up\r\n\r\n1\r\na\r\n0\r\nX-Up: 5\r\n\r\n")
        .await;
    assert!(answer.ends_with("2\r\nok\r\n0\r\nx-sum: 9\r\n\r\n"), "{answer}");
    let request = received.recv().await.unwrap();
    assert!(request.ends_with("1\r\na\r\n0\r\nx-up: 5\r\n\r\n"), "{request}");
    assert_eq!(header(&request, "te"), Some("trailers"));
}

#[tokio::test]
async fn an_upstream_that_can_not_be_reached_or_read() {
    let closed = { tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap() };
    let cases = [
        ("refused", closed, "upstream_unavailable"),
        ("garbage", answering("SSH-2.0-OpenSSH\r\n\r\n").await.0, "upstream_garbage"),
        (
            "unasked 101",
            answering("HTTP/1.1 101 Switching\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n").await.0,
            "upstream_garbage",
        ),
        (
            "other coding",
            answering("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n").await.0,
            "upstream_garbage",
        ),
        ("closed", upstream(|stream| async move { drop(stream) }).await, "upstream_unavailable"),
    ];
    for (name, address, reason) in cases {
        let mut caller = Caller::new(gate(address).address).await;
        let answer = caller.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(answer.ends_with(reason), "{name}: {answer}");
    }
}
