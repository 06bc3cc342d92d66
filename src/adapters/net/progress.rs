//! Progress of a body that streams, and the limit on its silence.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// A flag that is set whenever a body makes progress.
#[derive(Debug, Default)]
pub(crate) struct Progress(AtomicBool);

impl Progress {
    /// Notes progress.
    pub(super) fn made(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether there was progress since the last call.
    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// A limit on silence. The timer is made at the first wait and moved only when it fires, so that a frame costs no timer
/// work.
#[derive(Debug)]
pub(super) struct Idle {
    limit: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    waiting_since: Option<Instant>,
}

impl Idle {
    /// A limit on each silence.
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, sleep: None, waiting_since: None }
    }

    /// The silence is over.
    pub(super) fn ended(&mut self) {
        self.waiting_since = None;
    }

    /// Ready with the limit when the silence has lasted that long. The first call begins a silence.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        let deadline = *self.waiting_since.get_or_insert_with(Instant::now) + self.limit;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        loop {
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= deadline {
                return Poll::Ready(self.limit);
            }
            sleep.as_mut().reset(deadline);
        }
    }
}
