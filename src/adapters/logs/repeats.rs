//! Bounds the lines of one kind: a place in the code that logs. A flood of requests that fail must not fill the disk.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Time between two reports of lines that were left out.
pub(super) const REPORT: Duration = Duration::from_secs(10);
/// The target of those reports.
pub(super) const TARGET: &str = "cambio::logs";
/// Lines that were left out because they repeat others.
pub(super) static REPEATED: AtomicU64 = AtomicU64::new(0);

/// Lines of one kind that are written at once.
const BURST: u32 = 20;
/// After those, one line is written in this time.
const EACH: Duration = Duration::from_secs(1);
/// Characters of a line that a report keeps.
const KEPT: usize = 160;

/// Leaves lines out.
pub(super) struct LimitRepeats(Arc<Repeats>);

/// What was left out, by kind. There are as many kinds as places in the code that log.
#[derive(Default)]
pub(super) struct Repeats {
    kinds: Mutex<HashMap<Identifier, Kind>>,
    pending: AtomicBool,
}

struct Kind {
    /// Lines that may be written now.
    left: u32,
    since: Instant,
    left_out: u64,
    reported: Instant,
    /// The first line that was left out.
    example: String,
}

impl LimitRepeats {
    pub(super) fn new(repeats: Arc<Repeats>) -> Self {
        Self(repeats)
    }
}

impl<S: Subscriber> Layer<S> for LimitRepeats {
    fn event_enabled(&self, event: &Event<'_>, _context: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        // Whoever asks for more detail wants every line.
        *metadata.level() > Level::INFO || metadata.target() == TARGET || self.0.admit(event, Instant::now())
    }
}

impl Repeats {
    fn admit(&self, event: &Event<'_>, now: Instant) -> bool {
        let mut kinds = self.kinds();
        let kind = kinds.entry(event.metadata().callsite()).or_insert_with(|| Kind::new(now));
        if kind.admits(now) {
            return true;
        }
        if kind.left_out == 0 {
            let mut message = Message(String::new());
            event.record(&mut message);
            kind.example = message.0;
        }
        kind.left_out += 1;
        REPEATED.fetch_add(1, Ordering::Relaxed);
        self.pending.store(true, Ordering::Relaxed);
        false
    }

    /// Whether there is something to report.
    pub(super) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Relaxed)
    }

    /// Logs what was left out.
    pub(super) fn report(&self) {
        if self.is_pending() {
            for (left_out, example) in self.due(Instant::now()) {
                tracing::warn!(target: TARGET, left_out, "lines like this one were left out: {example}");
            }
        }
    }

    fn due(&self, now: Instant) -> Vec<(u64, String)> {
        let mut kinds = self.kinds();
        let mut due = Vec::new();
        for kind in kinds.values_mut().filter(|kind| kind.left_out > 0 && now.duration_since(kind.reported) >= REPORT) {
            due.push((std::mem::take(&mut kind.left_out), std::mem::take(&mut kind.example)));
            kind.reported = now;
        }
        self.pending.store(kinds.values().any(|kind| kind.left_out > 0), Ordering::Relaxed);
        due
    }

    fn kinds(&self) -> MutexGuard<'_, HashMap<Identifier, Kind>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kind {
    fn new(now: Instant) -> Self {
        Self { left: BURST, since: now, left_out: 0, reported: now, example: String::new() }
    }

    fn admits(&mut self, now: Instant) -> bool {
        let passed = now.duration_since(self.since).as_secs() / EACH.as_secs();
        if passed > 0 {
            self.left = self.left.saturating_add(u32::try_from(passed).unwrap_or(BURST)).min(BURST);
            self.since = now;
        }
        self.left = match self.left.checked_sub(1) {
            Some(left) => left,
            None => return false,
        };
        true
    }
}

/// The message of a line.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}").chars().take(KEPT).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn lines_of_one_kind_are_bounded_in_time() {
        let start = Instant::now();
        let mut kind = Kind::new(start);
        for (name, after, asked, expected) in [
            ("at once", 0, 100, BURST),
            ("a second later", 1, 100, 1),
            ("three seconds later", 4, 100, 3),
            ("after an hour", 3600, 100, BURST),
        ] {
            let now = start + Duration::from_secs(after);
            let admitted = (0..asked).filter(|_| kind.admits(now)).count();
            assert_eq!(admitted, expected as usize, "{name}");
        }
    }

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_flood_of_one_kind_leaves_the_others_alone_and_is_reported() {
        let (written, repeats) = (Written::default(), Arc::new(Repeats::default()));
        let writer = written.clone();
        let layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(LimitRepeats::new(Arc::clone(&repeats))).with(layer);
        tracing::subscriber::with_default(subscriber, || {
            for number in 0..1000 {
                tracing::warn!(number, "flood");
                tracing::debug!(number, "detail");
            }
            tracing::error!("other");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        for (word, count) in [("flood", 20), ("detail", 1000), ("other", 1)] {
            let found = text.matches(word).count();
            assert!(found == count || word == "flood" && found < 25, "{word}: {found}");
        }
        assert!(repeats.due(Instant::now()).is_empty(), "a report is not due yet");
        let due = repeats.due(Instant::now() + REPORT);
        assert_eq!(due.len(), 1);
        assert!(due[0].0 > 970 && due[0].1 == "flood", "{due:?}");
        assert!(!repeats.is_pending());
    }
}
