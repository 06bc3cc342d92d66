//! Holding an answer back until the lock has read it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Response;
use http::header::CONTENT_TYPE;
use http_body::Body as _;
use http_body_util::BodyExt;

use crate::adapters::net::body::{Body, ReadAlong};
use crate::edge::gateway::answer_lock::{self, HOLD, Origin, Reading, Scanner};

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

/// Whether an answer leaves without being read, as most do: said without a future, into which it would be copied.
pub fn is_free(response: &Response<Body>, origin: Origin) -> bool {
    answer_lock::reading(origin, response.status(), response.headers()) == Reading::Free
}

/// Reads an answer as far as the lock needs.
///
/// # Errors
/// When it may not leave.
pub async fn hold(response: Response<Body>, idle: Duration, origin: Origin) -> Result<Released, Withheld> {
    let (head, mut incoming) = response.into_parts();
    match answer_lock::reading(origin, head.status, &head.headers) {
        Reading::Free => return Ok((Response::from_parts(head, incoming), None)),
        Reading::Coded => return Err(Withheld::Locked("a content coding that was not asked for")),
        Reading::Read => {}
    }

    let untyped = origin != Origin::Door && !head.headers.contains_key(CONTENT_TYPE);
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
                if untyped && is_no_json(&read) {
                    return Ok((Response::from_parts(head, Body::prefixed(read.freeze(), incoming)), None));
                }
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

/// Whether text that does not say what it is begins as no JSON in any encoding does. It streams then.
fn is_no_json(text: &[u8]) -> bool {
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    first.is_some_and(|byte| byte.is_ascii_graphic() && !b"{[\"".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_surely_no_json_streams() {
        for (name, text, free) in [
            ("nothing yet", "", false),
            ("space so far", " \r\n", false),
            ("an object", " {", false),
            ("a list", "[", false),
            ("a string", "\"", false),
            ("a byte order mark", "\u{feff}{", false),
            ("UTF-16", "\0{", false),
            ("HTML", "<html>", true),
            ("text after space", "\n\ntext", true),
        ] {
            assert_eq!(is_no_json(text.as_bytes()), free, "{name}");
        }
    }
}
