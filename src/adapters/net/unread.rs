//! A byte stream whose peer must read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::adapters::net::progress::Idle;

/// One side of a tunnel. A write fails when the peer has taken nothing for too long. Silence is no fault.
pub(crate) struct MustRead<T> {
    io: T,
    unread: Idle,
}

impl<T: AsyncWrite + Unpin> MustRead<T> {
    /// A stream whose peer may leave for `limit` unread what is written.
    pub(crate) fn new(io: T, limit: Duration) -> Self {
        Self { io, unread: Idle::new(limit) }
    }

    fn limited<R>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if outcome.is_pending() {
            ready!(self.unread.poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.unread.ended(0);
        outcome
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for MustRead<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for MustRead<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.io).poll_write(cx, buf);
        this.limited(cx, outcome)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.io).poll_flush(cx);
        // What is written before the flush tells about waits; a flush without a wait ends none.
        if outcome.is_pending() { this.limited(cx, outcome) } else { outcome }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn a_peer_may_be_silent_and_must_read() {
        let (end, mut peer) = duplex(64);
        let mut tunnel = MustRead::new(end, LIMIT);
        let mut byte = [0];
        assert!(tokio::time::timeout(LIMIT * 100, tunnel.read_exact(&mut byte)).await.is_err(), "silent");
        for _ in 0..3 {
            tunnel.write_all(&[0; 64]).await.unwrap();
            let write = tokio::spawn(async move {
                tunnel.write_all(&[0]).await.unwrap();
                tunnel
            });
            tokio::time::sleep(LIMIT * 99 / 100).await;
            peer.read_exact(&mut [0; 65]).await.unwrap();
            tunnel = write.await.unwrap();
        }
        let error = tunnel.write_all(&[0; 65]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
