//! A proxy between Cambio and the identity provider that compresses whatever passes.

use std::convert::Infallible;
use std::io::Write as _;
use std::net::SocketAddr;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, USER_AGENT};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::outgoing;
use crate::support::client;
use crate::support::world::{CERTS_PATH, DISCOVERY_PATH, Plan, World, exchange_fields};

fn coded(coding: &str, body: &[u8]) -> Vec<u8> {
    match coding {
        "gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(body).unwrap();
            encoder.finish().unwrap()
        }
        "deflate" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(body).unwrap();
            encoder.finish().unwrap()
        }
        // As good as any for those who can't read it.
        _ => body.to_vec(),
    }
}

/// A proxy that codes every answer to Cambio's own requests.
async fn proxy(upstream: SocketAddr, coding: &'static str, padding: usize) -> SocketAddr {
    let answer = move |request: Request<Incoming>| async move {
        let (head, body) = request.into_parts();
        let own = head.headers.get(USER_AGENT).is_some_and(|agent| agent.to_str().unwrap().starts_with("cambio/"));
        if own {
            assert_eq!(head.headers.get(ACCEPT_ENCODING).unwrap(), "identity");
        }
        let body = body.collect().await.unwrap().to_bytes();
        let answer = client::send(upstream, Request::from_parts(head, body)).await;
        let mut response = Response::new(Full::new(answer.body.clone()));
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        if own {
            let padded = [&answer.body[..], &vec![b' '; padding]].concat();
            *response.body_mut() = Full::new(coded(coding, &padded).into());
            response.headers_mut().remove(CONTENT_LENGTH);
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        Ok::<_, Infallible>(response)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(answer);
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

/// The world of [`outgoing`], behind the proxy.
async fn world(issuance: &str, coding: &'static str, padding: usize) -> World {
    let plan = outgoing::plan(issuance).await;
    let proxy = proxy(plan.idp.address(), coding, padding).await;
    plan.before(proxy).start().await
}

#[tokio::test]
async fn coded_answers_are_read() {
    for coding in ["gzip", "deflate"] {
        for issuance in ["mint", "reissue"] {
            let world = world(issuance, coding, 0).await;
            let alice = world.alice().await;
            let answer = world.exchange(&alice, &[]).await;
            assert_eq!(answer.status, 200, "{issuance}, {coding}: {}", world.audit_after(0).await);
            assert_eq!(answer.header("content-encoding"), "", "{issuance}, {coding}");
            answer.access_token();
            for path in [CERTS_PATH, DISCOVERY_PATH] {
                let document = client::get(world.address(), path).await;
                assert_eq!(
                    (document.status.as_u16(), document.header("content-encoding")),
                    (200, ""),
                    "{path}, {coding}"
                );
                assert!(document.json().is_object(), "{path}, {coding}");
            }
        }
    }
}

#[tokio::test]
async fn what_can_not_be_decoded_is_refused_and_named() {
    for (coding, padding) in [("br", 0), ("gzip", 8 << 20)] {
        let world = world("mint", coding, padding).await;
        let alice = world.alice().await;
        let before = world.audit_so_far();
        let answer = client::post(world.address(), crate::support::world::TOKEN_PATH, &exchange_fields(&alice)).await;
        assert_eq!(answer.status, 503, "{coding}: {}", answer.text());
        let line = world.audit_after(before).await;
        let expected = if coding == "br" { "the content coding \"br\"" } else { "the decoded answer is larger than" };
        assert!(line["detail"].as_str().unwrap().contains(expected), "{line}");
    }
}

#[tokio::test]
async fn what_only_passes_keeps_its_coding() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plan = Plan::new().await.before(upstream.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = upstream.accept().await {
            let page = service_fn(async |_: Request<Incoming>| {
                let mut page = Response::new(Full::new(Bytes::from(coded("gzip", b"<p>"))));
                page.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                page.headers_mut().insert("content-type", HeaderValue::from_static("text/html"));
                Ok::<_, Infallible>(page)
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), page));
        }
    });
    let world = plan.start().await;
    let request = Request::get("/realms/corp/account").header("accept-encoding", "gzip").body(Bytes::new()).unwrap();
    let page = client::send(world.address(), request).await;
    assert_eq!((page.header("content-encoding"), page.body.as_ref()), ("gzip", coded("gzip", b"<p>").as_slice()));
}
