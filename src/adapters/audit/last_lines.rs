//! The audit lines that were written last, for the admin page. Bounded in number and bytes.

use std::collections::VecDeque;
use std::sync::Arc;

/// Most lines that are kept.
const MOST_LINES: usize = 200;
/// Most bytes that are kept. A longer line is not kept.
const MOST_BYTES: usize = 512 << 10;

/// The audit lines that were written last.
#[derive(Debug, Default)]
pub(super) struct LastLines {
    lines: VecDeque<Arc<str>>,
    bytes: usize,
}

impl LastLines {
    /// Adds a line, and drops the oldest ones that have no room any more.
    pub(super) fn add(&mut self, line: &[u8]) {
        let Ok(line) = std::str::from_utf8(line) else { return };
        let line = line.trim_end();
        if line.is_empty() || line.len() > MOST_BYTES {
            return;
        }
        self.bytes += line.len();
        self.lines.push_back(line.into());
        while self.lines.len() > MOST_LINES || self.bytes > MOST_BYTES {
            let Some(oldest) = self.lines.pop_front() else { return };
            self.bytes -= oldest.len();
        }
    }

    /// The lines, the last one first.
    pub(super) fn newest_first(&self) -> Vec<Arc<str>> {
        self.lines.iter().rev().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_within_bounds() {
        let mut lines = LastLines::default();
        for index in 0..=MOST_LINES {
            lines.add(format!("{{\"line\":{index}}}\n").as_bytes());
        }
        let kept = lines.newest_first();
        assert_eq!((kept.len(), &*kept[0], &*kept[MOST_LINES - 1]), (MOST_LINES, "{\"line\":200}", "{\"line\":1}"));
        let long = "x".repeat(MOST_BYTES / 2);
        for (name, line, count) in [
            ("a flush", String::new(), MOST_LINES),
            ("longer than all room", "x".repeat(MOST_BYTES + 1), MOST_LINES),
            ("half of the room", long.clone(), MOST_LINES),
            ("the other half", long.clone(), 2),
            ("half of the room again", long, 2),
        ] {
            lines.add(line.as_bytes());
            assert_eq!(lines.newest_first().len(), count, "{name}");
            assert!(lines.bytes <= MOST_BYTES, "{name}");
        }
    }
}
