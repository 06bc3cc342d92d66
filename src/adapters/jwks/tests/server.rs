//! A server that answers as each test says.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// What the server does with a request.
#[derive(Clone)]
pub(super) enum Answer {
    Reply(u16, &'static [(&'static str, &'static str)], String),
    /// Not before the notification.
    Held(Arc<Notify>, String),
    Never,
    Hangup,
}

/// Answers with what is scripted, and with the last of it ever after.
pub(super) struct Server {
    address: SocketAddr,
    pub(super) script: Arc<Mutex<VecDeque<Answer>>>,
    hits: Arc<AtomicUsize>,
    pub(super) arrived: Arc<Notify>,
    pub(super) seen: Arc<Mutex<Vec<(String, HeaderMap)>>>,
}

impl Server {
    pub(super) async fn start(answers: impl IntoIterator<Item = Answer>) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            script: Arc::new(Mutex::new(answers.into_iter().collect())),
            hits: Arc::default(),
            arrived: Arc::default(),
            seen: Arc::default(),
        });
        let shared = Arc::clone(&server);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&shared), request));
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await
                        .ok();
                });
            }
        });
        server
    }

    pub(super) fn then(&self, answer: Answer) {
        *self.script.lock().unwrap() = VecDeque::from([answer]);
    }

    pub(super) fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

async fn answer(server: Arc<Server>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, &'static str> {
    server.seen.lock().unwrap().push((request.uri().to_string(), request.headers().clone()));
    let answer = {
        let mut script = server.script.lock().unwrap();
        if script.len() > 1 { script.pop_front().unwrap() } else { script.front().unwrap().clone() }
    };
    server.hits.fetch_add(1, Ordering::SeqCst);
    server.arrived.notify_one();
    match answer {
        Answer::Reply(status, headers, body) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            Ok(response.body(Full::from(body)).unwrap())
        }
        Answer::Held(notify, body) => {
            notify.notified().await;
            Ok(Response::new(Full::from(body)))
        }
        Answer::Never => std::future::pending().await,
        Answer::Hangup => Err("hang up"),
    }
}
