//! Answers of the demo, in Keycloak's shapes.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

/// An answer before it is sent.
#[derive(Debug)]
pub(super) struct ProviderAnswer {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) body: Bytes,
}

impl ProviderAnswer {
    /// A JSON answer that must not be stored.
    pub(super) fn json(status: StatusCode, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string()).with(CACHE_CONTROL, "no-store")
    }

    /// A JSON answer with status 200.
    pub(super) fn ok(body: &Value) -> Self {
        Self::json(StatusCode::OK, body)
    }

    /// An error in the shape of RFC 6749 section 5.2.
    pub(super) fn error(status: u16, code: &str, description: &str) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::json(status, &json!({"error": code, "error_description": description}))
    }

    /// Keycloak's answer to something unexpected.
    pub(super) fn unknown_error() -> Self {
        let body = json!({
            "error": "unknown_error",
            "error_description": "For more on this error consult the server log.",
        });
        Self::json(StatusCode::INTERNAL_SERVER_ERROR, &body)
    }

    pub(super) fn new(status: StatusCode, kind: &str, body: impl Into<Bytes>) -> Self {
        Self { status, headers: vec![(CONTENT_TYPE, kind.to_owned())], body: body.into() }
    }

    #[must_use]
    pub(super) fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The answer on the wire.
    pub(super) fn into_response(self) -> Response<Bytes> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }
}
