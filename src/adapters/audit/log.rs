//! The audit log: a thread of its own writes the lines. Nothing but an exchange ever waits for the output, and an exchange
//! waits for a limited time.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::last_lines::LastLines;
use super::line::Line;
use super::queue::{Outcome, Queue, QueuedLine};
use super::sink::Sink;
use crate::adapters::config::AuditOutput;
use crate::adapters::metrics::Metrics;

/// Longest time that a request waits for its line.
const CONFIRM: Duration = Duration::from_secs(2);
/// A write that takes longer than this is stuck. As long as it is, nobody waits for a line.
const STUCK: Duration = Duration::from_secs(1);
/// Capacity in bytes that holds an ordinary line.
const ORDINARY: usize = 2048;

/// Why an exchange has no line.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The output takes no line.
    #[error("{0}")]
    Output(Arc<io::Error>),
    /// The line has no JSON form.
    #[error("{0}")]
    Line(#[from] serde_json::Error),
    /// The line was not written in time.
    #[error("the output did not take the line within 2 s")]
    Late,
    /// The output has taken nothing for a while.
    #[error("the output takes nothing: does anybody read it?")]
    Stuck,
    /// Too many lines wait.
    #[error("too many lines wait for the output")]
    Full,
}

/// The output of audit lines. Only whole lines are written.
pub struct AuditLog(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    started: Instant,
    /// Milliseconds from `started` to the beginning of the write that goes on, plus one; zero if none does.
    writing: AtomicU64,
    metrics: Arc<Metrics>,
    /// Only the writer adds to them: no request waits for whoever reads them.
    last_lines: Option<Mutex<LastLines>>,
}

impl AuditLog {
    /// Opens the output; a file is appended to and made readable for its owner and group only. `keeps_lines`: the last lines
    /// stay in memory, for [`Self::last_lines`].
    ///
    /// # Errors
    /// The file can't be opened, or there can be no thread.
    pub fn open(output: &AuditOutput, keeps_lines: bool, metrics: Arc<Metrics>) -> io::Result<Self> {
        let sink = Sink::open(output)?;
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            wake: Condvar::new(),
            started: Instant::now(),
            writing: AtomicU64::new(0),
            metrics,
            last_lines: keeps_lines.then(Mutex::default),
        });
        let writer = Arc::clone(&shared);
        std::thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run(sink))?;
        Ok(Self(shared))
    }

    /// Opens the file again under its name before the next line, so that a log rotation can move the old file away.
    pub fn reopen(&self) {
        self.0.queue().reopen = true;
        self.0.ring();
    }

    /// The lines that were written last, the last one first.
    pub fn last_lines(&self) -> Vec<Arc<str>> {
        let kept = self.0.last_lines.as_ref();
        kept.map(|lines| lines.lock().unwrap_or_else(PoisonError::into_inner).newest_first()).unwrap_or_default()
    }

    /// Whether the output has taken nothing for a while, so that every exchange would be refused.
    pub fn is_stuck(&self) -> bool {
        let begun = self.0.writing.load(Ordering::Relaxed);
        begun > 0 && self.0.millis().saturating_sub(begun - 1) > u64::try_from(STUCK.as_millis()).unwrap_or(0)
    }

    /// Writes the line of a request that is allowed.
    ///
    /// # Errors
    /// The line is not written, or not in time. Nothing may be handed out then. A line that was begun may still appear.
    pub async fn confirm(&self, line: &Line) -> Result<(), AuditError> {
        let waits = if self.is_stuck() { Err(AuditError::Stuck) } else { self.0.push(line, true) };
        // Tasks that are ready now queue their lines first; then the writer is woken once. A line whose caller leaves
        // meanwhile is not written, because its exchange ends here.
        tokio::task::yield_now().await;
        self.0.ring();
        let written = match waits {
            Err(error) => Err(error),
            // A closed channel is a line that grew too old.
            Ok(waits) => match timeout(CONFIRM, waits).await {
                Ok(Ok(None)) => return Ok(()),
                Ok(Ok(Some(error))) => return Err(AuditError::Output(error)),
                Ok(Err(_)) | Err(_) => Err(AuditError::Late),
            },
        };
        self.0.metrics.audit_failed();
        written
    }

    /// Writes the line of a request that is not allowed. The line is on its way when this returns; whoever awaits the
    /// result waits until the line is written, but not for a slow output.
    pub fn write(&self, line: &Line) -> LineWritten {
        let pushed = self.0.push(line, false);
        self.0.ring();
        match pushed {
            Ok(waits) if !self.is_stuck() => LineWritten(Some(Box::pin(async {
                // Whatever became of the line, the refusal stands.
                let _ = timeout(CONFIRM, waits).await;
            }))),
            Ok(_) => LineWritten(None),
            Err(error) => {
                self.0.lost(&error);
                LineWritten(None)
            }
        }
    }

    /// Waits for the lines so far, for a limited time.
    pub async fn flush(&self, limit: Duration) {
        if let Ok(waits) = self.0.push_text(Vec::new(), false) {
            self.0.ring();
            let _ = timeout(limit, waits).await;
        }
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        self.0.queue().ended = true;
        self.0.ring();
    }
}

