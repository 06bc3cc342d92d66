//! What the listeners share: the services, whether Cambio is stopping, and whether it still turns.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::adapters::metrics::LoadOutcome;
use crate::edge::gateway::services::Services;
use crate::edge::gateway::setup_error::StartError;

/// What the listeners share.
#[derive(Debug)]
pub struct Shared {
    /// What all requests share.
    pub services: Arc<Services>,
    /// Whether the threads that serve callers still turn.
    pub pulse: Pulse,
    stopping: AtomicBool,
    last_load: Mutex<Option<LastLoad>>,
}

/// How the configuration was last loaded.
#[derive(Clone, Debug)]
pub struct LastLoad {
    /// When the load ended.
    pub at: jiff::Timestamp,
    /// How it ended.
    pub outcome: LoadOutcome,
    /// Why the configuration on disk, or a part of it, is not in use; `None` if all of it is.
    pub error: Option<String>,
}

impl Shared {
    /// The state of a Cambio that has just started.
    pub fn new(services: Arc<Services>) -> Self {
        let (stopping, last_load) = (AtomicBool::new(false), Mutex::new(None));
        Self { services, pulse: Pulse::default(), stopping, last_load }
    }

    /// Notes that a stop is under way.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether a stop is under way.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// How the configuration was last loaded; `None` before the start has ended.
    pub fn last_load(&self) -> Option<LastLoad> {
        self.last_load.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes how loading the configuration ended. If it ended well, the configuration is in use.
    pub fn load_ended(&self, result: Result<(), StartError>, now: jiff::Timestamp) {
        let (outcome, error) = match result {
            Err(error) => (LoadOutcome::Error, Some(error.to_string())),
            Ok(()) => match self.services.generation().config.audience_files.complaint() {
                Some(broken) => (LoadOutcome::Partial, Some(broken)),
                None => (LoadOutcome::Ok, None),
            },
        };
        *self.last_load.lock().unwrap_or_else(PoisonError::into_inner) = Some(LastLoad { at: now, outcome, error });
        // Last, so that whoever sees the metric sees everything else.
        self.services.metrics.configuration_loaded(outcome, now);
    }
}

/// Tells whether the threads that serve callers still turn. A task of theirs beats; another thread counts the seconds
/// since the last beat. Because the other thread counts, a process that was stopped for a while is not found dead.
#[derive(Debug, Default)]
pub struct Pulse(AtomicU32);

impl Pulse {
    /// Seconds without a beat after which callers are no longer served.
    pub const LOST: u32 = 10;

    /// The threads turn.
    pub fn beat(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Another second has passed.
    pub fn second(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the threads have not turned for [`Self::LOST`] seconds.
    pub fn is_lost(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= Self::LOST
    }
}

#[cfg(test)]
mod tests {
    use super::Pulse;

    #[test]
    fn a_pulse_is_lost_after_seconds_without_a_beat() {
        let pulse = Pulse::default();
        (1..Pulse::LOST).for_each(|_| pulse.second());
        assert!(!pulse.is_lost());
        pulse.second();
        assert!(pulse.is_lost());
        pulse.beat();
        assert!(!pulse.is_lost());
    }
}
