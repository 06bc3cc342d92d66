//! The answer lock: only the pipeline may send an answer that has the mark of an exchange.
//!
//! The mark is a member `issued_token_type` of the answer's outermost JSON object (RFC 8693 section 2.2.1): no other
//! grant's answer has it. A JSON answer is held back until it is whole, or longer than any token answer is; from then
//! on it streams, still read, and is cut where the mark appears.

mod scanner;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;
use memchr::memchr2_iter;

use self::scanner::Scanner;
use crate::adapters::net::body::Body;
use crate::words::refusal::{Reason, Refusal};

/// Bytes that are held back. A token must fit into an HTTP header to be used, and headers end far below this.
pub const HOLD: usize = 256 * 1024;

/// Whether an answer must be read before it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It can't be an answer of a token endpoint.
    Free,
    /// It is JSON, or does not say what it is.
    Read,
    /// It has a content coding, so the lock can't read it.
    Coded,
}

/// Where an answer comes from. The origin decides how much of the answer is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A token endpoint: every answer is read, whatever its media type, because clients of a token endpoint read JSON
    /// without looking at status and media type.
    TokenEndpoint,
    /// Any other path, requested with a method that may change something.
    Elsewhere,
    /// Any other path, requested with GET, HEAD or OPTIONS. No server performs an exchange for these methods, so JSON
    /// under a content coding, which the caller may have accepted, is free.
    Read,
}

/// An answer that may leave.
pub struct Released {
    /// The answer.
    pub response: Response<Body>,
    /// The body, shared with the answer, if it was short enough to be read whole.
    pub whole: Option<Bytes>,
}

/// Whether an answer leaves without being read, as most do. This needs no future, into which the answer would be
/// copied.
pub fn is_free(response: &Response<Body>, origin: Origin) -> bool {
    reading(origin, response.status(), response.headers()) == Reading::Free
}

/// Reads an answer from outside the pipeline as far as the lock needs, and releases it unless it has the mark of an
/// exchange. The identity provider may be silent for `idle` at most.
///
/// # Errors
/// [`Reason::AnswerLocked`] if the answer has the mark or can't be read, [`Reason::UpstreamGarbage`] if it broke off.
pub async fn release(response: Response<Body>, idle: Duration, origin: Origin) -> Result<Released, Refusal> {
    let (head, mut incoming) = response.into_parts();
    match reading(origin, head.status, &head.headers) {
        Reading::Free => return Ok(Released { response: Response::from_parts(head, incoming), whole: None }),
        Reading::Coded => return Err(locked("a content coding that was not asked for")),
        Reading::Read => {}
    }

    let untyped = origin != Origin::TokenEndpoint && !head.headers.contains_key(CONTENT_TYPE);
    let mut scanner = Scanner::default();
    let mut read = BytesMut::new();
    let mut trailers = None;
    loop {
        let frame = match tokio::time::timeout(idle, incoming.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => break,
            Ok(Some(Err(_))) | Err(_) => {
                let detail = "the identity provider's answer broke off";
                return Err(Refusal::new(Reason::UpstreamGarbage, detail));
            }
        };
        match frame.into_data() {
            Ok(data) => {
                if scanner.push(&data) {
                    return Err(locked("issued_token_type in an answer from outside the pipeline"));
                }
                if read.is_empty() && incoming.is_end_stream() {
                    let response = Response::from_parts(head, Body::full(data.clone()));
                    return Ok(Released { response, whole: Some(data) });
                }
                read.extend_from_slice(&data);
                let streams = if untyped && is_no_json(&read) {
                    Body::prefixed(read.freeze(), incoming)
                } else if read.len() > HOLD {
                    Body::prefixed(read.freeze(), incoming).read_along(scanner)
                } else {
                    continue;
                };
                return Ok(Released { response: Response::from_parts(head, streams), whole: None });
            }
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    let whole = read.freeze();
    let body = Body::full_with_trailers(whole.clone(), trailers);
    Ok(Released { response: Response::from_parts(head, body), whole: Some(whole) })
}

/// Decides from the head of an answer.
pub fn reading(origin: Origin, status: StatusCode, headers: &HeaderMap) -> Reading {
    if matches!(status, StatusCode::SWITCHING_PROTOCOLS | StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Reading::Free;
    }
    if origin != Origin::TokenEndpoint && !(status.is_success() && may_be_json(headers)) {
        return Reading::Free;
    }
    let coded =
        headers.get_all(CONTENT_ENCODING).iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    match (coded, origin) {
        (false, _) => Reading::Read,
        (true, Origin::Read) => Reading::Free,
        (true, Origin::TokenEndpoint | Origin::Elsewhere) => Reading::Coded,
    }
}

/// Whether a whole answer has the mark.
pub fn bears_mark(body: &Bytes) -> bool {
    Scanner::default().push(body)
}

/// Whether an answer is JSON, or does not state its type.
fn may_be_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(kind), None) = (types.next(), types.next()) else { return true };
    let essence = kind.as_bytes().split(|&b| b == b';').next().unwrap_or_default();
    !essence.contains(&b'/')
        || memchr2_iter(b'j', b'J', essence)
            .any(|at| essence.get(at..at + 4).is_some_and(|word| word.eq_ignore_ascii_case(b"json")))
}

/// Whether text without a media type begins as JSON can begin in no encoding. Such text streams.
fn is_no_json(text: &[u8]) -> bool {
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    first.is_some_and(|byte| byte.is_ascii_graphic() && !b"{[\"".contains(byte))
}

fn locked(detail: &str) -> Refusal {
    Refusal::new(Reason::AnswerLocked, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_could_be_a_token_answer() {
        let head = |kind: Option<&'static str>, coding: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(kind) = kind {
                headers.insert(CONTENT_TYPE, kind.parse().unwrap());
            }
            if let Some(coding) = coding {
                headers.insert(CONTENT_ENCODING, coding.parse().unwrap());
            }
            headers
        };
        for (kind, coding, expected) in [
            (Some("application/json"), None, Reading::Read),
            (Some("Application/JSON; charset=utf-8"), None, Reading::Read),
            (Some("application/problem+json"), None, Reading::Read),
            (None, None, Reading::Read),
            (Some("json"), None, Reading::Read),
            (Some("application/json"), Some("gzip"), Reading::Coded),
            (Some("application/json"), Some("identity"), Reading::Read),
            (Some("text/html, application/json"), None, Reading::Read),
            (Some("text/html"), None, Reading::Free),
            (Some("application/octet-stream"), Some("gzip"), Reading::Free),
        ] {
            let read = reading(Origin::Elsewhere, StatusCode::OK, &head(kind, coding));
            assert_eq!(read, expected, "{kind:?} {coding:?}");
        }
        let json = Some("application/json");
        for (origin, status, kind, coding, expected) in [
            (Origin::Elsewhere, 400, json, None, Reading::Free),
            (Origin::Elsewhere, 201, json, None, Reading::Read),
            (Origin::Read, 200, json, Some("gzip"), Reading::Free),
            (Origin::Read, 200, json, None, Reading::Read),
            (Origin::TokenEndpoint, 200, Some("text/html"), None, Reading::Read),
            (Origin::TokenEndpoint, 400, json, None, Reading::Read),
            (Origin::TokenEndpoint, 302, None, None, Reading::Read),
            (Origin::TokenEndpoint, 200, Some("text/plain"), Some("gzip"), Reading::Coded),
            (Origin::TokenEndpoint, 204, None, None, Reading::Free),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(reading(origin, status, &head(kind, coding)), expected, "{origin:?} {status} {kind:?}");
        }
    }

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
