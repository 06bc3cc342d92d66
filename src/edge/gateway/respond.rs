//! Answers that Cambio makes itself.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, ORIGIN,
    PRAGMA, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{Method, Response, StatusCode};

use crate::adapters::net::body::Body;
use crate::judgement::dialect::{Dialect, DialectRefusal, RequestKind};
use crate::words::refusal::{Reason, Refusal, RetryAfter};

/// The header that carries the correlation id of an audit line.
pub const CORRELATION_ID: &str = "x-correlation-id";

/// Seconds after which a caller may try again that Cambio had no memory for. Forms and answers take about as long.
const OVERLOADED_SECONDS: u32 = 1;

/// A refusal in the dialect's shape: status, code and fixed text. The cause is in the audit line with the same id.
pub fn refusal(dialect: Dialect, refusal: &Refusal, request: RequestKind, id: &str) -> Response<Body> {
    let rules = dialect.rules();
    let answer = (rules.refusal)(&DialectRefusal::new(refusal, request));
    let mut response = json(answer.status, answer.body());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(rules.cache_control));
    correlate(&mut response, id);
    let overloaded = (refusal.reason == Reason::Overloaded).then(|| RetryAfter::seconds(OVERLOADED_SECONDS));
    if let Some(retry_after) = overloaded.as_ref().or(refusal.retry_after.as_ref()) {
        response.headers_mut().insert(RETRY_AFTER, retry_after.value());
    }
    if answer.status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

/// Adds the correlation id of the audit line.
pub fn correlate(response: &mut Response<Body>, id: &str) {
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert(CORRELATION_ID, id);
    }
}

/// Adds the challenge of a 401 for a client that sent an `Authorization` header (RFC 6749 section 5.2). `realm` is a
/// name of the configuration: letters, digits, `.`, `_` and `-`.
pub fn challenge(response: &mut Response<Body>, realm: &str) {
    if response.status() == StatusCode::UNAUTHORIZED
        && let Ok(value) = HeaderValue::try_from(format!("Basic realm=\"{realm}\""))
    {
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
}

/// The answer to a fault that is no decision. The log has its cause under the id that the caller gets.
pub fn fault(reason: Reason, path: &str) -> Response<Body> {
    let id = uuid::Uuid::now_v7().to_string();
    tracing::warn!(%id, path, %reason, "not answered");
    refusal(Dialect::Keycloak, &Refusal::new(reason, ""), RequestKind::Exchange, &id)
}

/// The answer to the preflight request of a web page, in Keycloak's words. Every page may ask; whether it may read the
/// answer to its request depends on the request's client.
pub fn preflight(head: &Parts) -> Response<Body> {
    const HEADERS: &str = "Origin, Accept, X-Requested-With, Access-Control-Request-Method, \
        Access-Control-Request-Headers, DPoP, Content-Type, Authorization";
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    if let Some(origin) = head.headers.get(ORIGIN) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    for (name, value) in [
        (ACCESS_CONTROL_ALLOW_METHODS, "POST, OPTIONS"),
        (ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
        (ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
        (ACCESS_CONTROL_MAX_AGE, "3600"),
        (VARY, "Origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The answer to an OPTIONS or TRACE request that goes no further than to Cambio (RFC 9110 section 7.6.2). Cambio does not
/// repeat the request of a TRACE, which may hold credentials.
pub fn last_hop(method: &Method) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() =
        if *method == Method::OPTIONS { StatusCode::NO_CONTENT } else { StatusCode::METHOD_NOT_ALLOWED };
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
    response
}

/// An empty answer of success (RFC 7009 section 2.2).
pub fn empty() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A JSON answer that no cache may keep (RFC 6749 section 5.1).
pub fn json(status: StatusCode, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
