//! Holding an answer back until the lock has read it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Response;
use http_body::Body as _;
use http_body_util::BodyExt;

use super::lock::{self, HOLD, Reading, Scanner};
use crate::body::{Body, ReadAlong};

impl ReadAlong for Scanner {
    fn read(&mut self, piece: &[u8]) -> bool {
        !self.push(piece)
    }
}

/// Why an answer does not leave.
pub enum Withheld {
    /// It bears the marks of an exchange, or can't be read.
    Locked(&'static str),
    /// The identity provider broke off.
    Broken,
}

/// An answer that may leave, and its body, shared with it, when it was short enough to be read whole.
pub type Released = (Response<Body>, Option<Bytes>);

/// Reads an answer as far as the lock needs. `coded_is_free` lets JSON under a content coding pass: only for requests
/// without a body that may have asked for it, of which no server makes an exchange.
pub async fn hold(
    response: Response<Body>,
    idle: Duration,
    coded_is_free: bool,
) -> Result<Released, Withheld> {
    let (head, mut incoming) = response.into_parts();
    match lock::reading(head.status, &head.headers) {
        Reading::Read => {}
        Reading::Coded if !coded_is_free => {
            return Err(Withheld::Locked("JSON under a content coding that was not asked for"));
        }
        Reading::Free | Reading::Coded => return Ok((Response::from_parts(head, incoming), None)),
    }

    let mut scanner = Scanner::default();
    let mut read = BytesMut::new();
    let mut trailers = None;
    loop {
        let frame = match tokio::time::timeout(idle, incoming.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => break,
            Ok(Some(Err(_))) | Err(_) => return Err(Withheld::Broken),
        };
        match frame.into_data() {
            Ok(data) => {
                if scanner.push(&data) {
                    return Err(Withheld::Locked("issued_token_type in an answer from outside the pipeline"));
                }
                if read.is_empty() && incoming.is_end_stream() {
                    return Ok((Response::from_parts(head, Body::full(data.clone())), Some(data)));
                }
                read.extend_from_slice(&data);
                if read.len() > HOLD {
                    let body = Body::prefixed(read.freeze(), incoming).read_along(scanner);
                    return Ok((Response::from_parts(head, body), None));
                }
            }
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    let whole = read.freeze();
    let body = Body::full_with_trailers(whole.clone(), trailers);
    Ok((Response::from_parts(head, body), Some(whole)))
}
