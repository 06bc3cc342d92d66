//! Health, metrics and the loaded configuration, on their own listener, which has a thread of its own: however busy the
//! serving threads are, probes are answered.
//!
//! `/livez`: the serving threads turn. `/readyz`, also named `/healthz`: configuration is loaded, the listener is bound
//! and no shutdown has begun; `/readyz?include=upstream,jwks,store` checks more. `/metrics`.
//!
//! What shows the policy is behind `guard`: `/config`, `POST /explain` (what the gate would decide about a request) and what
//! `page` shows.

mod guard;
mod page;
mod reply;
mod visitors;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{MissedTickBehavior, interval};

use crate::adapters::config::summary;
use crate::edge::admin::guard::Guard;
use crate::edge::admin::page::PageFile;
use crate::edge::admin::reply::{text, with_type};
use crate::edge::admin::visitors::Visitors;
use crate::edge::explain::explain;
use crate::edge::explain::question::ExplainQuestion;
use crate::edge::health::{Pulse, Shared};

/// How long a connection may be without a whole request head. Probes and scrapers open another one.
const HEAD: Duration = Duration::from_secs(5);

/// How long a connection that has lost its place may still send its request and be answered: many may come at a time.
const FAREWELL: Duration = Duration::from_millis(20);

/// Checks of other systems at one time.
const CHECKS: usize = 16;

/// Long pages that are written at one time.
const PAGES: usize = 2;

/// Interval of the pulse.
const BEAT: Duration = Duration::from_secs(1);

/// Largest question in bytes: room for two long tokens.
const QUESTION_BYTES: usize = 1 << 20;

const STUCK: &str = "serving: stuck for 10 s\n";

/// The admin listener's thread. It ends when this value is dropped.
#[derive(Debug)]
pub(crate) struct AdminThread {
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
}

/// What the requests share.
struct Admin {
    shared: Arc<Shared>,
    /// The runtime that serves callers: their connections to other systems belong to it.
    serving: Handle,
    checks: Arc<Semaphore>,
    /// One question at a time: an answer can take long, and the other thread for pages must stay free.
    question: Semaphore,
}

impl AdminThread {
    /// Starts the thread, in the runtime that serves callers.
    pub(crate) fn start(listener: TcpListener, shared: Arc<Shared>) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(PAGES).build()?;
        let listener = listener.into_std()?;
        let (stop, stopped) = oneshot::channel();
        let (over, ended) = oneshot::channel();
        let admin = Admin {
            shared,
            serving: Handle::current(),
            checks: Arc::new(Semaphore::new(CHECKS)),
            question: Semaphore::new(1),
        };
        let admin = Arc::new(admin);
        admin.serving.spawn(beat(Arc::downgrade(&admin)));
        thread::Builder::new().name("admin".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = count(&admin.shared.pulse) => {}
                    () = accept(listener, &admin) => {}
                }
            });
            runtime.shutdown_background();
            drop(admin);
            let _ = over.send(());
        })?;
        Ok(Self { stop, ended })
    }

    /// Ends the thread, and with it the listener.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        let _ = self.ended.await;
    }
}

/// Beats in the runtime that serves callers, as long as the thread runs.
async fn beat(admin: std::sync::Weak<Admin>) {
    while let Some(admin) = admin.upgrade() {
        admin.shared.pulse.beat();
        drop(admin);
        tokio::time::sleep(BEAT).await;
    }
}

async fn count(pulse: &Pulse) {
    let mut seconds = interval(BEAT);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        seconds.tick().await;
        pulse.second();
    }
}

async fn accept(listener: std::net::TcpListener, admin: &Arc<Admin>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the admin listener can't be used"),
    };
    let visitors = Arc::new(Visitors::default());
    let places = Arc::new(Semaphore::new(2 * visitors::MOST));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the admin listener could not accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let visitor = Visitors::enter(&visitors);
        let is_local = stream.local_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback());
        let admin = Arc::clone(admin);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let (admin, busy) = (Arc::clone(&admin), visitor.busy());
                async move {
                    let response = respond(request, is_local, &admin).await;
                    drop(busy);
                    Ok::<_, Infallible>(response)
                }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .serve_connection(TokioIo::new(stream), service);
            let mut connection = std::pin::pin!(connection);
            // A probe that hangs up needs no log line.
            tokio::select! {
                _ = connection.as_mut() => {}
                () = visitor.dismissed() => drop(tokio::time::timeout(FAREWELL, connection).await),
            }
            drop(place);
        });
    }
}

