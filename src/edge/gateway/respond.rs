//! Answers that Cambio makes itself.

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, PRAGMA, WWW_AUTHENTICATE};
use http::{Response, StatusCode};

use crate::adapters::net::body::Body;
use crate::judgement::dialect::{Dialect, DialectRefusal, RequestKind};
use crate::words::refusal::{Reason, Refusal};

/// The header that carries the correlation id of an audit line.
pub const CORRELATION_ID: &str = "x-correlation-id";

/// A refusal in the dialect's shape: status, code and fixed text. The cause is in the audit line with the same id.
pub fn refusal(dialect: Dialect, refusal: &Refusal, request: RequestKind, id: &str) -> Response<Body> {
    let rules = dialect.rules();
    let answer = (rules.refusal)(&DialectRefusal::new(refusal, request));
    let mut response = json(answer.status, answer.body());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(rules.cache_control));
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert(CORRELATION_ID, id);
    }
    if answer.status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
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
