//! Graceful shutdown. Every task that serves holds a [`DrainWatch`]; [`Drain`] announces the end, asks the tasks to
//! finish, waits, and then cuts them off.

use std::time::Duration;

use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    Leaving,
    Draining,
    Cut,
}

/// Starts the shutdown.
#[derive(Debug)]
pub struct Drain(watch::Sender<Phase>);

/// A task holds a watch as long as it has something to finish, and drops it when it is done.
#[derive(Clone, Debug)]
pub struct DrainWatch(watch::Receiver<Phase>);

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainOutcome {
    /// All tasks finished within the time limit.
    Complete,
    /// The number of watches that were still held at the deadline and were told to cut.
    Cut(usize),
}

/// A drain and the first watch on it.
pub fn channel() -> (Drain, DrainWatch) {
    let (sender, receiver) = watch::channel(Phase::Running);
    (Drain(sender), DrainWatch(receiver))
}

impl Drain {
    /// Announces the end and lets `notice` pass, in which tasks take leave of their peers. Then asks all tasks to finish,
    /// waits until all watches are dropped or `limit` is over since the call, and cuts the rest.
    pub async fn drain(self, notice: Duration, limit: Duration) -> DrainOutcome {
        let finished = async {
            if !notice.is_zero() {
                self.0.send_replace(Phase::Leaving);
                let _ = tokio::time::timeout(notice, self.0.closed()).await;
            }
            self.0.send_replace(Phase::Draining);
            self.0.closed().await;
        };
        if tokio::time::timeout(limit, finished).await.is_ok() {
            return DrainOutcome::Complete;
        }
        let left = self.0.receiver_count();
        self.0.send_replace(Phase::Cut);
        // A task that is cut only has to drop a socket. A task that does not must not keep the process alive.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.0.closed()).await;
        DrainOutcome::Cut(left)
    }
}

impl DrainWatch {
    /// Resolves when the end is announced.
    pub async fn leaving(&mut self) {
        self.reach(Phase::Leaving).await;
    }

    /// Whether the end is announced.
    pub fn is_leaving(&self) -> bool {
        *self.0.borrow() >= Phase::Leaving
    }

    /// Whether it is time to finish.
    pub fn is_draining(&self) -> bool {
        *self.0.borrow() >= Phase::Draining
    }

    /// Resolves when it is time to finish.
    pub async fn draining(&mut self) {
        self.reach(Phase::Draining).await;
    }

    /// Resolves when it is time to drop everything.
    pub async fn cut(&mut self) {
        self.reach(Phase::Cut).await;
    }

    async fn reach(&mut self, phase: Phase) {
        if self.0.wait_for(|now| *now >= phase).await.is_err() {
            // The `Drain` was dropped unused: no shutdown will come.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_for_the_last_watch() {
        let (drain, mut watch) = channel();
        let second = watch.clone();
        let worker = tokio::spawn(async move {
            watch.draining().await;
            drop((watch, second));
        });
        assert_eq!(drain.drain(Duration::ZERO, Duration::from_secs(5)).await, DrainOutcome::Complete);
        worker.await.unwrap();
    }

    #[tokio::test]
    async fn cuts_at_the_deadline() {
        let (drain, mut watch) = channel();
        let worker = tokio::spawn(async move { watch.cut().await });
        assert_eq!(drain.drain(Duration::ZERO, Duration::from_millis(20)).await, DrainOutcome::Cut(1));
        worker.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn announces_the_end_first() {
        let (drain, mut watch) = channel();
        let worker = tokio::spawn(async move {
            watch.leaving().await;
            let announced = tokio::time::Instant::now();
            assert!(watch.is_leaving() && !watch.is_draining());
            watch.draining().await;
            announced.elapsed()
        });
        assert_eq!(drain.drain(Duration::from_secs(2), Duration::from_secs(5)).await, DrainOutcome::Complete);
        assert_eq!(worker.await.unwrap().as_secs(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_counts_from_the_call() {
        let (drain, watch) = channel();
        let begun = tokio::time::Instant::now();
        assert_eq!(drain.drain(Duration::from_secs(2), Duration::from_secs(5)).await, DrainOutcome::Cut(1));
        assert_eq!(begun.elapsed().as_secs(), 6, "and one second to obey");
        drop(watch);
    }
}
