//! Bodies of requests that are malformed or do not come to their end.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::client::{self, DEADLINE};
use crate::support::echo::Echo;
use crate::support::raw;
use crate::support::world::{Plan, TOKEN_PATH, World, until};

/// A body whose chunks can't be read is answered 400 wherever it goes, and what was sent upstream of it is no request.
#[tokio::test]
async fn a_malformed_chunk_is_the_callers_fault() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = Plan::new().await.before(upstream.local_addr().unwrap()).start().await;
    // Not many bytes more than are read, because a reset would overtake the answer.
    let extension = format!("3;{}", "x".repeat(16_384));
    let trailer = format!("0\r\nx: {}", "x".repeat(16_384));
    let bodies = [
        "zz\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        "\r\n",
        "3g\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "3\nabc\n0\n\n",
        "11111111111111111\r\nabc",
        "3;a=\"b\nc\"\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\nno trailer\r\n\r\n",
        "3\r\nabc\r\n0\r\nx: y\rz\r\n\r\n",
        &extension,
        &trailer,
    ];
    for (path, kind) in [
        ("/echo", "application/x-tar"),
        ("/echo", "application/x-www-form-urlencoded"),
        (TOKEN_PATH, "application/x-www-form-urlencoded"),
    ] {
        for body in bodies {
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: sso.example.org\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
            );
            let name = format!("{kind} to {path}: {}", body.get(..40).unwrap_or(body));
            let before = world.audit_so_far();
            let mut stream = TcpStream::connect(world.address()).await.unwrap();
            stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            let mut answer = String::new();
            // To its end: nothing more is read from such a connection.
            let _ = tokio::time::timeout(DEADLINE, stream.read_to_string(&mut answer)).await.expect("closed in time");
            assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("Malformed request"), "{name}: {answer}");
            assert_eq!(world.audit_after(before).await["reason"], "framing_refused", "{name}");
        }
    }
    // Each streaming body had a connection of its own, which ended with it before its request was complete.
    let serving = async {
        let mut broken = 0;
        loop {
            let (mut stream, _) = upstream.accept().await.unwrap();
            let mut start = [0; 6];
            match stream.read_exact(&mut start).await.map(|_| &start) {
                Ok(b"GET / ") => {
                    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
                    return broken;
                }
                // Cambio's own question about keys.
                Ok(b"GET /r") => {}
                // Closed before anything was written, or in the middle.
                _ => {
                    let mut got = String::new();
                    let _ = stream.read_to_string(&mut got).await;
                    assert!(!got.ends_with("\r\n0\r\n\r\n"), "{got}");
                    broken += 1;
                }
            }
        }
    };
    let get = raw::send(world.address(), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let (broken, answer) = tokio::join!(serving, get);
    assert_eq!((broken, answer.status), (bodies.len(), 204));
}

/// Waits until no connection to Cambio is open.
async fn quiet(world: &World) {
    until("no open connection", async || (world.metric("cambio_connections ").await < 0.5).then_some(())).await;
}

#[tokio::test]
async fn a_body_that_breaks_off_is_the_callers_fault() {
    let echo = Echo::start().await;
    let world = Plan::new().await.before(echo.address).start().await;
    for (path, kind) in [("/echo", "application/x-tar"), ("/echo", "application/x-www-form-urlencoded")] {
        for rest in ["Content-Length: 10\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n5\r\nabc"] {
            let mut stream = TcpStream::connect(world.address()).await.unwrap();
            let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\n{rest}");
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = String::new();
            let _ = tokio::time::timeout(DEADLINE, stream.read_to_string(&mut answer)).await.expect("closed in time");
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{kind}, {rest}: {answer}");
        }
    }
    quiet(&world).await;
    let metrics = client::get(world.cambio.admin, "/metrics").await.text();
    let faults: Vec<_> = metrics
        .lines()
        .filter(|line| line.starts_with("cambio_upstream_faults_total") && !line.ends_with(" 0"))
        .collect();
    assert!(faults.is_empty(), "{faults:?}");
    assert_eq!(client::get(world.address(), "/echo").await.status, 200);
}
