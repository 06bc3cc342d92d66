//! A caller's byte stream in front of hyper: scans heads, notes their start and waiting writes for the time limits, holds
//! the start of a head while there is no HTTP state, and lets a caller read an answer that came before the end of the
//! request.

use std::future::{Future as _, poll_fn};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep, timeout};

use crate::adapters::net::connection::Connection;
use crate::adapters::net::transport::Transport;
use crate::edge::server::head_scanner::{HeadScanner, PREFACE};

/// How long a caller may go on sending a request that has its answer. A connection that is closed with unread bytes is
/// reset, and the reset can overtake the answer (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(5);

/// How long an idle caller may take to notice that the connection is closed. Its next request may be on the way.
const FAREWELL: Duration = Duration::from_secs(1);

/// Bytes of an incomplete head that are held without an HTTP state.
const SHORT_HEAD: usize = 4096;

/// The stream, its scanner, and the connection that is notified.
pub(crate) struct Watched {
    transport: Transport,
    scanner: HeadScanner,
    connection: Arc<Connection>,
    /// Bytes that were scanned, and that hyper has not read yet.
    held: Vec<u8>,
    /// The scanner's complete heads before the bytes that are held.
    heads: u32,
    between: bool,
    lingering: Option<Pin<Box<Sleep>>>,
}

impl Watched {
    pub(crate) fn new(transport: Transport, connection: Arc<Connection>) -> Self {
        let (scanner, held) = (HeadScanner::default(), Vec::new());
        Self { transport, scanner, connection, held, heads: 0, between: true, lingering: None }
    }

    /// Takes back what an HTTP state has read and not used, if this is nothing but the start of the present head. Empty lines
    /// before a head mean nothing. `false`: there is a rest of something else, for instance of a body that nobody read. It must
    /// never be read as a request, so the connection must end.
    #[must_use]
    pub(crate) fn hold(&mut self, unused: &[u8]) -> bool {
        self.held.splice(..0, unused.iter().copied());
        let start = self.held.iter().position(|byte| !is_line_end(*byte)).unwrap_or(self.held.len());
        self.held.drain(..start);
        self.heads = self.scanner.heads();
        self.held.len() == self.scanner.head_bytes() && !self.scanner.is_off()
    }

    /// The connection that is notified.
    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Whether the bytes that are held are the start of an HTTP/2 connection.
    pub(crate) fn is_http2(&self) -> bool {
        self.held.starts_with(PREFACE) && self.scanner.is_off()
    }

    /// Reads while there is no HTTP state, until there is something for one: a complete head, a long or a hopeless one.
    /// `false`: the caller has closed.
    pub(crate) fn poll_arrival(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            if self.held.iter().all(|byte| is_line_end(*byte)) {
                self.held.clear();
            } else if !self.is_short_head() {
                return Poll::Ready(Ok(true));
            }
            let mut space = [MaybeUninit::uninit(); SHORT_HEAD];
            let mut bytes = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut self.transport).poll_read(cx, &mut bytes))?;
            if bytes.filled().is_empty() {
                return Poll::Ready(Ok(false));
            }
            self.scan(bytes.filled_mut());
            self.held.extend_from_slice(bytes.filled());
        }
    }

    /// Closes an idle connection: the caller learns of the end before a reset can reach it.
    pub(crate) async fn close(mut self) {
        let farewell = async {
            if poll_fn(|cx| Pin::new(&mut self.transport).poll_shutdown(cx)).await.is_ok() {
                poll_fn(|cx| self.poll_discard(cx)).await;
            }
        };
        let _ = timeout(FAREWELL, farewell).await;
    }

    /// Whether the bytes that are held are the start of a head, and hyper has nothing to say about them yet.
    fn is_short_head(&self) -> bool {
        self.held.len() < SHORT_HEAD
            && self.scanner.is_in_head()
            && self.heads == self.scanner.heads()
            && self.held.first().is_none_or(|first| may_begin_head(*first))
    }

    fn scan(&mut self, bytes: &mut [u8]) {
        if self.connection.is_upgraded() {
            self.scanner.stop();
            self.note(false);
            return;
        }
        let before = self.scanner.is_in_head();
        let heads = self.scanner.heads();
        self.scanner.scan(bytes);
        if self.scanner.heads() != heads {
            self.connection.heads_came(self.scanner.heads());
        }
        // A head that arrives in one piece, as most do, needs no look at the clock.
        match (before, self.scanner.is_in_head()) {
            (false, true) => self.connection.head_began(),
            (true, false) => self.connection.head_ended(),
            _ => {}
        }
        let is_short = self.scanner.head_bytes() < SHORT_HEAD;
        let between = is_short && (self.scanner.is_in_head() || self.scanner.is_between_requests());
        self.note(between);
    }

    fn note(&mut self, between: bool) {
        if self.between != between {
            self.between = between;
            self.connection.is_now_between(between);
        }
    }

    /// Reads and discards what the caller still sends, until the caller closes or the time is up.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Before the reads, which can use up the task's budget: a timer without budget never fires.
        if self.lingering.get_or_insert_with(|| Box::pin(sleep(LINGER))).as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut discarded = [0; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut discarded);
            match Pin::new(&mut self.transport).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn wrote(&self, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &outcome {
            Poll::Pending => self.connection.write_waits(),
            Poll::Ready(Ok(bytes)) => self.connection.wrote(*bytes),
            Poll::Ready(Err(_)) => {}
        }
        outcome
    }
}

fn is_line_end(byte: u8) -> bool {
    byte == b'\r' || byte == b'\n'
}

/// hyper refuses at once what begins otherwise, for instance TLS.
fn may_begin_head(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || is_line_end(byte) || b"!#$%&'*+-.^_`|~".contains(&byte)
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.held.is_empty() {
            let taken = this.held.len().min(buf.remaining());
            buf.put_slice(this.held.get(..taken).unwrap_or_default());
            this.held.drain(..taken);
            if this.held.is_empty() {
                this.held = Vec::new();
            }
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.transport).poll_read(cx, buf))?;
        if let Some(bytes) = buf.filled_mut().get_mut(before..) {
            this.scan(bytes);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.transport).poll_write(cx, buf);
        this.wrote(outcome)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.transport).poll_flush(cx);
        if outcome.is_ready() {
            this.connection.flushed();
        }
        // Without TLS there is nothing to flush, so the outcome tells nothing about a waiting write.
        match this.transport {
            Transport::Plain(_) => outcome,
            Transport::Tls(_) => this.wrote(outcome.map_ok(|()| 0)).map_ok(|_| ()),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.note(false);
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.transport).poll_shutdown(cx))?;
            if !this.scanner.is_in_request() {
                return Poll::Ready(Ok(()));
            }
        }
        this.poll_discard(cx).map(Ok)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.transport).poll_write_vectored(cx, bufs);
        this.wrote(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }
}
