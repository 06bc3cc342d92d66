//! The timer of a connection.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::adapters::net::connection::{Connection, Limits, Silence};
use crate::edge::server::bell::Bell;

/// How long an idle connection keeps its HTTP state, as long as few connections do.
pub(super) const REST: Duration = Duration::from_secs(1);

/// Rings when a connection has been silent for too long. A connection has one timer, which is moved when it fires, so
/// that a request costs no timer work.
pub(super) struct Alarm {
    limits: Limits,
    sleep: Pin<Box<Sleep>>,
    bell: Bell,
}

impl Alarm {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, sleep: Box::pin(sleep_until(Instant::now() + limits.header)), bell: Bell::default() }
    }

    /// Begins to look at short intervals, or looks next after a whole one.
    pub(super) fn tick(&mut self) {
        self.reset(Instant::now() + self.interval());
    }

    /// Ready at each interval, with the verdict. A verdict comes when it is due, because no limit is shorter than the
    /// interval.
    pub(super) fn poll_tick(&mut self, connection: &Connection, cx: &mut Context<'_>) -> Poll<Silence> {
        ready!(self.bell.poll(self.sleep.as_mut(), cx));
        let now = Instant::now();
        let silence = connection.silence(self.limits, now);
        let next = now + self.interval();
        self.reset(if let Silence::Until(later) = silence { later.min(next) } else { next });
        Poll::Ready(silence)
    }

    /// Ready when the silence is over, with the verdict, or after `until`.
    pub(super) fn poll_limit(
        &mut self,
        connection: &Connection,
        until: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Poll<Silence> {
        loop {
            let now = Instant::now();
            let silence = connection.silence(self.limits, now);
            let Silence::Until(later) = silence else { return Poll::Ready(silence) };
            let later = until.map_or(later, |until| until.min(later));
            if later <= now {
                return Poll::Ready(silence);
            }
            if self.sleep.deadline() != later {
                self.reset(later);
            }
            ready!(self.sleep.as_mut().poll(cx));
        }
    }

    fn reset(&mut self, when: Instant) {
        self.sleep.as_mut().reset(when);
        self.bell.reset();
    }

    fn interval(&self) -> Duration {
        REST.min(self.limits.header).min(self.limits.idle)
    }
}
