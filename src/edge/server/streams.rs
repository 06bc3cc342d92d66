//! The tasks of HTTP/2 streams, and the limit on callers who do not take the answer.
//!
//! hyper asks an answer's body for more only when the caller's window lets it send what it has. A caller with a window
//! of zero who answers pings could otherwise hold the stream, and the connection to the identity provider, for ever:
//! the body itself would never notice. The stream's task therefore watches what the body says in each poll. If the task
//! ends, the stream is reset, and the body is dropped.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use hyper::rt::Executor;

use crate::adapters::net::progress::Idle;

/// What a body did within one poll of its task.
#[derive(Clone, Copy, Default)]
struct Step {
    /// Whether it was asked.
    asked: bool,
    /// Whether its last frame is with hyper, which waits for the caller. Otherwise the body waits for the identity
    /// provider.
    given: bool,
    bytes: usize,
}

thread_local! {
    static STEP: Cell<Step> = const { Cell::new(Step { asked: false, given: false, bytes: 0 }) };
}

/// Notes what a body returned.
pub(super) fn note<E>(frame: &Poll<Option<Result<Frame<Bytes>, E>>>) {
    let mut step = STEP.get();
    step.asked = true;
    step.given = matches!(frame, Poll::Ready(Some(Ok(_))));
    if let Poll::Ready(Some(Ok(frame))) = frame {
        step.bytes = step.bytes.saturating_add(frame.data_ref().map_or(0, Bytes::len));
    }
    STEP.set(step);
}

/// Runs the tasks of streams.
#[derive(Clone, Debug)]
pub(crate) struct StreamExecutor {
    idle: Duration,
}

impl StreamExecutor {
    /// Streams whose callers must take their answers within the limit (`listen.idleTimeout`).
    pub(crate) fn new(idle: Duration) -> Self {
        Self { idle }
    }
}

impl<F> Executor<F> for StreamExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        tokio::spawn(Patient { stream: Box::pin(stream), idle: Idle::of_caller(self.idle) });
    }
}

/// A stream's task.
struct Patient<F> {
    stream: Pin<Box<F>>,
    idle: Idle,
}

impl<F: Future<Output = ()>> Future for Patient<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        STEP.take();
        if this.stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let step = STEP.take();
        if step.asked {
            this.idle.ended(step.bytes);
        }
        if !step.given && (step.asked || !this.idle.is_waiting()) {
            return Poll::Pending;
        }
        this.idle.poll(cx).map(|_| tracing::debug!("an HTTP/2 caller does not take an answer: the stream is reset"))
    }
}
