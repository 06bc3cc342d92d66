//! Log lines on their way to standard error. No thread that serves ever waits for it: a thread of its own writes, and lines
//! that find no room are counted. Of lines of one kind, only some are written.

mod repeats;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use self::repeats::{LimitRepeats, REPEATED, REPORT, Repeats, TARGET};
use crate::adapters::config::Log;

/// Most bytes of lines that wait.
const MOST: usize = 1 << 20;

/// Lines that found no room because nobody reads standard error.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Why there can be no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `log.level` is no filter.
    #[error("log.level: {0}")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    /// No thread, or no standard error.
    #[error("logging can't start: {0}")]
    Start(#[from] io::Error),
    /// Somebody else logs already.
    #[error("logging can't start: {0}")]
    Taken(#[from] tracing_subscriber::util::TryInitError),
}

/// How many lines were left out since the start: those that found no room, and those that repeated others.
pub fn left_out() -> [(&'static str, u64); 2] {
    [("unread", LOST.load(Ordering::Relaxed)), ("repeated", REPEATED.load(Ordering::Relaxed))]
}

/// The log of the process.
#[derive(Debug)]
pub struct Logs(Arc<Waiting>);

impl Logs {
    /// Starts to log on standard error, panics included.
    ///
    /// # Errors
    /// See [`LogError`].
    pub fn start(log: &Log) -> Result<Self, LogError> {
        let filter = EnvFilter::try_new(&log.level)?;
        let output = File::from(io::stderr().as_fd().try_clone_to_owned()?);
        let (waiting, repeats) = (Arc::new(Waiting::default()), Arc::new(Repeats::default()));
        let registry = tracing_subscriber::registry().with(filter).with(LimitRepeats::new(Arc::clone(&repeats)));
        let layer = tracing_subscriber::fmt::layer().with_writer(Writer(Arc::clone(&waiting))).with_ansi(false);
        if log.json {
            registry.with(layer.json().flatten_event(true)).try_init()?;
        } else {
            registry.with(layer).try_init()?;
        }
        std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
        let lines = Arc::clone(&waiting);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || lines.write_to(output, &repeats))?;
        Ok(Self(waiting))
    }

    /// Waits until all lines are written, for a limited time. Nothing else waits at the end of the process.
    pub fn flush(&self, limit: Duration) {
        let busy = |lines: &mut Lines| lines.writing || !lines.texts.is_empty();
        drop(self.0.written.wait_timeout_while(self.0.lines(), limit, busy));
    }
}

/// Lines that wait for their thread.
#[derive(Debug, Default)]
struct Waiting {
    lines: Mutex<Lines>,
    wake: Condvar,
    written: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    texts: VecDeque<Vec<u8>>,
    bytes: usize,
    writing: bool,
    /// Lines that found no room since the last report.
    lost: u64,
}

impl Waiting {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        // Nothing panics half way through a change.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, text: &[u8]) {
        let mut lines = self.lines();
        if lines.bytes + text.len() > MOST {
            lines.lost += 1;
            LOST.fetch_add(1, Ordering::Relaxed);
            return;
        }
        lines.bytes += text.len();
        lines.texts.push_back(text.to_vec());
        drop(lines);
        self.wake.notify_one();
    }

    /// Writes lines for ever.
    fn write_to(&self, mut output: impl Write, repeats: &Repeats) {
        loop {
            let lost = self.write_waiting(&mut output, repeats.is_pending());
            // Reports are log lines, too. This thread writes them in the next round.
            if lost > 0 {
                tracing::warn!(target: TARGET, lost, "log lines were lost because nobody read them");
            }
            repeats.report();
        }
    }

    /// Waits for lines, writes them, and returns how many found no room meanwhile. `pending`: wait for the next report at
    /// the longest.
    fn write_waiting(&self, output: &mut impl Write, pending: bool) -> u64 {
        let mut lines = self.lines();
        lines.writing = false;
        self.written.notify_all();
        let empty = |lines: &mut Lines| lines.texts.is_empty();
        lines = if pending {
            let waited = self.wake.wait_timeout_while(lines, REPORT, empty);
            waited.unwrap_or_else(PoisonError::into_inner).0
        } else {
            self.wake.wait_while(lines, empty).unwrap_or_else(PoisonError::into_inner)
        };
        let texts = std::mem::take(&mut lines.texts);
        let lost = std::mem::take(&mut lines.lost);
        lines.bytes = 0;
        lines.writing = true;
        drop(lines);
        for text in texts {
            // Where could a failure be told?
            let _ = output.write_all(&text);
        }
        lost
    }
}

/// Makes a writer for each line.
struct Writer(Arc<Waiting>);

/// Takes one whole line.
struct LineWriter<'w>(&'w Waiting);

impl<'w> MakeWriter<'w> for Writer {
    type Writer = LineWriter<'w>;

    fn make_writer(&'w self) -> Self::Writer {
        LineWriter(&self.0)
    }
}

impl Write for LineWriter<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.push(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_without_room_are_counted_and_the_others_are_written_whole() {
        let waiting = Waiting::default();
        let line = vec![b'x'; 1 << 10];
        for _ in 0..(MOST / line.len() + 3) {
            waiting.push(&line);
        }
        let mut written = Vec::new();
        assert_eq!(waiting.write_waiting(&mut written, false), 3);
        assert_eq!(written.len(), MOST);
        waiting.push(b"there is room again");
        assert_eq!(waiting.write_waiting(&mut written, false), 0);
        assert!(written.ends_with(b"there is room again"));
    }
}
