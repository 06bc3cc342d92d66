//! A gate that passes everything, an upstream that plays a script, a caller that writes bytes.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use crate::adapters::config;
use crate::adapters::drain::{self, Drain};
use crate::adapters::metrics::Metrics;
use crate::adapters::net::body::Body;
use crate::adapters::net::budget::MemoryBudget;
use crate::adapters::upstream::client::UpstreamClient;
use crate::adapters::upstream::forward;
use crate::edge::server::crowd::{Awake, Crowd};
use crate::edge::server::{Connection, Handler, Server, bind};

/// No test waits longer for anything.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// Fails when something takes longer than [`LIMIT`].
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("took too long")
}

/// An HTTP/2 caller by prior knowledge, and its connection's end.
pub(crate) async fn http2_caller(
    address: SocketAddr,
) -> (http2::SendRequest<Empty<Bytes>>, JoinHandle<hyper::Result<()>>) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = http2::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(stream)).await.unwrap();
    (sender, tokio::spawn(connection))
}

pub(crate) struct Passing(pub(crate) UpstreamClient);

impl Handler for Passing {
    async fn handle(&self, request: Request<Incoming>, connection: &Arc<Connection>) -> Response<Body> {
        let request = request.map(|body| Body::of_caller(body, self.0.idle_timeout()));
        forward::pass(&self.0, request, None, connection).await.unwrap_or_else(|error| {
            let mut response = Response::new(Body::full(format!("{}", error.reason())));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        })
    }
}

pub(crate) fn upstream_config(address: SocketAddr) -> config::Upstream {
    config::Upstream {
        scheme: http::uri::Scheme::HTTP,
        authority: address.to_string().parse().unwrap(),
        ca: None,
        client_certificate: None,
        certificate_for_own_calls_only: true,
        connect_timeout: LIMIT,
        response_timeout: LIMIT,
        idle_timeout: LIMIT,
        max_connections: 1024,
    }
}

pub(crate) fn listen_config() -> config::Listen {
    config::Listen {
        address: "127.0.0.1:0".parse().unwrap(),
        tls: None,
        client_certificates: None,
        certificate_header: None,
        trusted_proxies: Vec::new(),
        identity_headers: Vec::new(),
        proxy_protocol: false,
        header_timeout: LIMIT,
        body_timeout: LIMIT,
        idle_timeout: LIMIT,
        max_header_bytes: 64 * 1024,
        max_form_bytes: 1024 * 1024,
        max_token_bytes: 64 * 1024,
        max_connections: 100,
        drain_timeout: LIMIT,
    }
}

/// A running gate.
pub(crate) struct Gate {
    pub(crate) address: SocketAddr,
    pub(crate) drain: Drain,
}

pub(crate) fn gate(upstream: SocketAddr) -> Gate {
    gate_with(&upstream_config(upstream), &listen_config())
}

pub(crate) fn gate_with(upstream: &config::Upstream, listen: &config::Listen) -> Gate {
    serve(listen, Passing(UpstreamClient::new(upstream).unwrap()))
}

pub(crate) fn serve(listen: &config::Listen, handler: impl Handler) -> Gate {
    serve_with(Server::new(listen, MemoryBudget::unlimited()).unwrap(), listen, handler)
}

