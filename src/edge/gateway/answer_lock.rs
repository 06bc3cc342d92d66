//! The answer lock: only the pipeline may send an answer that has the mark of an exchange.
//!
//! The mark is a member `issued_token_type` of the answer's outermost JSON object (RFC 8693 section 2.2.1): no other
//! grant's answer has it. A JSON answer is held back until it is whole. An answer of a token endpoint never leaves
//! before, and is refused if it is longer than any token answer is. Another answer streams if it is long or slow, still
//! read: it is cut before the first member that could carry a token, and where the mark appears. What has left by then
//! holds no token, wherever the mark stands.

pub mod scanner;

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Response, StatusCode, response};
use http_body::Body as _;
use http_body_util::BodyExt;
use memchr::memchr2_iter;
use tokio::time::Instant;

use self::scanner::Scanner;
use crate::adapters::net::body::{Body, ReadAlong};
use crate::adapters::net::budget::{BudgetExhausted, CountedBuffer, MemoryShare};
use crate::words::refusal::{Reason, Refusal};

/// Bytes that are held back. A token must fit into an HTTP header to be used, and headers end far below this.
pub const HOLD: usize = 256 * 1024;

/// How long an answer of another path is held back. A stream of JSON begins to leave after this time.
const HOLD_TIME: Duration = Duration::from_secs(1);

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
    /// The body, shared with the answer, if it was read.
    pub whole: Option<Bytes>,
}

/// Whether an answer leaves without being read, as most do. This needs no future, into which the answer would be
/// copied.
pub fn is_free(response: &Response<Body>, origin: Origin) -> bool {
    reading(origin, response.status(), response.headers()) == Reading::Free
}

/// Reads a token endpoint's answer from outside the pipeline to its end, within `time`, and releases the answer unless it
/// has the mark of an exchange.
///
/// # Errors
/// [`Reason::AnswerLocked`] if the answer has the mark or can't be read, [`Reason::AnswerTooLong`] if it is longer than
/// [`HOLD`], [`Reason::UpstreamGarbage`] if it broke off or did not end in time, [`Reason::Overloaded`] if the caller's share of
/// the memory is used up.
pub async fn release_whole(response: Response<Body>, time: Duration, share: &MemoryShare) -> Result<Released, Refusal> {
    let (head, incoming) = match begin(response, Origin::TokenEndpoint)? {
        Begun::Free(response) => return Ok(Released { response, whole: None }),
        Begun::Held(head, incoming) => (head, incoming),
    };
    let mut answer = Held::new(incoming, share);
    match answer.read_until(Instant::now() + time, |_| false).await? {
        Pause::End => Ok(answer.whole(head)),
        Pause::Full | Pause::Plain => {
            let detail = format!("an answer of a token endpoint that is longer than {} KiB", HOLD / 1024);
            Err(Refusal::new(Reason::AnswerTooLong, detail))
        }
        Pause::Late => Err(broken()),
    }
}

