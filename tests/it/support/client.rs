//! A caller that speaks HTTP/1.1 properly, one connection per request, with a deadline.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::form;

/// The longest that any request of the suite may take.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// The public name under which the suite's callers know the identity provider.
pub const PUBLIC_HOST: &str = "sso.example.org";

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header as text; empty if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The `access_token` of a successful answer.
    #[track_caller]
    pub fn access_token(&self) -> String {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text());
        self.json()["access_token"].as_str().unwrap().to_owned()
    }
}

/// Why there was no whole answer.
#[derive(Debug)]
pub enum NoAnswer {
    /// The connection could not be made.
    Connect,
    /// The connection ended early.
    Broken,
}

/// Sends one request; the Host is `sso.example.org` unless the request names another.
pub async fn send(address: SocketAddr, request: Request<Bytes>) -> Answer {
    try_send(address, request).await.unwrap()
}

/// Sends one request that may fail.
pub async fn try_send(address: SocketAddr, request: Request<Bytes>) -> Result<Answer, NoAnswer> {
    tokio::time::timeout(DEADLINE, exchange(address, request)).await.expect("an answer within the deadline")
}

/// `GET path`
pub async fn get(address: SocketAddr, path: &str) -> Answer {
    send(address, Request::get(path).body(Bytes::new()).unwrap()).await
}

/// `GET path` by the listener's address, as operators ask the admin listener.
pub async fn get_by_address(address: SocketAddr, path: &str) -> Answer {
    send(address, Request::get(path).header(HOST, address.to_string()).body(Bytes::new()).unwrap()).await
}

/// `POST path` with a form.
pub async fn post(address: SocketAddr, path: &str, fields: &[(&str, &str)]) -> Answer {
    send(address, form_request(path, fields)).await
}

/// The request of [`post`].
pub fn form_request(path: &str, fields: &[(&str, &str)]) -> Request<Bytes> {
    let body = Bytes::from(form::encode(fields));
    Request::post(path).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body).unwrap()
}

/// Sends one request on a stream that is open already.
pub async fn send_over(stream: impl Stream, request: Request<Bytes>) -> Answer {
    tokio::time::timeout(DEADLINE, over(stream, request)).await.expect("an answer in time").unwrap()
}

/// Sends one request in HTTP/2 on a stream that is open already.
pub async fn send_http2(stream: impl Stream, scheme: &str, request: Request<Bytes>) -> Answer {
    send_http2_body(stream, scheme, request.map(Full::new)).await
}

/// Sends one request with any body in HTTP/2, whose head need not tell the body's length.
pub async fn send_http2_body<B>(stream: impl Stream, scheme: &str, mut request: Request<B>) -> Answer
where
    B: http_body::Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    let target = request.uri().path_and_query().unwrap();
    *request.uri_mut() = format!("{scheme}://{PUBLIC_HOST}{target}").parse().unwrap();
    *request.version_mut() = http::Version::HTTP_2;
    let work = async {
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.unwrap();
        let connection = tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        assert_eq!(head.version, http::Version::HTTP_2);
        let body = body.collect().await.unwrap().to_bytes();
        connection.abort();
        Answer { status: head.status, headers: head.headers, body }
    };
    tokio::time::timeout(DEADLINE, work).await.expect("an answer within the deadline")
}

/// What a connection is made of, TLS or not.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

async fn exchange(address: SocketAddr, request: Request<Bytes>) -> Result<Answer, NoAnswer> {
    over(TcpStream::connect(address).await.map_err(|_| NoAnswer::Connect)?, request).await
}

async fn over(stream: impl Stream, mut request: Request<Bytes>) -> Result<Answer, NoAnswer> {
    request.headers_mut().entry(HOST).or_insert(PUBLIC_HOST.parse().unwrap());
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_headers(2000);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|_| NoAnswer::Broken)?;
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request.map(Full::new)).await.map_err(|_| NoAnswer::Broken)?;
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(|_| NoAnswer::Broken)?.to_bytes();
    connection.abort();
    Ok(Answer { status: head.status, headers: head.headers, body })
}
