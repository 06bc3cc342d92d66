//! The identity provider behind us: connections, TLS, time limits. Knows no policy.
//!
//! HTTP/1.1 only, as between nginx and its upstreams: one request per connection at a time keeps a slow answer from
//! holding up others, and a sidecar's hop is loopback. A request that was written, even in part, is never sent again:
//! a token request may be good for one use. Only one that hyper hands back untouched (the pooled connection had
//! closed) goes to another connection.

pub mod directory;
pub mod forward;
pub mod headers;
pub mod introspect;

mod connect;
mod forwarded;
mod upgrade;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;

use crate::adapters::config;
use crate::adapters::net::body::{Body, Progress};
use crate::adapters::net::pool::{Lease, Pool};
use crate::adapters::tls::TlsError;
use crate::adapters::upstream::connect::Connector;
use crate::words::refusal::Reason;

/// A client of the identity provider; cheap to clone, all clones share one pool.
#[derive(Clone, Debug)]
pub struct Upstream {
    connector: Arc<Connector>,
    pool: Arc<Pool>,
    authority: Authority,
    host: HeaderValue,
    response_timeout: Duration,
    idle_timeout: Duration,
}

/// Why the client could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamSetupError {
    /// Trust, certificate or key can't be set up.
    #[error("upstream TLS: {0}")]
    Tls(#[from] TlsError),
    /// The host is no name that a certificate could carry.
    #[error("upstream.url: {0}")]
    Name(#[from] rustls::pki_types::InvalidDnsNameError),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection.
    #[error("can't connect to the identity provider: {0}")]
    Connect(#[source] io::Error),
    /// No connection within `upstream.connectTimeout`.
    #[error("no connection to the identity provider within {} ms", .0.as_millis())]
    ConnectTimeout(Duration),
    /// No head of an answer within `upstream.responseTimeout`.
    #[error("no answer from the identity provider within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The connection broke before the head of the answer.
    #[error("the identity provider broke the connection: {0}")]
    Broken(#[source] hyper::Error),
    /// The answer's head is no HTTP, or not an answer to what was asked.
    #[error("the identity provider's answer can't be read: {0}")]
    Garbage(String),
    /// The caller's body broke off, so that there is no request.
    #[error("the caller's body broke off: {0}")]
    Caller(#[source] hyper::Error),
}

impl UpstreamError {
    /// The closed cause.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Connect(_) | Self::ConnectTimeout(_) | Self::Broken(_) => Reason::UpstreamUnavailable,
            Self::Timeout(_) => Reason::UpstreamTimeout,
            Self::Garbage(_) => Reason::UpstreamGarbage,
            Self::Caller(_) => Reason::CallerGone,
        }
    }

    fn sent(error: hyper::Error) -> Self {
        if error.is_user() {
            Self::Caller(error)
        } else if error.is_parse() {
            Self::Garbage(error.to_string())
        } else {
            Self::Broken(error)
        }
    }
}

impl Upstream {
    /// Reads certificates and keys; connects to nothing yet.
    pub fn new(config: &config::Upstream) -> Result<Self, UpstreamSetupError> {
        Ok(Self {
            connector: Arc::new(Connector::new(config)?),
            pool: Arc::default(),
            authority: config.authority.clone(),
            host: HeaderValue::from_str(config.authority.as_str())
                .unwrap_or_else(|_| HeaderValue::from_static("localhost")),
            response_timeout: config.response_timeout,
            idle_timeout: config.idle_timeout,
        })
    }

    /// Longest silence in a body.
    pub fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    /// Its host and port.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The `Host` value for requests that have none of their own.
    pub fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// Sends a request whose target is in origin form and that has a `Host`, and waits for the head of the answer.
    /// The answer's body fails after `upstream.idleTimeout` of silence.
    pub async fn send(&self, mut request: Request<Body>) -> Result<Response<Body>, UpstreamError> {
        let progress = request.body_mut().watch_progress();
        let mut request = Some(request);
        self.within_limit(progress, self.exchange(&mut request)).await
    }

    /// Takes the request out of its slot; by reference, because a request is large and futures are copied.
    async fn exchange(&self, slot: &mut Option<Request<Body>>) -> Result<Response<Body>, UpstreamError> {
        loop {
            let (mut lease, reused) = match self.pool.take() {
                Some(lease) => (lease, true),
                None => (Lease::new(self.connector.connect().await?, &self.pool), false),
            };
            let Some(request) = slot.take() else {
                return Err(UpstreamError::Garbage("nothing to send".to_owned()));
            };
            match lease.sender().try_send_request(request).await {
                Ok(response) => return self.received(response, lease),
                Err(mut error) => match error.take_message() {
                    Some(untouched) if reused => *slot = Some(untouched),
                    _ => return Err(UpstreamError::sent(error.into_error())),
                },
            }
        }
    }

    fn received(&self, response: Response<Incoming>, lease: Lease) -> Result<Response<Body>, UpstreamError> {
        let (mut head, incoming) = response.into_parts();
        // RFC 9112 section 6.1: nothing but `chunked` is undone by hyper, so nothing else may be taken off.
        if head.headers.contains_key(TRANSFER_ENCODING) {
            let codings = head.headers.get_all(TRANSFER_ENCODING);
            if codings.iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
                return Err(UpstreamError::Garbage("unknown transfer coding".to_owned()));
            }
            head.headers.remove(TRANSFER_ENCODING);
            // RFC 9112 section 6.3: Transfer-Encoding overrides Content-Length, which must not be sent on.
            head.headers.remove(CONTENT_LENGTH);
        }
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            // The connection belongs to the new protocol; the lease's drop gives up nothing but its sender.
            return Ok(Response::from_parts(head, Body::empty()));
        }
        Ok(Response::from_parts(head, Body::leased(incoming, self.idle_timeout, lease)))
    }

    /// Applies `upstream.responseTimeout`, from the last progress of the request's body.
    async fn within_limit<T>(
        &self,
        progress: Option<Arc<Progress>>,
        answer: impl Future<Output = Result<T, UpstreamError>>,
    ) -> Result<T, UpstreamError> {
        let mut answer = std::pin::pin!(answer);
        loop {
            match tokio::time::timeout(self.response_timeout, answer.as_mut()).await {
                Ok(done) => return done,
                Err(_) if progress.as_ref().is_some_and(|progress| progress.take()) => {}
                Err(_) => return Err(UpstreamError::Timeout(self.response_timeout)),
            }
        }
    }
}
