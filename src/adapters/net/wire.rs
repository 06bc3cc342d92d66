//! A connection to the identity provider as hyper uses it, which notes what hyper does not tell.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf, Take};
use tokio::sync::OwnedSemaphorePermit;

use crate::adapters::net::progress::Idle;
use crate::adapters::net::transport::Transport;

/// Bytes of the longest read. hyper doubles its buffer whenever a read fills the buffer, up to the limit of an answer's head.
/// Short reads keep the buffer at 16 KiB, and a larger head still fits. Longer reads would take less CPU for large bodies, and
/// more memory (docs/performance.md).
const LONGEST_READ: u64 = 15 * 1024;

/// The connection. A failed write does not end it: a server may answer early (413, 401) and close while the request is
/// still being sent, and then its answer waits to be read. What is written afterwards is lost, and the reader meets the
/// end of the connection.
/// A server that reads nothing for too long ends the connection.
pub(crate) struct Wire {
    transport: Take<Transport>,
    state: Arc<WireState>,
    unread: Idle,
    _place: OwnedSemaphorePermit,
}

/// What is known of a connection. `Debug` shows nothing of what was written.
#[derive(Default)]
pub(crate) struct WireState {
    /// A write failed, so that the server receives nothing any more.
    deaf: AtomicBool,
    /// The connection belongs to another protocol, for which a failed write is the end.
    tunnels: AtomicBool,
    /// Whether what is written is recorded: from [`WireState::ask`] to the first byte of the answer.
    records: AtomicBool,
    written: Mutex<Vec<u8>>,
}

impl std::fmt::Debug for WireState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WireState").field("records", &self.records).field("deaf", &self.deaf).finish_non_exhaustive()
    }
}

/// Memory for a recorded request that a connection keeps for the next one. Most heads fit.
const KEPT_MEMORY: usize = 4096;

impl WireState {
    /// A request begins. If `recorded`, the connection keeps what is written until a byte of the answer comes.
    pub(crate) fn ask(&self, recorded: bool) {
        self.records.store(recorded, Ordering::Relaxed);
    }

    /// A byte has come: nobody needs what was written, and what follows is not recorded (the bytes of a tunnel, for
    /// instance).
    fn hear(&self) {
        if self.records.load(Ordering::Relaxed) {
            self.records.store(false, Ordering::Relaxed);
            let mut written = self.written();
            written.clear();
            written.shrink_to(KEPT_MEMORY);
        }
    }

    /// The connection belongs to another protocol from now on.
    pub(crate) fn begin_tunnel(&self) {
        self.tunnels.store(true, Ordering::Relaxed);
    }

    /// What was recorded of a request of whose answer no byte has come.
    pub(crate) fn lost_request(&self) -> Option<Vec<u8>> {
        self.records.load(Ordering::Relaxed).then(|| std::mem::take(&mut *self.written()))
    }

    fn written(&self) -> MutexGuard<'_, Vec<u8>> {
        // Nothing panics while the lock is held.
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record<'b>(&self, size: usize, bufs: impl Iterator<Item = &'b [u8]>) {
        if !self.records.load(Ordering::Relaxed) {
            return;
        }
        let mut written = self.written();
        let mut left = size;
        for buf in bufs {
            let taken = buf.get(..left.min(buf.len())).unwrap_or_default();
            written.extend_from_slice(taken);
            left -= taken.len();
        }
    }

    /// Whether the server receives nothing any more.
    pub(crate) fn is_deaf(&self) -> bool {
        self.deaf.load(Ordering::Relaxed)
    }
}

impl Wire {
    /// A connection that takes up `place` until it is closed.
    /// Its server may leave for `idle` unread what is written.
    pub(crate) fn new(transport: Transport, idle: Duration, place: OwnedSemaphorePermit) -> Self {
        Self { transport: transport.take(LONGEST_READ), state: Arc::default(), unread: Idle::new(idle), _place: place }
    }

    /// What is known of the connection.
    pub(crate) fn state(&self) -> Arc<WireState> {
        Arc::clone(&self.state)
    }

    /// The outcome of a write of `size` bytes.
    fn wrote(
        &mut self,
        cx: &mut Context<'_>,
        size: usize,
        outcome: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let outcome = if outcome.is_pending() {
            ready!(self.unread.poll(cx));
            tracing::warn!("the identity provider does not read what Cambio sends");
            Err(io::ErrorKind::TimedOut.into())
        } else {
            self.unread.ended(0);
            ready!(outcome)
        };
        match outcome {
            Err(error) if is_gone(&error) && !self.state.tunnels.load(Ordering::Relaxed) => {
                self.state.deaf.store(true, Ordering::Relaxed);
                Poll::Ready(Ok(size))
            }
            outcome => Poll::Ready(outcome),
        }
    }
}

/// Whether the server has closed.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        // The limit of `Take` counts all reads. Set anew, it bounds one.
        this.transport.set_limit(LONGEST_READ);
        ready!(Pin::new(&mut this.transport).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            this.state.hear();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let size = if this.state.is_deaf() {
            buf.len()
        } else {
            let outcome = Pin::new(this.transport.get_mut()).poll_write(cx, buf);
            ready!(this.wrote(cx, buf.len(), outcome))?
        };
        this.state.record(size, std::iter::once(buf));
        Poll::Ready(Ok(size))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.state.is_deaf() {
            return Poll::Ready(Ok(()));
        }
        let outcome = Pin::new(this.transport.get_mut()).poll_flush(cx);
        this.wrote(cx, 0, outcome.map_ok(|()| 0)).map_ok(|_| ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().transport.get_mut()).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let all = bufs.iter().map(|buf| buf.len()).sum();
        let size = if this.state.is_deaf() {
            all
        } else {
            let outcome = Pin::new(this.transport.get_mut()).poll_write_vectored(cx, bufs);
            ready!(this.wrote(cx, all, outcome))?
        };
        this.state.record(size, bufs.iter().map(|buf| &**buf));
        Poll::Ready(Ok(size))
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.get_ref().is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_comes_before_the_answer_is_recorded() {
        let state = WireState::default();
        let write = |text: &'static [u8]| state.record(text.len(), std::iter::once(text));
        write(b"a login");
        assert_eq!(state.lost_request(), None);
        state.ask(true);
        write(b"he");
        write(b"ad");
        assert_eq!(state.lost_request().as_deref(), Some(&b"head"[..]));
        state.ask(true);
        write(b"head");
        state.hear();
        write(b"what a tunnel carries");
        assert!(state.written().is_empty());
        assert_eq!(state.lost_request(), None);
    }
}
