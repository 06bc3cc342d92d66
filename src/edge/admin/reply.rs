//! Answers of the admin listener. No cache keeps them, and no browser takes them for anything else than they are.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Response, StatusCode};
use http_body_util::Full;

/// A line of text for people and probes.
pub(super) fn text(status: StatusCode, body: &str) -> Response<Full<Bytes>> {
    let mut response = with_type(body.to_owned().into_bytes(), "text/plain; charset=utf-8");
    *response.status_mut() = status;
    response
}

/// A body of this media type.
pub(super) fn with_type(body: impl Into<Bytes>, media_type: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