/// Reads an answer from outside the pipeline as far as the lock needs, and releases it unless it has the mark of an
/// exchange. The identity provider may be silent for `idle` at most. If an answer that streams has to be cut, what
/// `on_cut` made is called with the cause.
///
/// # Errors
/// [`Reason::AnswerLocked`] if the answer has the mark or can't be read, or if it has a token and is longer than
/// [`HOLD`]; [`Reason::UpstreamGarbage`] if it broke off; [`Reason::Overloaded`] if the caller's share of the memory is used
/// up.
pub async fn release<C>(
    response: Response<Body>,
    idle: Duration,
    origin: Origin,
    share: &MemoryShare,
    on_cut: impl FnOnce() -> C,
) -> Result<Response<Body>, Refusal>
where
    C: FnOnce(&'static str) + Send + Sync + 'static,
{
    let (head, incoming) = match begin(response, origin)? {
        Begun::Free(response) => return Ok(response),
        Begun::Held(head, incoming) => (head, incoming),
    };
    let untyped = !head.headers.contains_key(CONTENT_TYPE);
    let mut answer = Held::new(incoming, share);
    let is_plain = |text: &[u8]| untyped && is_no_json(text);
    let mut pause = answer.read_until(Instant::now() + HOLD_TIME, is_plain).await?;
    while pause == Pause::Late && answer.scanner.has_token() {
        // A token's answer is short. This one is held until it is whole, however slow it is.
        let before = answer.read.len();
        pause = answer.read_until(Instant::now() + idle, is_plain).await?;
        if pause == Pause::Late && answer.read.len() == before {
            return Err(broken());
        }
    }
    match pause {
        Pause::End => Ok(answer.whole(head).response),
        Pause::Plain => Ok(Response::from_parts(head, Body::prefixed(answer.read.freeze(), answer.incoming))),
        Pause::Full if answer.scanner.has_token() => Err(locked("a token in an answer that is too long to be held")),
        Pause::Full | Pause::Late => {
            let lock = StreamLock { scanner: answer.scanner, cut: Some(on_cut()) };
            let body = Body::prefixed(answer.read.freeze(), answer.incoming).read_along(lock);
            Ok(Response::from_parts(head, body))
        }
    }
}

/// An answer of which the head was judged.
enum Begun {
    Free(Response<Body>),
    Held(response::Parts, Body),
}

fn begin(response: Response<Body>, origin: Origin) -> Result<Begun, Refusal> {
    match reading(origin, response.status(), response.headers()) {
        Reading::Free => Ok(Begun::Free(response)),
        Reading::Coded => Err(locked("a content coding that was not asked for")),
        Reading::Read => {
            let (head, incoming) = response.into_parts();
            Ok(Begun::Held(head, incoming))
        }
    }
}

/// An answer that is held back.
struct Held {
    scanner: Scanner,
    read: CountedBuffer,
    share: MemoryShare,
    /// An answer of one frame, which is not copied.
    only: Option<Bytes>,
    trailers: Option<HeaderMap>,
    incoming: Body,
}

/// Why reading paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    /// The answer is whole.
    End,
    /// The time is up.
    Late,
    /// As much as may be held has come.
    Full,
    /// The text is none that is held.
    Plain,
}

impl Held {
    fn new(incoming: Body, share: &MemoryShare) -> Self {
        let (scanner, read, share) = (Scanner::default(), CountedBuffer::new(share), share.clone());
        Self { scanner, read, share, only: None, trailers: None, incoming }
    }

    /// Reads on until there is a reason to pause.
    async fn read_until(&mut self, deadline: Instant, is_plain: impl Fn(&[u8]) -> bool) -> Result<Pause, Refusal> {
        loop {
            let frame = match tokio::time::timeout_at(deadline, self.incoming.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(None) => return Ok(Pause::End),
                Ok(Some(Err(_))) => return Err(broken()),
                Err(_) => return Ok(Pause::Late),
            };
            match frame.into_data() {
                Ok(data) => {
                    if self.scanner.push(&data) {
                        return Err(locked("issued_token_type in an answer from outside the pipeline"));
                    }
                    if self.read.is_empty() && data.len() <= HOLD && self.incoming.is_end_stream() {
                        let held = self.share.take(data.len()).map_err(no_memory)?;
                        self.only = Some(held.with(data));
                        return Ok(Pause::End);
                    }
                    self.read.extend(&data, 2 * HOLD).map_err(no_memory)?;
                    if is_plain(&self.read) {
                        return Ok(Pause::Plain);
                    }
                    if self.read.len() > HOLD {
                        return Ok(Pause::Full);
                    }
                    if self.incoming.is_end_stream() {
                        return Ok(Pause::End);
                    }
                }
                Err(frame) => self.trailers = frame.into_trailers().ok(),
            }
        }
    }

    fn whole(self, head: response::Parts) -> Released {
        let whole = self.only.unwrap_or_else(|| self.read.freeze());
        let body = Body::full_with_trailers(whole.clone(), self.trailers);
        Released { response: Response::from_parts(head, body), whole: Some(whole) }
    }
}

/// Reads an answer that streams.
struct StreamLock<C> {
    scanner: Scanner,
    cut: Option<C>,
}

impl<C: FnOnce(&'static str) + Send + Sync + 'static> ReadAlong for StreamLock<C> {
    fn read(&mut self, piece: &[u8]) -> bool {
        let detail = if self.scanner.push(piece) {
            "issued_token_type in an answer from outside the pipeline, which was cut"
        } else if self.scanner.has_token() {
            "a token in an answer that was too long or too slow to be held, and was cut"
        } else {
            return true;
        };
        if let Some(cut) = self.cut.take() {
            cut(detail);
        }
        false
    }
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

fn broken() -> Refusal {
    Refusal::new(Reason::UpstreamGarbage, "the identity provider's answer broke off")
}

pub(super) fn no_memory(_: BudgetExhausted) -> Refusal {
    Refusal::new(Reason::Overloaded, "no memory for the identity provider's answer")
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
