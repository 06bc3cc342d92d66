//! The lines that wait for the writer's thread, bounded in number and bytes.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// Most lines that wait, of each kind.
const MOST_LINES: usize = 4096;
/// Most bytes that wait, of each kind.
const MOST_BYTES: usize = 1 << 20;
/// Most bytes of one call that writes.
const BATCH: usize = 64 << 10;
/// A line that allows an exchange and has waited longer than this is not begun: its exchange would have to be refused
/// while the line is written.
const TOO_OLD: Duration = Duration::from_secs(1);

/// The outcome of a line: `None` is a success. The error goes to several lines of one call.
pub(super) type Outcome = Option<Arc<io::Error>>;

/// A line that waits.
pub(super) struct QueuedLine {
    pub(super) text: Vec<u8>,
    pub(super) done: oneshot::Sender<Outcome>,
    pub(super) queued: Instant,
}

/// Lines that wait. Lines that allow something come first: their callers wait for a token.
#[derive(Default)]
pub(super) struct Queue {
    allowing: Lane,
    others: Lane,
    /// The file is to be opened again before the next line.
    pub(super) reopen: bool,
    /// No line will follow.
    pub(super) ended: bool,
    /// The writer waits to be woken.
    pub(super) writer_sleeps: bool,
}

#[derive(Default)]
struct Lane {
    entries: VecDeque<QueuedLine>,
    bytes: usize,
}

impl Queue {
    /// Adds a line; false if there is no room.
    pub(super) fn push(&mut self, entry: QueuedLine, allows: bool) -> bool {
        let lane = if allows { &mut self.allowing } else { &mut self.others };
        if lane.entries.len() >= MOST_LINES || lane.bytes + entry.text.len() > MOST_BYTES {
            return false;
        }
        lane.bytes += entry.text.len();
        lane.entries.push_back(entry);
        true
    }

    /// Whether one call that writes has enough to do.
    pub(super) fn has_a_batch(&self) -> bool {
        self.allowing.bytes + self.others.bytes >= BATCH
    }

    pub(super) fn is_empty(&self) -> bool {
        self.allowing.entries.is_empty() && self.others.entries.is_empty()
    }

    /// The next lines: as many as one call writes, or one. Lines whose caller was refused meanwhile are left out.
    pub(super) fn next(&mut self, many: bool, now: Instant) -> Vec<QueuedLine> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while bytes < BATCH && (many || batch.is_empty()) {
            let Some(entry) = self.pop(now) else { break };
            bytes += entry.text.len();
            batch.push(entry);
        }
        batch
    }

    fn pop(&mut self, now: Instant) -> Option<QueuedLine> {
        while let Some(entry) = self.allowing.pop() {
            // Dropping the entry tells a caller that still waits.
            if !entry.done.is_closed() && now.duration_since(entry.queued) <= TOO_OLD {
                return Some(entry);
            }
        }
        self.others.pop()
    }
}

impl Lane {
    fn pop(&mut self) -> Option<QueuedLine> {
        let entry = self.entries.pop_front()?;
        self.bytes -= entry.text.len();
        if self.entries.is_empty() {
            // The room of a flood is given back.
            self.entries = VecDeque::new();
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str, queued: Instant) -> (QueuedLine, oneshot::Receiver<Outcome>) {
        let (done, waits) = oneshot::channel();
        (QueuedLine { text: text.into(), done, queued }, waits)
    }

    fn texts(batch: &[QueuedLine]) -> Vec<&str> {
        batch.iter().map(|entry| std::str::from_utf8(&entry.text).unwrap()).collect()
    }

    #[test]
    fn lines_that_allow_come_first_and_only_for_callers_who_wait() {
        let now = Instant::now();
        let later = now + TOO_OLD + Duration::from_millis(1);
        let mut queue = Queue::default();
        let mut waiting = Vec::new();
        for (text, allows, queued, waits) in [
            ("refused", false, now, true),
            ("refused, nobody waits", false, now, false),
            ("allowed", true, later, true),
            ("allowed, nobody waits", true, later, false),
            ("allowed, too old", true, now, true),
        ] {
            let (entry, receiver) = entry(text, queued);
            assert!(queue.push(entry, allows));
            waiting.extend(waits.then_some(receiver));
        }
        assert_eq!(texts(&queue.next(false, later)), ["allowed"]);
        assert_eq!(texts(&queue.next(true, later)), ["refused", "refused, nobody waits"]);
        assert!(queue.is_empty());
        let told = waiting.pop().unwrap().blocking_recv();
        assert!(told.is_err(), "whoever waits for a line that is too old is told at once");
    }

    #[test]
    fn the_queue_is_bounded_and_a_flood_of_refusals_leaves_room() {
        let now = Instant::now();
        let mut queue = Queue::default();
        let text = "x".repeat(1 << 10);
        let mut count = 0;
        while queue.push(entry(&text, now).0, false) {
            count += 1;
        }
        assert_eq!(count, MOST_BYTES / text.len());
        let (allowed, _waits) = entry("allowed", now);
        assert!(queue.push(allowed, true));
        let batch = queue.next(true, now);
        assert_eq!(batch.len(), 1 + BATCH / text.len(), "one call writes no more");
        let (more, _) = entry(&text, now);
        assert!(queue.push(more, false), "there is room again");
    }
}
