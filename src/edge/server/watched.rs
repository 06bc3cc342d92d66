//! A caller's byte stream in front of hyper: scans heads, notes their start and waiting writes for the time limits, and
//! lets a caller read an answer that came before the end of the request.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::adapters::net::connection::Connection;
use crate::adapters::net::transport::Transport;
use crate::edge::server::head_scanner::HeadScanner;

/// How long a caller may go on sending a request that has its answer. A connection that is closed with unread bytes is
/// reset, and the reset can overtake the answer (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(5);

/// The stream, its scanner, and the connection that is notified.
pub(crate) struct Watched {
    transport: Transport,
    scanner: HeadScanner,
    connection: Arc<Connection>,
    lingering: Option<Pin<Box<Sleep>>>,
}

impl Watched {
    pub(crate) fn new(transport: Transport, connection: Arc<Connection>) -> Self {
        Self { transport, scanner: HeadScanner::default(), connection, lingering: None }
    }

    fn scan(&mut self, bytes: &mut [u8]) {
        if self.connection.is_upgraded() {
            self.scanner.stop();
            return;
        }
        let before = self.scanner.is_in_head();
        self.scanner.scan(bytes);
        // A head that arrives in one piece, as most do, needs no look at the clock.
        match (before, self.scanner.is_in_head()) {
            (false, true) => self.connection.head_began(),
            (true, false) => self.connection.head_ended(),
            _ => {}
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

    fn wrote<T>(&self, outcome: Poll<T>) -> Poll<T> {
        self.connection.write_waits(outcome.is_pending());
        outcome
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
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
        // Without TLS there is nothing to flush, so the outcome tells nothing about a waiting write.
        match this.transport {
            Transport::Plain(_) => outcome,
            Transport::Tls(_) => this.wrote(outcome),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
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
