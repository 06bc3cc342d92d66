//! Holding an answer back until the lock has read it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Response;
use http_body::Body as _;
use http_body_util::BodyExt;

use super::lock::{self, HOLD, Origin, Reading, Scanner};
use crate::body::Body;

/// What the lock says of an answer.
pub enum Held {
    /// It may leave. `whole` is its body, when it was short enough to be read whole.
    Free {
        /// The answer.
        response: Response<Body>,
        /// Its body, shared with the answer.
        whole: Option<Bytes>,
    },
    /// It bears the marks of an exchange, or can't be read.
    Withheld(&'static str),
    /// The identity provider broke off.
    Broken,
}

/// Reads an answer as far as the lock needs.
pub async fn hold(response: Response<Body>, idle: Duration, origin: Origin) -> Held {
    let (head, mut incoming) = response.into_parts();
    match lock::reading(origin, head.status, &head.headers) {
        Reading::Free => {
            return Held::Free { response: Response::from_parts(head, incoming), whole: None };
        }
        Reading::Coded => return Held::Withheld("an answer under a content coding that was not asked for"),
        Reading::Read => {}
    }

    let mut scanner = Scanner::default();
    let mut read = BytesMut::new();
    let mut trailers = None;
    loop {
        let frame = match tokio::time::timeout(idle, incoming.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => break,
            Ok(Some(Err(_))) | Err(_) => return Held::Broken,
        };
        match frame.into_data() {
            Ok(data) => {
                if scanner.push(&data) {
                    return Held::Withheld("issued_token_type in an answer from outside the pipeline");
                }
                if read.is_empty() && incoming.is_end_stream() {
                    return Held::Free {
                        response: Response::from_parts(head, Body::full(data.clone())),
                        whole: Some(data),
                    };
                }
                read.extend_from_slice(&data);
                if read.len() > HOLD {
                    let body = Body::prefixed(read.freeze(), incoming)
                        .read_along(Box::new(move |data| !scanner.push(data)));
                    return Held::Free { response: Response::from_parts(head, body), whole: None };
                }
            }
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    let whole = read.freeze();
    let body = Body::full_with_trailers(whole.clone(), trailers);
    Held::Free { response: Response::from_parts(head, body), whole: Some(whole) }
}
