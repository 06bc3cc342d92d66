//! The audit record of an answer that is still read after its head has left.

use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;

use crate::adapters::audit::{AuditLog, DETAIL, Event, Line, first};
use crate::adapters::metrics::{Metrics, Outcome};
use crate::edge::gateway::services::Services;
use crate::words::clock::Clock;
use crate::words::refusal::Reason;

/// What the line of an answer needs that is cut. Without a cut, nothing is written.
pub struct LateRecord {
    line: Line,
    started: Instant,
    audit: Arc<AuditLog>,
    metrics: Arc<Metrics>,
    clock: Clock,
}

impl LateRecord {
    /// The record of an answer whose head leaves with this status.
    pub(super) fn new(services: &Services, mut line: Line, started: Instant, status: StatusCode) -> Self {
        line.status = status.as_u16();
        line.upstream_status = Some(status.as_u16());
        let (audit, metrics) = (Arc::clone(&services.audit), Arc::clone(&services.metrics));
        Self { line, started, audit, metrics, clock: services.clock.clone() }
    }

    /// The answer was cut: writes the line, counts, and logs the alarm.
    pub fn withheld(mut self, detail: &str) {
        let reason = Reason::AnswerLocked;
        self.line.event = Event::AnswerWithheld;
        self.line.detail = first(detail, DETAIL);
        let (outcome, reason_text) = (Outcome::Denied.as_str(), Some(reason.as_str()));
        self.line.ends(outcome, reason_text, self.started.elapsed(), self.clock.now());
        self.metrics.answer_withheld();
        self.metrics.rejected(reason);
        tracing::error!(id = %self.line.id, path = %self.line.path, "ALARM: an answer was withheld: {detail}");
        // Nobody waits for the line: the head of the answer has left.
        drop(self.audit.write(&self.line));
    }
}
