//! An identity provider that records what arrives, and misbehaves as tests ask it to.
//!
//! The hermetic suite and the unit tests of the crate share this file.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use cambio::tools::demo::{Idp, IdpError, IdpOptions, Intervene, Intervention, Provider, Received};
pub use cambio::tools::demo::{Layout, RealmEndpoint as Endpoint};
use cambio::words::oauth::urn::GRANT_TOKEN_EXCHANGE;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use tokio::sync::{Semaphore, watch};

use super::lenient;
use super::tamper::{self, Tamper};

/// What an endpoint does instead of its work.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Answers this status with this media type and body.
    Answer(u16, &'static str, String),
    /// Answers this status with this `Retry-After` and a page.
    Busy(u16, &'static str),
    /// Ends the connection without an answer.
    CloseAtOnce,
    /// Does its work, but ends the connection in the middle of the body.
    CloseMidBody,
    /// Does its work, and says that the answer is gzip, which it is.
    Gzip,
    /// Waits for [`Faults::release`], then does its work.
    Hang,
}

/// The demo's identity provider with faults.
#[derive(Debug)]
pub struct FaultyIdp {
    idp: Idp,
    faults: Faults,
}

impl FaultyIdp {
    /// Starts a provider that does everything right at first.
    ///
    /// # Errors
    /// When the port is taken or no keys can be made.
    pub async fn start(options: IdpOptions) -> Result<Self, IdpError> {
        let faults = Faults::default();
        let idp = Idp::start_with(options, Some(Arc::new(faults.clone()))).await?;
        Ok(Self { idp, faults })
    }

    /// The handle for misbehaviour and for what was received.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Ends it: the port is free and every connection is closed afterwards.
    pub async fn stop(self) {
        self.idp.stop().await;
    }
}

impl Deref for FaultyIdp {
    type Target = Idp;

    fn deref(&self) -> &Idp {
        &self.idp
    }
}

/// The handle with which tests make the provider misbehave.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    script: Mutex<Script>,
    received: Mutex<Vec<Received>>,
    count: watch::Sender<usize>,
    exchanged: AtomicUsize,
}

#[derive(Debug)]
struct Script {
    faults: HashMap<Endpoint, Fault>,
    tampers: Vec<Tamper>,
    /// Answers by method-less target.
    answers: HashMap<String, (u16, String)>,
    lenient: bool,
    layout: Layout,
    gate: Arc<Semaphore>,
}

impl Default for Script {
    fn default() -> Self {
        let gate = Arc::new(Semaphore::new(0));
        let (faults, answers, layout) = (HashMap::new(), HashMap::new(), Layout::default());
        Self { faults, tampers: Vec::new(), answers, lenient: false, layout, gate }
    }
}

impl Faults {
    /// From now on `endpoint` does this.
    pub fn set(&self, endpoint: Endpoint, fault: Fault) {
        self.script().faults.insert(endpoint, fault);
    }

    /// From now on this target has this JSON answer.
    pub fn answer_at(&self, target: &str, status: u16, body: &str) {
        self.script().answers.insert(target.to_owned(), (status, body.to_owned()));
    }

    /// From now on answers to exchanges are wrong in this way, too.
    pub fn tamper(&self, tamper: Tamper) {
        self.script().tampers.push(tamper);
    }

    /// Whether token requests are read as the most liberal server would read them ([`lenient::read`]).
    pub fn lenient(&self, lenient: bool) {
        self.script().lenient = lenient;
    }

    /// Where the provider has the endpoints of corp from now on.
    pub fn layout(&self, layout: Layout) {
        self.script().layout = layout;
    }

    /// Everything works again; requests that hang go on.
    pub fn clear(&self) {
        let mut script = self.script();
        script.faults.clear();
        script.tampers.clear();
        script.answers.clear();
        script.gate.close();
        script.gate = Arc::new(Semaphore::new(0));
    }

    /// Requests that hang go on; later ones do not hang.
    pub fn release(&self) {
        let mut script = self.script();
        script.faults.retain(|_, fault| !matches!(fault, Fault::Hang));
        script.gate.close();
        script.gate = Arc::new(Semaphore::new(0));
    }

    /// Every request since the start or since the last [`Faults::forget`], in order of arrival.
    pub fn received(&self) -> Vec<Received> {
        self.log().clone()
    }

    /// Forgets the requests received.
    pub fn forget(&self) {
        self.log().clear();
    }

    /// Waits until at least `count` requests have arrived since the start, forgotten ones included.
    pub async fn reached(&self, count: usize) {
        let mut counts = self.0.count.subscribe();
        // The sender lives as long as self: an error can't be.
        let _ = counts.wait_for(|arrived| *arrived >= count).await;
    }

    /// How many requests have arrived since the start, forgotten ones included.
    pub fn arrived(&self) -> usize {
        *self.0.count.borrow()
    }

