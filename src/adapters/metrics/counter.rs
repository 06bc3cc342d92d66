//! Counters whose series follow the configuration. Whoever counts holds the counter: no name is looked up, and no lock is
//! taken.

use std::sync::atomic::{AtomicU64, Ordering};

use super::labels::{Outcome, ShadowOutcome};

/// Counts up from 0.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    /// Counts one more.
    pub(super) fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts more at once.
    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many were counted.
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One counter for each outcome.
#[derive(Debug, Default)]
pub(super) struct Outcomes([Counter; Outcome::ALL.len()]);

impl Outcomes {
    pub(super) fn increment(&self, outcome: Outcome) {
        if let Some(counter) = self.0.get(outcome as usize) {
            counter.increment();
        }
    }

    pub(super) fn each(&self) -> impl Iterator<Item = (Outcome, u64)> {
        Outcome::ALL.into_iter().zip(self.0.iter().map(Counter::count))
    }
}

/// One counter for each shadow outcome.
#[derive(Debug, Default)]
pub(super) struct ShadowOutcomes([Counter; ShadowOutcome::ALL.len()]);

impl ShadowOutcomes {
    pub(super) fn increment(&self, outcome: ShadowOutcome) {
        if let Some(counter) = self.0.get(outcome as usize) {
            counter.increment();
        }
    }

    pub(super) fn each(&self) -> impl Iterator<Item = (ShadowOutcome, u64)> {
        ShadowOutcome::ALL.into_iter().zip(self.0.iter().map(Counter::count))
    }
}

/// How often keys were fetched, and how often they could not be.
#[derive(Debug, Default)]
pub struct FetchCounts {
    ok: Counter,
    error: Counter,
}

impl FetchCounts {
    /// Keys were fetched, or could not be.
    pub fn fetched(&self, is_ok: bool) {
        if is_ok { self.ok.increment() } else { self.error.increment() }
    }

    /// Each outcome and its count.
    pub(super) fn each(&self) -> [(&'static str, u64); 2] {
        [("ok", self.ok.count()), ("error", self.error.count())]
    }
}
