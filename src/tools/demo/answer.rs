//! Answers of the demo, in Keycloak's shapes.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use serde_json::{Value, json};

/// An answer before it is sent.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) body: Bytes,
}

impl Answer {
    /// A JSON answer that must not be kept.
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

    /// What Keycloak says when it did not expect something.
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

    /// The answer on the wire; `cut` ends the connection in the middle of the body.
    pub(super) fn into_response(self, cut: bool) -> Response<AnswerBody> {
        let body = if cut { AnswerBody::cut(&self.body) } else { AnswerBody::whole(self.body) };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }
}

/// The connection was ended on purpose.
#[derive(Debug, thiserror::Error)]
#[error("cut on purpose")]
pub(super) struct Cut;

/// A body that may break off.
#[derive(Debug)]
pub(super) struct AnswerBody {
    parts: VecDeque<Part>,
    length: u64,
}

#[derive(Debug)]
enum Part {
    Data(Bytes),
    /// Lets the connection write out what it has before it is cut.
    Pause,
    Cut,
}

impl AnswerBody {
    fn whole(bytes: Bytes) -> Self {
        let length = bytes.len() as u64;
        Self { parts: VecDeque::from([Part::Data(bytes)]), length }
    }

    fn cut(bytes: &Bytes) -> Self {
        let half = bytes.slice(..bytes.len() / 2);
        Self { parts: VecDeque::from([Part::Data(half), Part::Pause, Part::Cut]), length: bytes.len() as u64 }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self.parts.pop_front() {
            Some(Part::Data(bytes)) if bytes.is_empty() => self.poll_frame(context),
            Some(Part::Data(bytes)) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Some(Part::Pause) => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Part::Cut) => Poll::Ready(Some(Err(Cut))),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_empty() || self.length == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}
