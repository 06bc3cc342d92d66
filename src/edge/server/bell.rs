//! Futures that are polled only after they woke their task.
//!
//! A connection's task wakes for each read and write. Polling a timer or a watch each time would take a lock and read
//! the clock, although its own waker tells when it is ready.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Connects a future with the task that polls it.
#[derive(Debug, Default)]
pub(crate) struct Bell(Option<(Arc<Ring>, Waker)>);

#[derive(Debug)]
struct Ring {
    rung: AtomicBool,
    task: Waker,
}

impl Bell {
    /// Polls the future, if the bell has rung since the last poll, or the future was never polled in this task.
    pub(crate) fn poll<F: Future>(&mut self, future: Pin<&mut F>, cx: &Context<'_>) -> Poll<F::Output> {
        match self.answer(cx) {
            Some(waker) => future.poll(&mut Context::from_waker(waker)),
            None => Poll::Pending,
        }
    }

    /// The waker to poll the future with, if it has rung since the last call, or never been polled in this task.
    fn answer(&mut self, cx: &Context<'_>) -> Option<&Waker> {
        match &self.0 {
            Some((ring, _)) if ring.task.will_wake(cx.waker()) => {
                // A load is cheap; the swap is only needed after a ring.
                if !ring.rung.load(Ordering::Relaxed) || !ring.rung.swap(false, Ordering::Acquire) {
                    return None;
                }
            }
            _ => {
                let ring = Arc::new(Ring { rung: AtomicBool::new(false), task: cx.waker().clone() });
                self.0 = Some((Arc::clone(&ring), Waker::from(ring)));
            }
        }
        self.0.as_ref().map(|(_, waker)| waker)
    }

    /// Requests a poll the next time, because the future was changed or became ready.
    pub(crate) fn reset(&mut self) {
        self.0 = None;
    }
}

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// Does something within a task of tokio's, whose waker is known again.
    async fn in_a_task(mut act: impl FnMut(&Context<'_>) + Send + 'static) {
        let task = poll_fn(move |cx| {
            act(cx);
            Poll::Ready(())
        });
        tokio::spawn(task).await.unwrap();
    }

    #[tokio::test]
    async fn answers_once_for_each_ring() {
        in_a_task(|cx| {
            let mut bell = Bell::default();
            let waker = bell.answer(cx).unwrap().clone();
            assert!(bell.answer(cx).is_none(), "polled, and silent since");
            waker.wake_by_ref();
            waker.wake();
            assert!(bell.answer(cx).is_some(), "rung");
            assert!(bell.answer(cx).is_none(), "answered");
            bell.reset();
            assert!(bell.answer(cx).is_some(), "reset");
        })
        .await;
    }

    #[tokio::test]
    async fn a_ring_wakes_the_task() {
        let mut bell = Bell::default();
        let mut rung = false;
        let task = tokio::spawn(poll_fn(move |cx| match bell.answer(cx) {
            Some(_) if rung => Poll::Ready(()),
            Some(waker) => {
                rung = true;
                let waker = waker.clone();
                std::thread::spawn(move || waker.wake());
                Poll::Pending
            }
            None => Poll::Pending,
        }));
        tokio::time::timeout(std::time::Duration::from_secs(5), task).await.unwrap().unwrap();
    }
}
