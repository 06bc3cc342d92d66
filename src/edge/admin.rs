//! Health, metrics and the loaded configuration, on their own listener.
//!
//! `/livez`: the process answers. `/readyz`, also named `/healthz`: configuration is loaded, the listener is bound
//! and no shutdown has begun; `/readyz?include=upstream,jwks,store` checks more. `/metrics`, `/config`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use crate::adapters::config::summary;
use crate::edge::health::Shared;

/// Most connections at one time: scrapers and probes need few.
const CONNECTIONS: usize = 64;

/// Serves until the task is dropped.
pub async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let permits = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the admin listener could not accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let shared = Arc::clone(&shared);
                async move { Ok::<_, Infallible>(respond(&request, &shared).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(10))
                .serve_connection(TokioIo::new(stream), service);
            // A probe that hangs up needs no log line.
            let _ = connection.await;
            drop(permit);
        });
    }
}

async fn respond(request: &Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/livez" => text(StatusCode::OK, "ok\n"),
        "/readyz" | "/healthz" => ready(request.uri().query().unwrap_or_default(), shared).await,
        "/metrics" => {
            shared.services.refresh_gauges();
            match shared.services.metrics.exposition() {
                Ok(body) => with_type(body, "text/plain; version=0.0.4; charset=utf-8"),
                Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n")),
            }
        }
        "/config" => {
            let state = shared.services.generation();
            let mut summary = summary(&state.config);
            if let Some(map) = summary.as_object_mut() {
                map.insert("version".into(), env!("CARGO_PKG_VERSION").into());
                map.insert("last_reload_error".into(), shared.last_reload_error().into());
            }
            with_type(serde_json::to_vec_pretty(&summary).unwrap_or_default(), "application/json")
        }
        "/" => text(StatusCode::OK, "cambio: /livez /readyz /healthz /metrics /config\n"),
        _ => text(StatusCode::NOT_FOUND, "not found\n"),
    }
}

/// One line per check; 503 if a check fails.
async fn ready(query: &str, shared: &Shared) -> Response<Full<Bytes>> {
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
                let answer = shared.services.store.reachable().await;
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

fn text(status: StatusCode, body: &str) -> Response<Full<Bytes>> {
    let mut response = with_type(body.to_owned().into_bytes(), "text/plain; charset=utf-8");
    *response.status_mut() = status;
    response
}

fn with_type(body: Vec<u8>, kind: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
