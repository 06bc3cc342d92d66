use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use proptest::prelude::*;
use tokio::io::AsyncWriteExt as _;

use super::harness::*;
use crate::adapters::net::body::{Body, read_bounded};
use crate::edge::server::{Connection, Handler};

#[tokio::test]
async fn ambiguous_framing_is_refused_and_the_connection_closed() {
    let cases = [
        ("CL then TE", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("TE then CL", "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"),
        ("CL twice", "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
        ("CL twice, bare LF", "Content-Length: 3\ncontent-length: 3\n\nabc"),
        ("CL twice, zero", "Content-Length: 0\r\nX: y\r\nCONTENT-LENGTH: 0\r\n\r\n"),
        ("CL twice, no space", "Content-Length:3\r\nContent-Length:3\r\n\r\nabc"),
        ("TE twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("CL list", "Content-Length: 3, 3\r\n\r\nabc"),
        ("CL with a sign", "Content-Length: +3\r\n\r\nabc"),
        ("space before the colon", "Content-Length : 3\r\n\r\nabc"),
        ("obs-fold", "X: a\r\n b\r\n\r\n"),
        ("chunked not last", "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    ];
    let (upstream, mut received) = answering(OK).await;
    let gate = gate(upstream);
    for (name, rest) in cases {
        for before in ["", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"] {
            for step in [usize::MAX, 1, 7] {
                let mut caller = Caller::new(gate.address).await;
                let bytes = format!("{before}POST / HTTP/1.1\r\nHost: a\r\n{rest}");
                for piece in bytes.as_bytes().chunks(step.min(bytes.len())) {
                    if caller.stream.write_all(piece).await.is_err() {
                        break;
                    }
                }
                if !before.is_empty() {
                    assert!(caller.answer().await.starts_with("HTTP/1.1 200"), "{name}");
                    received.recv().await.unwrap();
                }
                let rest = caller.rest().await;
                assert!(rest.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{name}, {step}: {rest:?}");
                assert_eq!(rest.matches("HTTP/1.1").count(), 1, "{name}: {rest:?}");
            }
        }
    }
    assert!(received.try_recv().is_err(), "none of them went upstream");
}

#[tokio::test]
async fn pipelined_requests_of_every_framing_pass() {
    let (upstream, mut received) = answering(OK).await;
    let gate = gate(upstream);
    let requests = [
        "POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=\"q\"\r\nabc\r\n10 \r\nContent-Length: \r\n0\r\nX-T: 1\r\nContent-Length: 9\r\n\r\n",
        "\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "POST /4 HTTP/1.1\nHost: a\nContent-Length:  2 \n\nab",
        "POST /5 HTTP/1.1\r\nHost: a\r\nContent-Length-X: 1\r\nContent-Length-X: 1\r\nC: d\r\nT:\r\nContent-Length: 0\r\n\r\n",
        "GET /6 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    ];
    for step in [usize::MAX, 1, 2, 13] {
        let mut caller = Caller::new(gate.address).await;
        let bytes = requests.concat();
        for piece in bytes.as_bytes().chunks(step.min(bytes.len())) {
            caller.write(std::str::from_utf8(piece).unwrap()).await;
        }
        for path in 1..=6 {
            let request = soon(received.recv()).await.unwrap();
            assert!(request.contains(&format!(" /{path} ")), "step {step}: {request}");
        }
        assert_eq!(caller.rest().await.matches("HTTP/1.1 200 OK").count(), 6, "step {step}");
    }
}

/// Answers with what it read, so that what hyper took for requests can be counted.
struct Reading;

impl Handler for Reading {
    async fn handle(&self, request: Request<Incoming>, _connection: &Arc<Connection>) -> Response<Body> {
        let read = read_bounded(request.into_body(), 4096, LIMIT).await;
        Response::new(read.map_or_else(|_| Body::empty(), |(data, _)| Body::full(data)))
    }
}

const PIECES: &[&str] = &[
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n\r\n",
    "POST / HTTP/1.1\nTransfer-Encoding: chunked\nHost: a\n\n2;a\r\nab\r\n0\r\nT: u\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n",
    "\r\n",
    "\n",
    "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "P / HTTP/1.1\r\nC: d\r\nContent-Length: 0\r\n\r\n",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// The scanner and hyper agree about where requests begin: after any requests and in any pieces, the good ones
    /// are answered and the bad one at the end, and nothing else, is refused.
    #[test]
    fn the_scanner_keeps_in_step_with_hyper(
        picks in proptest::collection::vec(0..PIECES.len(), 0..8),
        sizes in proptest::collection::vec(1..60_usize, 1..6),
    ) {
        let good = picks.iter().filter(|pick| PIECES[**pick].len() > 2).count();
        let mut bytes: String = picks.iter().map(|pick| PIECES[*pick]).collect();
        bytes.push_str("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n");
        let answers = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let gate = serve(&listen_config(), Reading);
            let mut caller = Caller::new(gate.address).await;
            let mut rest = bytes.as_str();
            for size in sizes.iter().cycle() {
                let (piece, after) = rest.split_at((*size).min(rest.len()));
                // hyper may refuse the last head before all of it is written.
                caller.try_write(piece).await;
                rest = after;
                if rest.is_empty() {
                    break;
                }
                // Lets the server read piece by piece.
                tokio::task::yield_now().await;
            }
            caller.rest().await
        });
        let (answered, refused) = (" 200 OK\r\n", " 400 Bad Request\r\n");
        prop_assert_eq!(answers.matches(answered).count(), good, "{:?}\n{:?}", bytes, answers);
        prop_assert_eq!(answers.matches(refused).count(), 1, "{:?}\n{:?}", bytes, answers);
    }
}