    /// How many exchanges the provider performed since the start, whatever became of their answers.
    pub fn exchanged(&self) -> usize {
        self.0.exchanged.load(Ordering::Relaxed)
    }

    async fn wait_for_release(&self) {
        let gate = Arc::clone(&self.script().gate);
        // Nobody ever adds permits: this ends when the gate is closed.
        drop(gate.acquire().await);
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> MutexGuard<'_, Vec<Received>> {
        self.0.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intervene for Faults {
    fn intervene<'a>(&'a self, provider: &'a Provider, request: Received) -> Intervention<'a> {
        Box::pin(self.answer(provider, request))
    }
}

impl Faults {
    async fn answer(&self, provider: &Provider, request: Received) -> io::Result<Response<BoxBody<Bytes, io::Error>>> {
        self.log().push(request.clone());
        self.0.count.send_modify(|count| *count += 1);
        let answer = self.script().answers.get(&request.target).cloned();
        if let Some((status, body)) = answer {
            let mut response = Response::new(Bytes::from(body));
            *response.status_mut() = StatusCode::from_u16(status).map_err(io::Error::other)?;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            return Ok(whole(response));
        }
        let request = if self.script().lenient { lenient::read(request) } else { request };
        let layout = self.script().layout;
        let endpoint = request.route_in(layout).map(|route| route.1);
        let fault = endpoint.and_then(|endpoint| self.script().faults.get(&endpoint).cloned());
        match &fault {
            Some(Fault::Answer(status, kind, body)) => {
                let mut response = Response::new(Bytes::from(body.clone()));
                *response.status_mut() = StatusCode::from_u16(*status).map_err(io::Error::other)?;
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
                return Ok(whole(response));
            }
            Some(Fault::Busy(status, retry_after)) => {
                let mut response = Response::new(Bytes::from_static(b"<h1>maintenance on node-17</h1>"));
                *response.status_mut() = StatusCode::from_u16(*status).map_err(io::Error::other)?;
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(retry_after));
                return Ok(whole(response));
            }
            Some(Fault::CloseAtOnce) => return Err(io::ErrorKind::ConnectionAborted.into()),
            Some(Fault::Hang) => self.wait_for_release().await,
            Some(Fault::CloseMidBody | Fault::Gzip) | None => {}
        }
        let mut response = provider.respond_in(layout, &request);
        if is_exchange(layout, &request) && response.status() == StatusCode::OK {
            self.0.exchanged.fetch_add(1, Ordering::Relaxed);
            let tampers = self.script().tampers.clone();
            if !tampers.is_empty() {
                response = response.map(|body| tamper::spoil(provider, &tampers, &body).unwrap_or_default());
            }
        }
        Ok(match fault {
            Some(Fault::Gzip) => {
                response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                whole(response.map(|body| gzip(&body)))
            }
            Some(Fault::CloseMidBody) => response.map(|body| CutBody::of(&body).boxed()),
            _ => whole(response),
        })
    }
}

fn is_exchange(layout: Layout, request: &Received) -> bool {
    request.route_in(layout).is_some_and(|route| route.1 == Endpoint::Token)
        && lenient::pairs(&request.body).contains(&("grant_type".to_owned(), GRANT_TOKEN_EXCHANGE.to_owned()))
}

fn whole(response: Response<Bytes>) -> Response<BoxBody<Bytes, io::Error>> {
    response.map(|body| Full::new(body).map_err(|never| match never {}).boxed())
}

/// The first half of a body, then the end of the connection.
struct CutBody {
    parts: VecDeque<Part>,
    length: u64,
}

enum Part {
    Data(Bytes),
    /// Lets the connection write out what it has before it is cut.
    Pause,
    Cut,
}

impl CutBody {
    fn of(bytes: &Bytes) -> Self {
        let half = bytes.slice(..bytes.len() / 2);
        Self { parts: VecDeque::from([Part::Data(half), Part::Pause, Part::Cut]), length: bytes.len() as u64 }
    }
}

impl Body for CutBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.parts.pop_front() {
            Some(Part::Data(bytes)) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Some(Part::Pause) => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Part::Cut) => Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into()))),
            None => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}

/// A gzip member of stored blocks (RFC 1952, RFC 1951 section 3.2.4).
fn gzip(body: &[u8]) -> Bytes {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut chunks = body.chunks(usize::from(u16::MAX)).peekable();
    while let Some(chunk) = chunks.next() {
        out.push(u8::from(chunks.peek().is_none()));
        let length = u16::try_from(chunk.len()).unwrap_or(u16::MAX);
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(chunk);
    }
    let mut crc = u32::MAX;
    for byte in body {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    out.extend((!crc).to_le_bytes());
    out.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    Bytes::from(out)
}

#[test]
fn gzip_has_the_known_checksum() {
    // CRC-32 of "123456789" is 0xCBF43926.
    assert_eq!(gzip(b"123456789")[24..], [0x26, 0x39, 0xF4, 0xCB, 9, 0, 0, 0]);
}
