//! Prometheus metrics; the only user of the `prometheus` crate.
//!
//! Every label value comes from an enum or from the configuration, so the number of series is bounded. The label values
//! of the pass-through path are resolved once, at start.

mod family;
mod judgement;
mod labels;
mod operation;
mod traffic;

use std::time::Duration;

use prometheus::{Encoder, Error, Registry, TextEncoder};

use self::family::Families;
use self::judgement::Judgement;
pub use self::labels::{Outcome, OwnEndpoint, StoreOperation, StoreOutcome, Way};
use self::operation::Operation;
use self::traffic::Traffic;
use crate::words::refusal::Reason;

/// Metrics could not be registered or encoded.
#[derive(Debug, thiserror::Error)]
#[error("metrics: {0}")]
pub struct MetricsError(#[from] Error);

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    traffic: Traffic,
    judgement: Judgement,
    operation: Operation,
}

impl Metrics {
    /// All metrics, registered.
    ///
    /// # Errors
    /// When two metrics have one name, which a test excludes.
    pub fn new() -> Result<Self, MetricsError> {
        let registry = Registry::new();
        let make = Families(&registry);
        let (traffic, judgement, operation) = (Traffic::new(&make)?, Judgement::new(&make)?, Operation::new(&make)?);
        Ok(Self { registry, traffic, judgement, operation })
    }

    /// A request was answered.
    pub fn answered(&self, way: Way, status: http::StatusCode, took: Duration) {
        self.traffic.answered(way, status, took);
    }

    /// A request was refused before it was judged.
    pub fn rejected(&self, reason: Reason) {
        self.traffic.rejected(reason);
    }

    /// An exchange ended.
    pub fn exchanged(&self, realm: &str, outcome: Outcome, reason: Option<Reason>, took: Duration) {
        self.judgement.exchanged(realm, outcome, reason, took);
    }

    /// Cambio authenticated a client, or refused to.
    pub fn client_authenticated(&self, realm: &str, method: &str, outcome: Outcome) {
        self.judgement.client_authentications.with_label_values(&[realm, method, outcome.as_str()]).inc();
    }

    /// A request passed ungoverned, because the configuration opens its grant.
    pub fn door_passed(&self, realm: &str, door: &str) {
        self.judgement.open_doors.with_label_values(&[realm, door]).inc();
    }

    /// A token that Cambio issued was used at one of the realm's endpoints.
    pub fn own_token_request(&self, realm: &str, endpoint: OwnEndpoint, outcome: Outcome) {
        let labels = [realm, endpoint.as_str(), outcome.as_str()];
        self.judgement.own_token_requests.with_label_values(&labels).inc();
    }

    /// An answer was withheld by the answer lock.
    pub fn answer_withheld(&self) {
        self.judgement.answers_withheld.inc();
    }

    /// An audit line could not be written.
    pub fn audit_failed(&self) {
        self.judgement.audit_failures.inc();
    }

    /// The identity provider did not answer.
    pub fn upstream_failed(&self, reason: Reason) {
        self.traffic.upstream_failed(reason);
    }

    /// The head of the identity provider's answer arrived.
    pub fn upstream_answered(&self, took: Duration) {
        self.traffic.upstream_seconds.observe(took.as_secs_f64());
    }

    /// A connection was accepted.
    pub fn connection_opened(&self) {
        self.traffic.connections.inc();
        self.traffic.connections_total.inc();
    }

    /// A connection ended.
    pub fn connection_closed(&self) {
        self.traffic.connections.dec();
    }

    /// A TLS handshake failed or took too long.
    pub fn handshake_failed(&self) {
        self.traffic.handshake_failures.inc();
    }

    /// Changed certificate files were put to use, or rejected.
    pub fn certificate_reloaded(&self, used: bool) {
        self.traffic.certificate_reloads.with_label_values(&[if used { "ok" } else { "error" }]).inc();
    }

    /// Keys were fetched, or could not be.
    pub fn jwks_refreshed(&self, issuer: &str, ok: bool) {
        self.operation.jwks_refreshes.with_label_values(&[issuer, if ok { "ok" } else { "error" }]).inc();
    }

    /// The age of an issuer's keys, at scrape time.
    pub fn jwks_age(&self, issuer: &str, age: Option<Duration>) {
        self.operation.jwks_age.with_label_values(&[issuer]).set(age.map_or(-1.0, |age| age.as_secs_f64()));
    }

    /// The store answered, or failed to.
    pub fn store_answered(&self, operation: StoreOperation, outcome: StoreOutcome, took: Duration) {
        let labels = [operation.as_str(), outcome.as_str()];
        self.operation.store_operations.with_label_values(&labels).inc();
        self.operation.store_seconds.observe(took.as_secs_f64());
    }

    /// The signing keys that are published, each as realm, kid, algorithm and state, at scrape time.
    pub fn signing_keys<'k>(&self, keys: impl Iterator<Item = [&'k str; 4]>) {
        self.operation.signing_keys(keys);
    }

    /// How many of a realm's signing keys have a kid that the identity provider publishes, at scrape time.
    pub fn signing_key_collisions(&self, realm: &str, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.operation.signing_key_collisions.with_label_values(&[realm]).set(f64::from(count));
    }

    /// Configuration was loaded, or refused.
    pub fn reloaded(&self, ok: bool, now: jiff::Timestamp) {
        self.operation.reloaded(ok, now);
    }

    /// The text exposition format.
    ///
    /// # Errors
    /// When a metric can't be encoded.
    pub fn exposition(&self) -> Result<Vec<u8>, MetricsError> {
        let mut text = Vec::with_capacity(16 * 1024);
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_is_what_is_exposed() {
        let metrics = Metrics::new().unwrap();
        metrics.answered(Way::Token, http::StatusCode::FORBIDDEN, Duration::from_millis(3));
        metrics.exchanged("corp", Outcome::Denied, Some(Reason::ClientNotPermitted), Duration::from_millis(3));
        metrics.connection_opened();
        metrics.connection_opened();
        metrics.connection_closed();
        let text = String::from_utf8(metrics.exposition().unwrap()).unwrap();
        for line in [
            "cambio_http_requests_total{status=\"4xx\",way=\"token\"} 1",
            "cambio_exchanges_total{outcome=\"denied\",realm=\"corp\",reason=\"client_not_permitted\"} 1",
            "cambio_connections 1",
            "cambio_connections_total 2",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
    }
}
