//! A caller's byte stream in front of hyper: scans heads, and notes their start and waiting writes for the time
//! limits.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::adapters::net::connection::Connection;
use crate::adapters::net::transport::Transport;
use crate::edge::server::head_scanner::HeadScanner;

/// The stream, its scanner, and the connection that is notified.
pub(crate) struct Watched {
    transport: Transport,
    scanner: HeadScanner,
    connection: Arc<Connection>,
}

impl Watched {
    pub(crate) fn new(transport: Transport, connection: Arc<Connection>) -> Self {
        Self { transport, scanner: HeadScanner::default(), connection }
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
        Pin::new(&mut this.transport).poll_shutdown(cx)
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
