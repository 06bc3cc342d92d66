//! Requests that Cambio makes itself instead of forwarding them. They carry Cambio's name in `User-Agent`, follow no
//! redirects, and their whole answer must arrive within limits of time and size.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, PROXY_AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;

use crate::adapters::net::body::{ReadError, read_bounded};
use crate::adapters::net::coding::{CodingError, undo};
use crate::adapters::net::proxied::Dialer;
use crate::words::refusal::RetryAfter;

/// The value of `User-Agent`.
const CAMBIO: HeaderValue = HeaderValue::from_static(concat!("cambio/", env!("CARGO_PKG_VERSION")));
/// How long a connection waits for the next request.
const IDLE_TIME: Duration = Duration::from_secs(30);

/// Limits for an answer.
#[derive(Clone, Copy, Debug)]
pub struct AnswerLimits {
    /// Time until the whole answer has arrived.
    pub time: Duration,
    /// Bytes of the body.
    pub bytes: usize,
}

/// Why there is no whole answer. The text repeats nothing of what was sent or received.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutgoingError {
    /// No connection, or it broke.
    #[error("no connection: {0}")]
    Connection(String),
    /// The identity provider did not answer; the text says why.
    #[error("{0}")]
    Upstream(String),
    /// The server asks for patience (503 or 429), or all connections to it are in use.
    #[error("{said}")]
    Busy {
        /// What it said.
        said: String,
        /// When to try again, if it said that.
        retry_after: Option<RetryAfter>,
    },
    /// The answer was not whole in time.
    #[error("no answer within {} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// The answer has a content coding that Cambio can't undo.
    #[error(transparent)]
    Coding(#[from] CodingError),
    /// The answer is larger than the limit.
    #[error("the answer is larger than {} KiB", .0 / 1024)]
    TooLarge(usize),
}

impl OutgoingError {
    /// When to try again, if the server said that.
    pub fn retry_after(&self) -> Option<RetryAfter> {
        match self {
            Self::Busy { retry_after, .. } => retry_after.clone(),
            _ => None,
        }
    }
}

/// Whether a server asks for patience, whatever its words are.
pub fn is_busy(status: StatusCode) -> bool {
    matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS)
}

/// A client with connections and trusted certificates of its own.
pub struct OutgoingClient {
    http: Client<HttpsConnector<Dialer>, Full<Bytes>>,
    dialer: Dialer,
    limits: AnswerLimits,
}

impl OutgoingClient {
    /// A client that keeps at most `idle` connections open between requests. Nothing is connected yet.
    pub fn new(tls: ClientConfig, idle: usize, limits: AnswerLimits, dialer: Dialer) -> Self {
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        let connector = connector.wrap_connector(dialer.clone());
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(idle)
            .pool_idle_timeout(IDLE_TIME)
            .build(connector);
        Self { http, dialer, limits }
    }

    /// Sends a request. The body is read if the status is 200 or 400, and is empty otherwise.
    ///
    /// # Errors
    /// There is no whole answer within the limits.
    pub async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, OutgoingError> {
        sign(request.headers_mut());
        if let Some(authorization) = self.dialer.authorization(request.uri()) {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        let all = async {
            let response = self.http.request(request.map(Full::new)).await;
            whole(response.map_err(|error| OutgoingError::Connection(chain(&error)))?, self.limits).await
        };
        let limit = self.limits.time;
        tokio::time::timeout(limit, all).await.unwrap_or(Err(OutgoingError::Timeout(limit)))
    }
}

/// Writes Cambio's name into the headers of a request that Cambio makes itself, and asks for an answer without a content
/// coding.
pub fn sign(headers: &mut HeaderMap) {
    headers.insert(USER_AGENT, CAMBIO);
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
}

/// Reads the body of an answer with status 200, and of one with status 400, which has OAuth's word about the request (RFC
/// 6749 section 5.2). Any other body is left unread. A content coding is undone.
///
/// # Errors
/// The server asks for patience. Or the status is 200, and the body, coded or not, exceeds the limits or breaks off; or its
/// content coding can't be undone.
pub(crate) async fn whole<B>(response: Response<B>, limits: AnswerLimits) -> Result<Response<Bytes>, OutgoingError>
where
    B: http_body::Body<Data = Bytes, Error: std::error::Error + 'static> + Send,
{
    let (mut head, body) = response.into_parts();
    if is_busy(head.status) {
        let said = format!("status {}", head.status);
        return Err(OutgoingError::Busy { said, retry_after: RetryAfter::of(&head.headers) });
    }
    if !matches!(head.status, StatusCode::OK | StatusCode::BAD_REQUEST) {
        return Ok(Response::from_parts(head, Bytes::new()));
    }
    let body = match read_bounded(body, limits.bytes, limits.time).await {
        Ok((body, _)) => undo(&mut head.headers, body, limits.bytes).map_err(OutgoingError::from),
        Err(ReadError::TooLarge) => Err(OutgoingError::TooLarge(limits.bytes)),
        Err(ReadError::Timeout) => Err(OutgoingError::Timeout(limits.time)),
        Err(error @ (ReadError::Broken | ReadError::Malformed | ReadError::Exhausted(_))) => {
            Err(OutgoingError::Connection(error.to_string()))
        }
    };
    match body {
        // The status of a refusal stands without its words.
        Err(_) if head.status == StatusCode::BAD_REQUEST => Ok(Response::from_parts(head, Bytes::new())),
        body => Ok(Response::from_parts(head, body?)),
    }
}

/// An error and its causes on one line: hyper says "client error", the cause says which.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
