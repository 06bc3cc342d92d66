//! Prometheus metrics; the only user of the `prometheus` crate.
//!
//! Every label value comes from an enum or from the configuration, so the number of series is bounded. The label values
//! of the pass-through path are resolved once, at start.

mod families;
mod labels;

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use prometheus::process_collector::ProcessCollector;
use prometheus::{Encoder, Error, Histogram, IntCounter, Registry, TextEncoder};

use self::families::Families;
pub use self::labels::{LoadOutcome, Outcome, OwnEndpoint, StoreOperation, StoreOutcome, Way};
use crate::words::refusal::Reason;

const STATUS_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Metrics could not be registered or encoded.
#[derive(Debug, thiserror::Error)]
#[error("metrics: {0}")]
pub struct MetricsError(#[from] Error);

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    families: Families,
    requests: [[IntCounter; STATUS_CLASSES.len()]; Way::ALL.len()],
    request_seconds: [Histogram; Way::ALL.len()],
    /// The label values of the series of `signing_keys`.
    signing_keys_shown: Mutex<BTreeSet<[String; 4]>>,
}

impl Metrics {
    /// All metrics, registered.
    ///
    /// # Errors
    /// When two metrics have one name, which a test excludes.
    pub fn new() -> Result<Self, MetricsError> {
        let registry = Registry::new();
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let families = Families::new(&registry)?;
        families.build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
        let requests =
            |way: Way| STATUS_CLASSES.map(|class| families.requests.with_label_values(&[way.as_str(), class]));
        Ok(Self {
            requests: Way::ALL.map(requests),
            request_seconds: Way::ALL.map(|way| families.request_seconds.with_label_values(&[way.as_str()])),
            signing_keys_shown: Mutex::default(),
            registry,
            families,
        })
    }

