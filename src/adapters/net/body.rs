//! The body type of every request that goes upstream and of every answer that goes to a caller.
//!
//! An ordinary answer passes without allocation: its data is passed on by reference count, and a timer is made only
//! when a body keeps Cambio waiting.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use crate::adapters::net::budget::{BudgetExhausted, CountedBuffer, HeldMemory, MemoryShare};
use crate::adapters::net::pool::Lease;
use crate::adapters::net::progress::{Idle, Progress};

/// A request's or an answer's content, with its trailers. `Debug` shows the size, never the content.
pub struct Body(Kind);

#[expect(clippy::large_enum_variant, reason = "most bodies stream, and are not boxed for the sake of the others")]
enum Kind {
    Empty,
    Full { data: Bytes, trailers: Option<Box<HeaderMap>> },
    Stream(Stream),
}

/// How long, and up to which size, the rest of an answer is read that nobody wants, so that its connection can be used
/// again.
const REST_TIME: Duration = Duration::from_secs(1);
const REST_SIZE: usize = 64 * 1024;

/// Why a body is incomplete.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The peer broke the connection or its framing.
    #[error("the body broke off: {0}")]
    Broken(#[from] hyper::Error),
    /// The peer stayed silent for longer than the limit, or was slow for too long.
    #[error("the body made no progress for {} ms", .0.as_millis())]
    Idle(Duration),
    /// The reader of the streamed body ended it.
    #[error("the body was cut")]
    Cut,
}

/// A reader of a body that is streamed.
pub trait ReadAlong: Send + Sync + 'static {
    /// Sees the next piece; `false` ends the body there.
    fn read(&mut self, piece: &[u8]) -> bool;
}

/// Why a whole body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The body is larger than the limit.
    #[error("the body is too large")]
    TooLarge,
    /// The body did not arrive in time.
    #[error("the body did not arrive in time")]
    Timeout,
    /// There is no memory for more of the body.
    #[error(transparent)]
    Exhausted(#[from] BudgetExhausted),
    /// The sender broke off.
    #[error("the body broke off")]
    Broken,
    /// The framing is wrong: a chunk's size or end, or a trailer.
    #[error("the framing of the body is malformed")]
    Malformed,
}

/// Whether `error`, or its cause, is that of a body whose framing is malformed, and not of a body that broke off.
pub(crate) fn is_malformed(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if matches!(kind, Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)) {
            return true;
        }
        cause = error.source();
    }
    false
}

impl Body {
    /// No content.
    pub fn empty() -> Self {
        Self(Kind::Empty)
    }

    /// Content that is complete.
    pub fn full(data: impl Into<Bytes>) -> Self {
        Self::full_with_trailers(data, None)
    }

    /// Complete content, and the trailers that follow it.
    pub fn full_with_trailers(data: impl Into<Bytes>, trailers: Option<HeaderMap>) -> Self {
        let data = data.into();
        if data.is_empty() && trailers.is_none() {
            return Self::empty();
        }
        Self(Kind::Full { data, trailers: trailers.map(Box::new) })
    }

    /// A caller's content, which streams. The body fails if the caller is silent for `idle`, or slow for long.
    pub fn of_caller(incoming: Incoming, idle: Duration) -> Self {
        Self::stream(incoming, Idle::of_caller(idle), None)
    }

    /// The identity provider's answer. When it has been read to its end, the connection returns to the pool.
    pub(crate) fn leased(incoming: Incoming, idle: Duration, lease: Lease<Self>) -> Self {
        Self::stream(incoming, Idle::new(idle), Some(lease))
    }

    fn stream(incoming: Incoming, idle: Idle, lease: Option<Lease<Self>>) -> Self {
        if incoming.is_end_stream() {
            lease.into_iter().for_each(Lease::release);
            return Self::empty();
        }
        Self(Kind::Stream(Stream {
            prefix: Bytes::new(),
            incoming,
            idle,
            lease,
            progress: None,
            reader: None,
            trailers: None,
            held: None,
        }))
    }

    /// Content that was already read from `rest`, followed by `rest`.
    pub fn prefixed(data: impl Into<Bytes>, mut rest: Self) -> Self {
        let data = data.into();
        match std::mem::replace(&mut rest.0, Kind::Empty) {
            Kind::Empty => Self::full(data),
            Kind::Full { data: tail, trailers } => Self(Kind::Full { data: joined(data, tail), trailers }),
            Kind::Stream(mut stream) => {
                stream.prefix = joined(data, std::mem::take(&mut stream.prefix));
                Self(Kind::Stream(stream))
            }
        }
    }