impl std::fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuditLog")
    }
}

/// A line on its way. It resolves when the line is written, can't be written, or has waited long enough.
#[must_use = "await it, so that the line precedes the answer"]
pub struct LineWritten(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Future for LineWritten {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().map_or(Poll::Ready(()), |waits| waits.as_mut().poll(cx))
    }
}

impl Shared {
    /// Writes lines until no line can follow. Runs on the writer's thread.
    fn run(&self, mut sink: Sink) {
        loop {
            let mut queue = self.queue();
            while queue.is_empty() && !queue.reopen && !queue.ended {
                queue.writer_sleeps = true;
                queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            queue.writer_sleeps = false;
            let reopen = std::mem::take(&mut queue.reopen);
            let batch = queue.next(sink.is_regular(), Instant::now());
            let over = queue.ended && batch.is_empty();
            drop(queue);
            self.writing.store(self.millis() + 1, Ordering::Relaxed);
            if reopen && let Err(error) = sink.reopen() {
                tracing::error!(%error, "the audit file could not be opened again; lines still go to the old file");
            }
            self.write(&mut sink, batch);
            self.writing.store(0, Ordering::Relaxed);
            if over {
                return;
            }
        }
    }

    fn write(&self, sink: &mut Sink, batch: Vec<QueuedLine>) {
        let text = batch.iter().map(|entry| entry.text.as_slice()).collect::<Vec<_>>().concat();
        let (written, failed) = match (text.is_empty(), sink.prepare()) {
            (true, _) => (0, None),
            (false, Ok(())) => sink.write(&text),
            (false, Err(error)) => (0, Some(error)),
        };
        let failed = failed.map(Arc::new);
        let mut end = 0;
        let mut lost = 0;
        for entry in batch {
            end += entry.text.len();
            let outcome = failed.clone().filter(|_| end > written);
            if outcome.is_some() {
                lost += 1;
                self.metrics.audit_failed();
            } else if let Some(lines) = &self.last_lines {
                // Before the answer leaves, so that whoever has the answer can read of the decision.
                lines.lock().unwrap_or_else(PoisonError::into_inner).add(&entry.text);
            }
            // A caller that has gone needs no word.
            let _ = entry.done.send(outcome);
        }
        if let Some(error) = failed {
            tracing::error!(lines = lost, %error, "audit lines could not be written");
        }
    }

    fn push(&self, line: &Line, allows: bool) -> Result<oneshot::Receiver<Outcome>, AuditError> {
        let mut text = Vec::with_capacity(ORDINARY);
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
        self.push_text(text, allows)
    }

    fn push_text(&self, text: Vec<u8>, allows: bool) -> Result<oneshot::Receiver<Outcome>, AuditError> {
        let (done, waits) = oneshot::channel();
        let mut queue = self.queue();
        if !queue.push(QueuedLine { text, done, queued: Instant::now() }, allows) {
            return Err(AuditError::Full);
        }
        let is_batch = queue.has_a_batch();
        drop(queue);
        if is_batch {
            // Hundreds of tasks may be ready: the writer begins before the queue is full.
            self.ring();
        }
        Ok(waits)
    }

    /// Wakes the writer, if it sleeps, for what was changed in the queue. To wake it costs a system call.
    fn ring(&self) {
        if std::mem::take(&mut self.queue().writer_sleeps) {
            self.wake.notify_one();
        }
    }

    /// Counts and logs a line that nobody waits for.
    fn lost(&self, error: &AuditError) {
        self.metrics.audit_failed();
        tracing::error!(%error, "an audit line could not be written");
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics half way through a change of the queue.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
