use tokio::io::AsyncWriteExt as _;

use super::harness::*;

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
