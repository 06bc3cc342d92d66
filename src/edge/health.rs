//! What the listeners share: the services, and whether Cambio is stopping.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::adapters::metrics::LoadOutcome;
use crate::edge::gateway::services::Services;
use crate::edge::gateway::setup_error::StartError;

/// What the listeners share.
#[derive(Debug)]
pub struct Shared {
    /// What all requests share.
    pub services: Arc<Services>,
    stopping: AtomicBool,
    last_reload_error: Mutex<Option<String>>,
}

impl Shared {
    /// The state of a Cambio that has just started.
    pub fn new(services: Arc<Services>) -> Self {
        let (stopping, last_reload_error) = (AtomicBool::new(false), Mutex::new(None));
        Self { services, stopping, last_reload_error }
    }

    /// Notes that a stop is under way.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether a stop is under way.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Why the configuration on disk, or a part of it, is not in use; `None` if all of it is.
    pub fn last_reload_error(&self) -> Option<String> {
        self.last_reload_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
        *self.last_reload_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
        // Last, so that whoever sees the metric sees everything else.
        self.services.metrics.configuration_loaded(outcome, now);
    }
}