    /// Shows every further piece of a streaming body to `reader`. The body breaks off when `reader` returns `false`.
    #[must_use]
    pub fn read_along<R: ReadAlong>(mut self, reader: R) -> Self {
        if let Kind::Stream(stream) = &mut self.0 {
            stream.reader = Some(Reader(Box::new(reader)));
        }
        self
    }

    /// Removes the trailers that `goes` names.
    #[must_use]
    pub(crate) fn without_trailers(mut self, goes: impl Fn(&HeaderName) -> bool + Send + Sync + 'static) -> Self {
        match &mut self.0 {
            Kind::Empty => {}
            Kind::Full { trailers, .. } => trailers.iter_mut().for_each(|trailers| remove(trailers, &goes)),
            Kind::Stream(stream) => stream.trailers = Some(TrailerFilter(Box::new(goes))),
        }
        self
    }

    /// Whether the content streams, so that its bytes don't count in the budget one by one.
    pub fn streams(&self) -> bool {
        matches!(self.0, Kind::Stream(_))
    }

    /// Counts memory as long as the body streams.
    #[must_use]
    pub fn holding(mut self, held: HeldMemory) -> Self {
        if let Kind::Stream(stream) = &mut self.0 {
            stream.held = Some(held);
        }
        self
    }

    /// The progress of a body, if it streams.
    pub(crate) fn watch_progress(&mut self) -> Option<Arc<Progress>> {
        let Kind::Stream(stream) = &mut self.0 else { return None };
        Some(Arc::clone(stream.progress.get_or_insert_default()))
    }
}

/// An answer that nobody wants any more gives its connection back, if little is left of it.
impl Drop for Body {
    fn drop(&mut self) {
        if matches!(&self.0, Kind::Stream(Stream { lease: Some(_), .. }))
            && let Kind::Stream(stream) = std::mem::replace(&mut self.0, Kind::Empty)
        {
            stream.let_go();
        }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match &self.0 {
            Kind::Empty => "empty",
            Kind::Full { .. } => "full",
            Kind::Stream(_) => "stream",
        };
        f.debug_struct("Body").field("kind", &kind).field("size", &self.size_hint()).finish()
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

fn joined(head: Bytes, tail: Bytes) -> Bytes {
    match (head.is_empty(), tail.is_empty()) {
        (true, _) => tail,
        (_, true) => head,
        _ => {
            let mut both = BytesMut::with_capacity(head.len() + tail.len());
            both.extend_from_slice(&head);
            both.extend_from_slice(&tail);
            both.freeze()
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let kind = &mut self.get_mut().0;
        match kind {
            Kind::Empty => Poll::Ready(None),
            Kind::Full { data, trailers } => {
                let frame = if data.is_empty() {
                    trailers.take().map(|trailers| Frame::trailers(*trailers))
                } else {
                    Some(Frame::data(std::mem::take(data)))
                };
                if data.is_empty() && trailers.is_none() {
                    *kind = Kind::Empty;
                }
                Poll::Ready(frame.map(Ok))
            }
            Kind::Stream(stream) => stream.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Full { .. } => false,
            Kind::Stream(stream) => stream.prefix.is_empty() && stream.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            // With trailers the length stays open: otherwise HTTP/1.1 would announce Content-Length and lose the
            // trailers.
            Kind::Full { trailers: Some(_), .. } => SizeHint::default(),
            Kind::Full { data, .. } => SizeHint::with_exact(data.len() as u64),
            Kind::Stream(stream) => {
                let prefix = stream.prefix.len() as u64;
                let rest = stream.incoming.size_hint();
                let mut hint = SizeHint::new();
                if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(prefix)) {
                    hint.set_upper(upper);
                }
                hint.set_lower(rest.lower().saturating_add(prefix));
                hint
            }
        }
    }
}

struct Stream {
    prefix: Bytes,
    incoming: Incoming,
    idle: Idle,
    lease: Option<Lease<Body>>,
    progress: Option<Arc<Progress>>,
    reader: Option<Reader>,
    trailers: Option<TrailerFilter>,
    held: Option<HeldMemory>,
}

/// Names the trailers that are removed.
struct TrailerFilter(Box<dyn Fn(&HeaderName) -> bool + Send + Sync>);

fn remove(trailers: &mut HeaderMap, goes: &dyn Fn(&HeaderName) -> bool) {
    let names: Vec<_> = trailers.keys().filter(|name| goes(name)).cloned().collect();
    for name in names {
        trailers.remove(name);
    }
}

struct Reader(Box<dyn ReadAlong>);

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reader")
    }
}

