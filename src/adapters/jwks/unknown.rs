//! The `kid`s that the issuer does not publish. For a while no keys are fetched because of them.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use jiff::Timestamp;

/// Most `kid`s that are remembered. Whoever makes up more than that makes Cambio forget the oldest.
const MAX_KIDS: usize = 256;

/// Remembers `kid`s by their hash: a `kid` is the sender's text, and may be long.
#[derive(Default)]
pub(super) struct UnknownKids {
    hasher: RandomState,
    seen: HashMap<u64, Timestamp>,
}

impl UnknownKids {
    /// The issuer did not publish this `kid` at `now`.
    pub(super) fn remember(&mut self, kid: &str, now: Timestamp) {
        if self.seen.len() >= MAX_KIDS {
            let oldest = self.seen.iter().min_by_key(|(_, at)| **at).map(|(kid, _)| *kid);
            oldest.and_then(|oldest| self.seen.remove(&oldest));
        }
        self.seen.insert(self.hasher.hash_one(kid), now);
    }

    /// Whether the issuer did not publish this `kid` less than `pause` ago.
    pub(super) fn contains(&self, kid: &str, pause: Duration, now: Timestamp) -> bool {
        self.seen.get(&self.hasher.hash_one(kid)).is_some_and(|at| within(pause, *at, now))
    }
}

/// Whether a pause that began at `start` still lasts. If the clock was set back, the pause ends: otherwise it would
/// last longer by that time.
pub(super) fn within(pause: Duration, start: Timestamp, now: Timestamp) -> bool {
    let passed = now.duration_since(start);
    !passed.is_negative() && passed.unsigned_abs() < pause
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kids_are_forgotten_with_time_and_when_there_are_too_many() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let pause = Duration::from_secs(300);
        let mut kids = UnknownKids::default();
        kids.remember("first", at(1_000));
        for (name, kid, now, expected) in [
            ("at once", "first", 1_000, true),
            ("just before the end", "first", 1_299, true),
            ("at the end", "first", 1_300, false),
            ("the clock was set back", "first", 999, false),
            ("another", "second", 1_000, false),
        ] {
            assert_eq!(kids.contains(kid, pause, at(now)), expected, "{name}");
        }
        for number in 0..i64::try_from(MAX_KIDS).unwrap() {
            kids.remember(&number.to_string(), at(1_001 + number / 2));
        }
        assert_eq!(kids.seen.len(), MAX_KIDS);
        assert!(!kids.contains("first", pause, at(1_001)));
        assert!(kids.contains("255", pause, at(1_200)));
    }
}