/// An upstream that answers each request when it is told.
pub(crate) async fn answering_when_told() -> (SocketAddr, Arc<Notify>) {
    let go = Arc::new(Notify::new());
    let told = Arc::clone(&go);
    let address = upstream(move |mut stream| {
        let told = Arc::clone(&told);
        async move {
            let mut buffer = Vec::new();
            while read_message(&mut stream, &mut buffer).await.is_some() {
                told.notified().await;
                stream.write_all(OK.as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    (address, go)
}

/// A gate in a crowd, as long as the second value lives: a connection is parked as soon as its answer is written.
pub(crate) fn crowded(upstream: SocketAddr, listen: &config::Listen) -> (Gate, Vec<Awake>) {
    crowded_with(listen, Passing(UpstreamClient::new(&upstream_config(upstream)).unwrap()))
}

pub(crate) fn crowded_with(listen: &config::Listen, handler: impl Handler) -> (Gate, Vec<Awake>) {
    let server = Server::new(listen, MemoryBudget::unlimited()).unwrap();
    let crowd = Arc::clone(&server.protocol.crowd);
    let awake = (0..=Crowd::AWAKE).map(|_| crowd.awake()).collect();
    (serve_with(server, listen, handler), awake)
}

pub(crate) fn serve_with(server: Server, listen: &config::Listen, handler: impl Handler) -> Gate {
    let listener = bind(listen.address).unwrap();
    let address = listener.local_addr().unwrap();
    let (drain, watch) = drain::channel();
    tokio::spawn(server.serve(listener, Arc::new(handler), watch, Arc::new(Metrics::new().unwrap())));
    Gate { address, drain }
}

/// An upstream that runs `script` on each connection.
pub(crate) async fn upstream<F, S>(script: S) -> SocketAddr
where
    S: Fn(TcpStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(script(stream));
        }
    });
    address
}

/// An upstream that gives the same answer to each request and tells what it received, body (by `Content-Length` or
/// chunks) included.
pub(crate) async fn answering(answer: &'static str) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let address = upstream(move |mut stream| {
        let sender = sender.clone();
        async move {
            let mut buffer = Vec::new();
            while let Some(request) = read_message(&mut stream, &mut buffer).await {
                let _ = sender.send(request);
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    (address, receiver)
}

/// The next message of a stream as text, or `None` at its end.
pub(crate) async fn read_message(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(length) = message_length(buffer) {
            let rest = buffer.split_off(length);
            return Some(String::from_utf8(std::mem::replace(buffer, rest)).unwrap());
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

fn message_length(buffer: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(buffer);
    let head = text.find("\r\n\r\n")? + 4;
    let lower = text[..head].to_ascii_lowercase();
    let length = if lower.contains("transfer-encoding: chunked") {
        if text[head..].starts_with("0\r\n") {
            text[head..].find("\r\n\r\n")? + 4
        } else {
            let end = text[head..].find("\r\n0\r\n")? + 5;
            end + text[head + end - 2..].find("\r\n\r\n")? + 2
        }
    } else {
        lower.split("content-length: ").nth(1).map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap())
    };
    (buffer.len() >= head + length).then_some(head + length)
}

/// A caller's connection.
pub(crate) struct Caller {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

impl Caller {
    pub(crate) async fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) async fn write(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Writes as far as the other side lets us.
    pub(crate) async fn try_write(&mut self, bytes: &str) {
        let _ = self.stream.write_all(bytes.as_bytes()).await;
    }

    /// Waits for the end of the connection.
    pub(crate) async fn ended(&mut self) {
        let _ = soon(self.stream.read_to_end(&mut self.buffer)).await;
    }

    /// The next answer, head and body.
    pub(crate) async fn answer(&mut self) -> String {
        soon(read_message(&mut self.stream, &mut self.buffer)).await.expect("an answer")
    }

    pub(crate) async fn ask(&mut self, request: &str) -> String {
        self.write(request).await;
        self.answer().await
    }

    /// Everything until the other side closes.
    pub(crate) async fn rest(mut self) -> String {
        // A reset is an end too.
        let _ = soon(self.stream.read_to_end(&mut self.buffer)).await;
        String::from_utf8(self.buffer).unwrap()
    }

    /// What has been read and not been taken.
    pub(crate) fn take(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.buffer)).unwrap()
    }

    /// Reads until the text has come.
    pub(crate) async fn until(&mut self, text: &str) {
        soon(async {
            while !String::from_utf8_lossy(&self.buffer).contains(text) {
                assert_ne!(self.stream.read_buf(&mut self.buffer).await.unwrap(), 0, "closed before {text}");
            }
        })
        .await;
    }
}

/// A header's value in a raw message.
pub(crate) fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    let head = message.split("\r\n\r\n").next()?;
    head.split("\r\n")
        .find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)))
        .map(|(_, value)| value)
}

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