impl Stream {
    fn let_go(mut self) {
        let left = self.incoming.size_hint();
        // Without a length, the end may be near.
        if left.upper().is_some_and(|left| left > REST_SIZE as u64) {
            return;
        }
        let Some(lease) = self.lease.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if discard(self.incoming, REST_SIZE, REST_TIME).await {
                    lease.release();
                }
            });
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !self.prefix.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.prefix)))));
        }
        let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            let silence = ready!(self.idle.poll(cx));
            self.lease = None;
            return Poll::Ready(Some(Err(BodyError::Idle(silence))));
        };
        self.idle.ended(moved(frame.as_ref()));
        if let Some(progress) = &self.progress {
            progress.made();
        }
        if let (Some(reader), Some(Ok(frame))) = (&mut self.reader, &frame)
            && frame.data_ref().is_some_and(|data| !reader.0.read(data))
        {
            self.lease = None;
            return Poll::Ready(Some(Err(BodyError::Cut)));
        }
        match &frame {
            Some(Err(_)) => self.lease = None,
            None => self.lease.take().into_iter().for_each(Lease::release),
            Some(Ok(_)) if self.incoming.is_end_stream() => {
                self.lease.take().into_iter().for_each(Lease::release);
            }
            Some(Ok(_)) => {}
        }
        Poll::Ready(frame.map(|frame| match (frame, &self.trailers) {
            (Ok(mut frame), Some(filter)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    remove(trailers, &filter.0);
                }
                Ok(frame)
            }
            (frame, _) => frame.map_err(BodyError::Broken),
        }))
    }
}

/// Reads a body to its end, and returns whether it ended within the limits.
async fn discard(mut body: Incoming, limit: usize, time: Duration) -> bool {
    let read = async {
        let mut left = limit;
        loop {
            let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
            let Some(frame) = frame else { return true };
            let size = moved(Some(&frame));
            if frame.is_err() || size > left {
                return false;
            }
            left -= size;
        }
    };
    tokio::time::timeout(time, read).await.unwrap_or(false)
}

/// The bytes of a frame.
fn moved<E>(frame: Option<&Result<Frame<Bytes>, E>>) -> usize {
    frame.and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len)
}

/// Reads a whole body of at most `limit` bytes within `timeout`, and its trailers, for Cambio itself.
pub async fn read_bounded<B>(body: B, limit: usize, timeout: Duration) -> Result<(Bytes, Option<HeaderMap>), ReadError>
where
    B: http_body::Body<Data = Bytes, Error: Error + 'static> + Send,
{
    read_counted(body, limit, timeout, &MemoryShare::unlimited()).await
}

/// Reads a whole body of at most `limit` bytes within `timeout`, and its trailers. The bytes count in `share` as they arrive,
/// until the last copy of the body is dropped.
pub async fn read_counted<B>(
    body: B,
    limit: usize,
    timeout: Duration,
    share: &MemoryShare,
) -> Result<(Bytes, Option<HeaderMap>), ReadError>
where
    B: http_body::Body<Data = Bytes, Error: Error + 'static> + Send,
{
    if body.size_hint().lower() > limit as u64 {
        return Err(ReadError::TooLarge);
    }
    tokio::time::timeout(timeout, collect(body, limit, share)).await.unwrap_or(Err(ReadError::Timeout))
}

async fn collect<B>(body: B, limit: usize, share: &MemoryShare) -> Result<(Bytes, Option<HeaderMap>), ReadError>
where
    B: http_body::Body<Data = Bytes, Error: Error + 'static> + Send,
{
    let mut body = std::pin::pin!(body);
    // One frame is the common case and is not copied.
    let mut first = Bytes::new();
    let mut more = CountedBuffer::new(share);
    let mut trailers = None;
    while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let frame = frame.map_err(|error| if is_malformed(&error) { ReadError::Malformed } else { ReadError::Broken });
        match frame?.into_data() {
            Ok(data) if first.len() + more.len() + data.len() > limit => return Err(ReadError::TooLarge),
            Ok(data) if first.is_empty() && more.is_empty() => first = share.take(data.len())?.with(data),
            Ok(data) => {
                more.extend(&std::mem::take(&mut first), limit)?;
                more.extend(&data, limit)?;
            }
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    Ok((if more.is_empty() { first } else { more.freeze() }, trailers))
}

#[cfg(test)]
mod tests;
