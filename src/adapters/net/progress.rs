//! Progress of what streams, and the limits on silence.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Bytes for which a caller gets another second. A caller who is slower is cut, whether silent or not; the slowest
/// networks that people use for logins are faster (EDGE: 15 KiB a second).
const BYTES_PER_SECOND: u64 = 4096;

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

/// How long Cambio still waits for a caller. Each wait uses the patience up, and each byte gives some back: a second for
/// each [`BYTES_PER_SECOND`], up to the limit. A caller who stays silent has the limit, and nobody holds a connection by
/// reading or sending a byte now and then.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Patience {
    /// What is used up of the limit.
    pub(crate) used: Duration,
}

impl Patience {
    /// What is left of a limit.
    pub(crate) fn left(self, limit: Duration) -> Duration {
        limit.saturating_sub(self.used)
    }

    /// A wait is over, after which so many bytes moved.
    pub(crate) fn waited(&mut self, time: Duration, bytes: u64) {
        let earned = Duration::from_micros(bytes.saturating_mul(1_000_000) / BYTES_PER_SECOND);
        self.used = self.used.saturating_add(time).saturating_sub(earned);
    }
}

/// A limit on waiting. The timer is made at the first wait and moved only when it fires, so that a frame costs no timer
/// work.
#[derive(Debug)]
pub(crate) struct Idle {
    limit: Duration,
    patience: Patience,
    /// Whether waits add up. Otherwise each wait has the whole limit.
    adds_up: bool,
    sleep: Option<Pin<Box<Sleep>>>,
    waiting_since: Option<Instant>,
}

impl Idle {
    /// A limit on each silence.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, patience: Patience::default(), adds_up: false, sleep: None, waiting_since: None }
    }

    /// A limit on a caller, who may neither stay silent nor be slow.
    pub(crate) fn of_caller(limit: Duration) -> Self {
        Self { adds_up: true, ..Self::new(limit) }
    }

    /// Whether a wait has begun and is not over.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting_since.is_some()
    }

    /// So many bytes have moved: a wait, if there was one, is over.
    pub(crate) fn ended(&mut self, bytes: usize) {
        let since = self.waiting_since.take();
        if self.adds_up && (since.is_some() || !self.patience.used.is_zero()) {
            let waited = since.map(|since| since.elapsed()).unwrap_or_default();
            self.patience.waited(waited, bytes as u64);
        }
    }

    /// Ready with the limit when Cambio has waited for too long. The first call begins a wait.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        let deadline = *self.waiting_since.get_or_insert_with(Instant::now) + self.patience.left(self.limit);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        loop {
            // Patience that was used up ends before the timer does.
            if sleep.deadline() > deadline {
                sleep.as_mut().reset(deadline);
            }
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= deadline {
                return Poll::Ready(self.limit);
            }
            sleep.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests;
