//! Writes down what Cambio would have decided about an observed request.

use http::StatusCode;

use super::{AuditRecord, Shadow, unsuccessful};
use crate::adapters::metrics::{Outcome, ShadowOutcome};
use crate::words::refusal::{Reason, Refusal};

impl AuditRecord<'_> {
    /// The identity provider's answer to an observed request leaves as it came. The line says what Cambio would have decided;
    /// `None` if the identity provider refused, so that there is no judgement. Whether the line is written stops nothing.
    pub async fn observed(&mut self, status: StatusCode, shadow: Option<Shadow>) {
        self.upstream_status(status);
        let (outcome, reason) = match shadow {
            None => (ShadowOutcome::Unjudged, None),
            Some(Shadow::Allowed(permit)) => {
                self.metrics.used(&permit.decision().permissions, self.services.now());
                (ShadowOutcome::Allowed, None)
            }
            Some(Shadow::Refused(refusal)) => {
                self.note(&refusal.detail);
                let is_fault = refusal.reason.public().status.is_server_error();
                (if is_fault { ShadowOutcome::Failed } else { ShadowOutcome::Denied }, Some(refusal.reason))
            }
        };
        self.line.shadow_outcome = Some(outcome.as_str());
        self.line.shadow_reason = reason.map(Reason::as_str);
        self.metrics.shadowed(&self.audiences, outcome, reason);
        let (outcome, reason) = if status.is_success() {
            (Outcome::Allowed, None)
        } else {
            (unsuccessful(status), Some(Reason::UpstreamRefused))
        };
        self.end(outcome, reason, status).await;
    }

    /// The identity provider answered behind a door that is open or, with the refusal of the closed door, observed.
    ///
    /// # Errors
    /// When the line of an open door can't be written; then nothing may be handed out.
    pub async fn passed(&mut self, status: StatusCode, closed: Option<Refusal>) -> Result<(), Refusal> {
        let Some(refusal) = closed else { return self.door_passed(status).await };
        self.observed(status, status.is_success().then_some(Shadow::Refused(refusal))).await;
        Ok(())
    }
}
