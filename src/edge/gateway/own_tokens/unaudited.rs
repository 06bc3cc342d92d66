//! Answers at the endpoints that are counted and not audited: introspection and userinfo.

use http::Response;

use crate::adapters::metrics::{Outcome, OwnEndpoint};
use crate::adapters::net::body::Body;
use crate::edge::gateway::case::Case;
use crate::edge::gateway::respond;
use crate::judgement::dialect::RequestKind;
use crate::words::refusal::Refusal;

impl Case<'_> {
    /// Counts an answer about a token that Cambio signed.
    pub(super) fn count(&self, endpoint: OwnEndpoint, outcome: Outcome) {
        self.services.metrics.own_token_request(&self.realm.config.name, endpoint, outcome);
    }

    /// The answer to a refusal, which is counted and logged.
    pub(super) fn refuse(&self, endpoint: OwnEndpoint, refusal: &Refusal) -> Response<Body> {
        let (config, id) = (&self.realm.config, self.record.id());
        let mut response = respond::refusal(config.dialect, refusal, RequestKind::Exchange, id);
        respond::challenge(&mut response, &config.name);
        let outcome = if response.status().is_server_error() { Outcome::Failed } else { Outcome::Denied };
        self.count(endpoint, outcome);
        tracing::info!(%id, realm = %config.name, reason = %refusal.reason, "not answered: {}", refusal.detail);
        response
    }
}