/// `is_local`: the connection is to a loopback address.
async fn respond(request: Request<Incoming>, is_local: bool, admin: &Admin) -> Response<Full<Bytes>> {
    let (shared, path) = (&admin.shared, request.uri().path());
    let shows_policy = matches!(path, "/config" | "/explain" | "/page.json");
    if shows_policy || PageFile::at(path).is_some() {
        let generation = shared.services.generation();
        let guard = Guard { token: generation.config.admin.token.as_ref(), is_local };
        let admitted = if shows_policy { guard.admit(&request) } else { guard.admit_to_page(&request) };
        if let Err(barred) = admitted {
            return barred.response();
        }
    }
    if path == "/explain" {
        return explained(request, admin).await;
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match path {
        "/livez" | "/readyz" | "/healthz" if shared.pulse.is_lost() => text(StatusCode::SERVICE_UNAVAILABLE, STUCK),
        "/livez" => text(StatusCode::OK, "ok\n"),
        "/readyz" | "/healthz" => ready(request.uri().query().unwrap_or_default(), admin).await,
        "/metrics" => aside(shared, metrics).await,
        "/config" => aside(shared, config).await,
        "/page.json" => {
            let query = request.uri().query().unwrap_or_default().to_owned();
            aside(shared, move |shared| shown(shared, &query)).await
        }
        _ => PageFile::at(path).map_or_else(|| text(StatusCode::NOT_FOUND, "not found\n"), PageFile::response),
    }
}

/// Writes a page that can be long on another thread, so that no probe waits.
async fn aside<F>(shared: &Arc<Shared>, page: F) -> Response<Full<Bytes>>
where
    F: FnOnce(&Shared) -> Response<Full<Bytes>> + Send + 'static,
{
    let shared = Arc::clone(shared);
    let written = tokio::task::spawn_blocking(move || page(&shared)).await;
    written.unwrap_or_else(|error| text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n")))
}

fn metrics(shared: &Shared) -> Response<Full<Bytes>> {
    match shared.services.exposition() {
        Ok(body) => with_type(body.into_bytes(), "text/plain; version=0.0.4; charset=utf-8"),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n")),
    }
}

fn config(shared: &Shared) -> Response<Full<Bytes>> {
    let state = shared.services.generation();
    let mut summary = summary(&state.config);
    if let Some(map) = summary.as_object_mut() {
        map.insert("version".into(), env!("CARGO_PKG_VERSION").into());
        map.insert("last_reload_error".into(), shared.last_load().and_then(|load| load.error).into());
    }
    with_type(serde_json::to_vec_pretty(&summary).unwrap_or_default(), "application/json")
}

/// What the page shows.
fn shown(shared: &Shared, query: &str) -> Response<Full<Bytes>> {
    match page::shown(shared, query) {
        Ok(shown) => with_type(shown, "application/json"),
        Err(error) => text(StatusCode::BAD_REQUEST, &format!("{error}\n")),
    }
}

/// Answers a question ([`ExplainQuestion`], in JSON) with what the gate would decide now. Nothing is asked of other systems, and
/// nothing is used up.
async fn explained(request: Request<Incoming>, admin: &Admin) -> Response<Full<Bytes>> {
    if request.method() != Method::POST {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only POST, with a question in JSON\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if media_type.split(';').next().map(str::trim) != Some("application/json") {
        return text(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the question must be application/json\n");
    }
    let Ok(_question) = admin.question.try_acquire() else {
        return text(StatusCode::SERVICE_UNAVAILABLE, "another question is being answered\n");
    };
    let body = tokio::time::timeout(HEAD, Limited::new(request.into_body(), QUESTION_BYTES).collect()).await;
    let Ok(Ok(body)) = body else {
        return text(StatusCode::BAD_REQUEST, "the question did not come whole within 5 s, or is larger than 1 MiB\n");
    };
    let question: ExplainQuestion = match serde_json::from_slice(&body.to_bytes()) {
        Ok(question) => question,
        Err(error) => return text(StatusCode::BAD_REQUEST, &format!("the question can't be read: {error}\n")),
    };
    let shared = Arc::clone(&admin.shared);
    let answer =
        tokio::task::spawn_blocking(move || explain(&shared.services.generation(), &question, shared.services.now()));
    match answer.await {
        Ok(Ok(explanation)) => {
            with_type(serde_json::to_vec_pretty(&explanation).unwrap_or_default(), "application/json")
        }
        Ok(Err(error)) => text(StatusCode::BAD_REQUEST, &format!("{error}\n")),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n")),
    }
}

/// Checks of other systems run where callers are served.
async fn ready(query: &str, admin: &Admin) -> Response<Full<Bytes>> {
    let shared = Arc::clone(&admin.shared);
    if query.is_empty() {
        return checked(query, &shared).await;
    }
    let Ok(_check) = admin.checks.try_acquire() else {
        return text(StatusCode::SERVICE_UNAVAILABLE, "too many checks at one time\n");
    };
    let query = query.to_owned();
    let checks = admin.serving.spawn(async move { checked(&query, &shared).await });
    checks.await.unwrap_or_else(|_| text(StatusCode::SERVICE_UNAVAILABLE, "serving: stopping\n"))
}

/// One line per check; 503 if a check fails.
async fn checked(query: &str, shared: &Shared) -> Response<Full<Bytes>> {
    let mut lines = vec![("serving", if shared.is_stopping() { Err("stopping".to_owned()) } else { Ok(()) })];
    let include = query.split('&').filter_map(|pair| pair.strip_prefix("include=")).flat_map(|list| list.split(','));
    for name in include {
        // Each check runs once, however often it is named.
        if lines.iter().any(|(check, _)| *check == name) {
            continue;
        }
        lines.push(match name {
            "upstream" => ("upstream", shared.services.upstream_reachable().await),
            "jwks" => ("jwks", shared.services.keys_available()),
            "store" => {
                let answer = shared.services.store.takes_entries().await;
                ("store", answer.map_err(|error| error.to_string()))
            }
            _ => return text(StatusCode::BAD_REQUEST, "include takes upstream, jwks and store\n"),
        });
    }
    let well = lines.iter().all(|(_, result)| result.is_ok());
    let body: String = lines
        .iter()
        .map(|(name, result)| match result {
            Ok(()) => format!("{name}: ok\n"),
            Err(why) => format!("{name}: {why}\n"),
        })
        .collect();
    text(if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &body)
}
