//! Answers that Cambio makes itself.

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, PRAGMA, WWW_AUTHENTICATE};
use http::{Response, StatusCode};

use crate::body::Body;
use crate::dialect::keycloak::{self, Answer};
use crate::exchange::Grant;
use crate::policy::reason::Reason;

/// The header that carries the correlation id of an audit line.
pub const CORRELATION_ID: &str = "x-correlation-id";

/// A refusal in the dialect's shape: status, code and fixed text. The cause is in the audit line with the same id.
pub fn refusal(reason: Reason, id: &str) -> Response<Body> {
    with_id(&keycloak::answer(reason), id)
}

/// The same for a request that is, or is not, known to carry this grant.
pub fn refusal_of(grant: Option<Grant>, reason: Reason, id: &str) -> Response<Body> {
    match grant {
        Some(Grant::JwtBearer) => with_id(&keycloak::grant_answer(reason), id),
        Some(Grant::TokenExchange) | None => refusal(reason, id),
    }
}

/// The same for the use of a refresh token of ours.
pub fn refresh_refusal(reason: Reason, id: &str) -> Response<Body> {
    with_id(&keycloak::refresh_answer(reason), id)
}

/// What a client that sent an `Authorization` header is told with 401 (RFC 6749 section 5.2). `realm` is a name of the
/// configuration: letters, digits, `.`, `_` and `-`.
pub fn challenge(response: &mut Response<Body>, realm: &str) {
    if response.status() == StatusCode::UNAUTHORIZED
        && let Ok(value) = HeaderValue::try_from(format!("Basic realm=\"{realm}\""))
    {
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
}

fn with_id(answer: &Answer, id: &str) -> Response<Body> {
    let mut response = json(answer.status, answer.body());
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert(CORRELATION_ID, id);
    }
    if answer.status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

/// A fault that is no decision: in the log under the id that the caller gets.
pub fn fault(reason: Reason, path: &str) -> Response<Body> {
    let id = uuid::Uuid::now_v7().to_string();
    tracing::warn!(%id, path, %reason, "not answered");
    refusal(reason, &id)
}

/// An answer that says nothing but that all is well (RFC 7009 section 2.2).
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
