//! A plain upstream that says what it received, and serves bodies of every kind.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderName, TRAILER, UPGRADE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

/// Bytes of the string in the JSON of `/long-json`.
pub const LONG_JSON: usize = 512 * 1024;

/// The running server; dropping it ends it.
pub struct Echo {
    pub address: SocketAddr,
    gate: Arc<Semaphore>,
    server: JoinHandle<()>,
}

impl Echo {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let gate = Arc::new(Semaphore::new(0));
        let server = tokio::spawn(serve(listener, Arc::clone(&gate)));
        Self { address, gate, server }
    }

    /// Lets one waiting body of `/slow` go on.
    pub fn release(&self) {
        self.gate.add_permits(1);
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, gate: Arc<Semaphore>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let gate = Arc::clone(&gate);
        connections.spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&gate)));
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder.max_headers(2000);
            let _ = builder.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
        });
    }
}

/// Frames in order; an empty queue that has a gate waits at it once.
struct Frames {
    left: VecDeque<Frame<Bytes>>,
    gate: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// The last frame never comes: the connection ends.
    cut: bool,
}

impl Body for Frames {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if self.cut && self.left.len() == 1 {
            return Poll::Ready(Some(Err(std::io::ErrorKind::BrokenPipe.into())));
        }
        if self.left.len() == 1
            && let Some(gate) = &mut self.gate
        {
            std::task::ready!(gate.as_mut().poll(cx));
            self.gate = None;
        }
        Poll::Ready(self.left.pop_front().map(Ok))
    }
}

fn frames(frames: impl IntoIterator<Item = Frame<Bytes>>) -> Frames {
    Frames { left: frames.into_iter().collect(), gate: None, cut: false }
}

/// An answer of JSON in pieces.
fn json_pieces(pieces: Vec<Bytes>) -> Response<Frames> {
    let body = frames(pieces.into_iter().map(Frame::data));
    Response::builder().header(CONTENT_TYPE, "application/json").body(body).unwrap()
}

fn text(bytes: impl Into<Bytes>) -> Frames {
    frames([Frame::data(bytes.into())])
}

async fn answer(request: Request<Incoming>, gate: Arc<Semaphore>) -> Result<Response<Frames>, Infallible> {
    let path = request.uri().path().to_owned();
    Ok(match path.as_str() {
        "/blob" => Response::new(frames((0..64).map(|n| Frame::data(Bytes::from(vec![n; 64 * 1024]))))),
        "/slow" => {
            let wait = async move { gate.acquire().await.unwrap().forget() };
            let mut body = frames([Frame::data("first ".into()), Frame::data("second".into())]);
            body.gate = Some(Box::pin(wait));
            Response::new(body)
        }
        "/long-json" => {
            let body = format!("\"{}\"", "x".repeat(LONG_JSON));
            Response::builder().header(CONTENT_TYPE, "application/json").body(text(body)).unwrap()
        }
        "/late-mark" => {
            let parts = [
                format!("{{\"a\":\"{}\",", "x".repeat(LONG_JSON)),
                r#""issued_token_type":"x","#.to_owned(),
                r#""access_token":"secret-token"}"#.to_owned(),
            ];
            let body = frames(parts.map(|part| Frame::data(part.into())));
            Response::builder().header(CONTENT_TYPE, "application/json").body(body).unwrap()
        }
        "/early-token" => {
            let text = format!("{{\"access_token\":\"secret-token\",\"a\":\"{}\"}}", "x".repeat(LONG_JSON));
            json_pieces(vec![text.into()])
        }
        "/late-token" => {
            let long = format!("{{\"a\":\"{}\",", "x".repeat(LONG_JSON));
            let rest = r#""access_token":"secret-token","issued_token_type":"x"}"#;
            json_pieces(vec![long.into(), rest.into()])
        }
        "/events" | "/events-with-token" | "/slow-token" => {
            let wait = async move { gate.acquire().await.unwrap().forget() };
            let (first, last) = match path.as_str() {
                "/events" => ("{\"first\":1}\n", "{\"second\":2}\n"),
                "/events-with-token" => ("{\"first\":1}\n", "{\"access_token\":\"secret-token\"}\n"),
                _ => ("{\"access_token\":\"slow-token\",", "\"token_type\":\"Bearer\"}"),
            };
            let mut response = json_pieces(vec![first.into(), last.into()]);
            response.body_mut().gate = Some(Box::pin(wait));
            response
        }
        "/cut" => {
            let mut body = frames([Frame::data("x".repeat(LONG_JSON).into()), Frame::data("y".into())]);
            body.cut = true;
            Response::builder().header(CONTENT_TYPE, "text/html").body(body).unwrap()
        }
        "/trailers" => {
            let mut trailers = HeaderMap::new();
            trailers.insert("x-checksum", HeaderValue::from_static("abc"));
            let body = frames([Frame::data("body".into()), Frame::trailers(trailers)]);
            Response::builder().header(TRAILER, "x-checksum").body(body).unwrap()
        }
        "/hop" => Response::builder()
            .header(CONNECTION, "x-hop")
            .header("x-hop", "1")
            .header("keep-alive", "timeout=5")
            .header("x-end", "1")
            .body(text("hop"))
            .unwrap(),
        "/many-headers" => {
            let own = request.headers().keys().filter(|name| name.as_str().starts_with("x-h")).count();
            let mut response = Response::new(text(own.to_string()));
            for number in 0..300 {
                let name = HeaderName::try_from(format!("x-a{number}")).unwrap();
                response.headers_mut().insert(name, HeaderValue::from_static("1"));
            }
            response
        }
        "/ws" => upgrade(request),
        "/marks" => Response::builder()
            .header(CONTENT_TYPE, "application/json")
            .body(text(r#"{"access_token":"x","issued_token_type":"urn:ietf:params:oauth:token-type:access_token"}"#))
            .unwrap(),
        _ => echo(request).await,
    })
}

async fn echo(request: Request<Incoming>) -> Response<Frames> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().map(names);
    let body = body.to_bytes();
    let said = json!({
        "issuer": "echo",
        "method": head.method.as_str(),
        "target": head.uri.to_string(),
        "version": format!("{:?}", head.version),
        "headers": names(&head.headers),
        "trailers": trailers,
        "length": body.len(),
        "body": String::from_utf8_lossy(&body[..body.len().min(4096)]),
    });
    Response::builder().header(CONTENT_TYPE, "application/json").body(text(said.to_string())).unwrap()
}

fn upgrade(mut request: Request<Incoming>) -> Response<Frames> {
    tokio::spawn(async move {
        let upgraded = hyper::upgrade::on(&mut request).await.unwrap();
        let mut stream = TokioIo::new(upgraded);
        let mut buffer = [0; 1024];
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            stream.write_all(&buffer[..count]).await.unwrap();
        }
    });
    let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    response.header(UPGRADE, "websocket").header(CONNECTION, "upgrade").body(frames([])).unwrap()
}

fn names(headers: &HeaderMap) -> serde_json::Value {
    let pair = |(name, value): (&HeaderName, &HeaderValue)| json!([name.as_str(), value.to_str().unwrap()]);
    headers.iter().map(pair).collect()
}