    /// A request was answered.
    pub fn answered(&self, way: Way, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100).clamp(1, STATUS_CLASSES.len()) - 1;
        if let Some(counter) = self.requests.get(way as usize).and_then(|classes| classes.get(class)) {
            counter.inc();
        }
        if let Some(histogram) = self.request_seconds.get(way as usize) {
            histogram.observe(took.as_secs_f64());
        }
    }

    /// A request was refused before it was judged.
    pub fn rejected(&self, reason: Reason) {
        self.families.rejections.with_label_values(&[reason.as_str()]).inc();
    }

    /// An exchange ended.
    pub fn exchanged(&self, realm: &str, outcome: Outcome, reason: Option<Reason>, took: Duration) {
        let reason = reason.map_or("", Reason::as_str);
        self.families.exchanges.with_label_values(&[realm, outcome.as_str(), reason]).inc();
        self.families.exchange_seconds.with_label_values(&[realm]).observe(took.as_secs_f64());
    }

    /// Cambio authenticated a client, or refused to.
    pub fn client_authenticated(&self, realm: &str, method: &str, outcome: Outcome) {
        self.families.client_authentications.with_label_values(&[realm, method, outcome.as_str()]).inc();
    }

    /// A limit of the realm was reached.
    pub fn limited(&self, realm: &str, limit: &str) {
        self.families.limited_requests.with_label_values(&[realm, limit]).inc();
    }

    /// A request passed ungoverned, because the configuration opens its grant.
    pub fn door_passed(&self, realm: &str, door: &str) {
        self.families.open_doors.with_label_values(&[realm, door]).inc();
    }

    /// A token that Cambio issued was used at one of the realm's endpoints.
    pub fn own_token_request(&self, realm: &str, endpoint: OwnEndpoint, outcome: Outcome) {
        let labels = [realm, endpoint.as_str(), outcome.as_str()];
        self.families.own_token_requests.with_label_values(&labels).inc();
    }

    /// Cambio asked whether the session of a token that it signed goes on.
    pub fn session_checked(&self, realm: &str, outcome: Outcome) {
        self.families.session_checks.with_label_values(&[realm, outcome.as_str()]).inc();
    }

    /// An answer was withheld by the answer lock.
    pub fn answer_withheld(&self) {
        self.families.answers_withheld.inc();
    }

    /// A request was refused because there was no memory for it, its form or its answer.
    pub fn shed(&self) {
        self.families.shed.inc();
    }

    /// The memory that callers make Cambio hold, and the most that they may, at scrape time.
    pub fn memory(&self, held: usize, budget: usize) {
        self.families.memory_held.set(i64::try_from(held).unwrap_or(i64::MAX));
        self.families.memory_budget.set(i64::try_from(budget).unwrap_or(i64::MAX));
    }

    /// An audit line could not be written.
    pub fn audit_failed(&self) {
        self.families.audit_failures.inc();
    }

    /// How many log lines were left out since the start, at scrape time.
    pub fn log_lines_left_out(&self, cause: &str, total: u64) {
        let counter = self.families.log_lines_left_out.with_label_values(&[cause]);
        counter.inc_by(total.saturating_sub(counter.get()));
    }

    /// The identity provider did not answer.
    pub fn upstream_failed(&self, reason: Reason) {
        self.families.upstream_faults.with_label_values(&[reason.as_str()]).inc();
    }

    /// The head of the identity provider's answer arrived.
    pub fn upstream_answered(&self, took: Duration) {
        self.families.upstream_seconds.observe(took.as_secs_f64());
    }

    /// A connection was accepted.
    pub fn connection_opened(&self) {
        self.families.connections.inc();
        self.families.connections_total.inc();
    }

    /// A connection ended.
    pub fn connection_closed(&self) {
        self.families.connections.dec();
    }

    /// Connections that are open now.
    pub fn open_connections(&self) -> i64 {
        self.families.connections.get()
    }

    /// A TLS handshake failed or took too long.
    pub fn handshake_failed(&self) {
        self.families.handshake_failures.inc();
    }

    /// Changed certificate files were put to use, or rejected.
    pub fn certificate_reloaded(&self, used: bool) {
        self.families.certificate_reloads.with_label_values(&[if used { "ok" } else { "error" }]).inc();
    }

    /// Keys were fetched, or could not be.
    pub fn jwks_refreshed(&self, issuer: &str, ok: bool) {
        self.families.jwks_refreshes.with_label_values(&[issuer, if ok { "ok" } else { "error" }]).inc();
    }

    /// The age of an issuer's keys, at scrape time.
    pub fn jwks_age(&self, issuer: &str, age: Option<Duration>) {
        self.families.jwks_age.with_label_values(&[issuer]).set(age.map_or(-1.0, |age| age.as_secs_f64()));
    }

    /// How many of an issuer's keys are used and how many are left out, at scrape time.
    pub fn jwks_keys(&self, issuer: &str, used: usize, left_out: usize) {
        for (state, count) in [("used", used), ("left_out", left_out)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.families.jwks_keys.with_label_values(&[issuer, state]).set(count);
        }
    }

    /// The store answered, or failed to.
    pub fn store_answered(&self, operation: StoreOperation, outcome: StoreOutcome, took: Duration) {
        let labels = [operation.as_str(), outcome.as_str()];
        self.families.store_operations.with_label_values(&labels).inc();
        self.families.store_seconds.observe(took.as_secs_f64());
    }

    /// Shows these published signing keys and no others, each as realm, kid, algorithm and state, at scrape time. A
    /// series that stays is not touched, so that no scrape misses it.
    pub fn signing_keys<'k>(&self, keys: impl Iterator<Item = [&'k str; 4]>) {
        let keys: BTreeSet<[String; 4]> = keys.map(|labels| labels.map(str::to_owned)).collect();
        let mut shown = self.signing_keys_shown.lock().unwrap_or_else(PoisonError::into_inner);
        for labels in shown.difference(&keys) {
            // The series exists: it was set below.
            let _ = self.families.signing_keys.remove_label_values(&labels.each_ref().map(String::as_str));
        }
        for labels in keys.difference(&shown) {
            self.families.signing_keys.with_label_values(&labels.each_ref().map(String::as_str)).set(1.0);
        }
        *shown = keys;
    }

    /// How many of a realm's signing keys have a kid that the identity provider publishes, at scrape time.
    pub fn signing_key_collisions(&self, realm: &str, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.families.signing_key_collisions.with_label_values(&[realm]).set(f64::from(count));
    }

    /// The configuration was loaded, in part at least, or refused.
    pub fn configuration_loaded(&self, outcome: LoadOutcome, now: jiff::Timestamp) {
        self.families.reload_successful.set(i64::from(outcome == LoadOutcome::Ok));
        if outcome != LoadOutcome::Error {
            self.families.reload_timestamp.set(now.as_duration().as_secs_f64());
        }
        self.families.reloads.with_label_values(&[outcome.as_str()]).inc();
    }

    /// How many audience files are broken, at scrape time: with a last good version in force (`kept`), or with nothing.
    pub fn audience_files_broken(&self, kept: bool, count: usize) {
        let in_force = if kept { "last_good" } else { "nothing" };
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.families.audience_files_broken.with_label_values(&[in_force]).set(f64::from(count));
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
        metrics.answered(Way::Token, StatusCode::FORBIDDEN, Duration::from_millis(3));
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
