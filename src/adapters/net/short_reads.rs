//! A connection that is read in short pieces.
//!
//! hyper doubles its buffer whenever a read fills the buffer, up to the limit that also bounds the head of an answer. Short
//! reads keep the buffer small, and a large head still fits.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, Take};

use crate::adapters::net::transport::Transport;

/// Bytes of the longest read. hyper's buffer stays at 16 KiB, because no read fills the buffer. Longer reads would take less CPU
/// for large bodies, and more memory (docs/performance.md).
const LONGEST: u64 = 15 * 1024;

/// A transport whose reads are short.
#[derive(Debug)]
pub(crate) struct ShortReads(Take<Transport>);

impl ShortReads {
    /// Reads `transport` in short pieces.
    pub(crate) fn new(transport: Transport) -> Self {
        Self(transport.take(LONGEST))
    }

    fn writer(self: Pin<&mut Self>) -> Pin<&mut Transport> {
        Pin::new(self.get_mut().0.get_mut())
    }
}

impl AsyncRead for ShortReads {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut self.get_mut().0;
        // The limit of `Take` counts all reads. Set anew, it bounds one.
        this.set_limit(LONGEST);
        Pin::new(this).poll_read(cx, buf)
    }
}

impl AsyncWrite for ShortReads {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.writer().poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer().poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writer().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.get_ref().is_write_vectored()
    }
}
