//! Prometheus metrics; the only user of the `prometheus` crate.
//!
//! Every label value comes from an enum or from the configuration, and every series is there from the start, at 0: no request
//! makes a series, and the first failure is an increase. `families` has what every Cambio counts. `realm` and `audience` have
//! what follows the configuration; a generation of the configuration holds them, so that whoever counts looks up no label.

mod audience;
mod counter;
mod error;
mod families;
mod labels;
mod realm;
mod scrape;

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use prometheus::core::Collector as _;
use prometheus::process_collector::ProcessCollector;
use prometheus::{Histogram, IntCounter, Registry, TextEncoder};

pub use self::audience::{AudienceMetrics, PermissionUse};
pub use self::counter::FetchCounts;
pub use self::error::MetricsError;
use self::families::Families;
pub use self::labels::{LoadOutcome, Outcome, OwnEndpoint, ShadowOutcome, StoreOperation, StoreOutcome, Way};
pub use self::realm::{ExchangeEnd, RealmMetrics};
pub use self::scrape::{Scrape, SigningKeyShown};
use crate::words::refusal::Reason;

const STATUS_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    families: Families,
    requests: [[IntCounter; STATUS_CLASSES.len()]; Way::ALL.len()],
    request_seconds: [Histogram; Way::ALL.len()],
    /// Requests at realms that are not configured.
    no_realm: Arc<RealmMetrics>,
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
        families.begin_at_zero();
        let requests =
            |way: Way| STATUS_CLASSES.map(|class| families.requests.with_label_values(&[way.as_str(), class]));
        Ok(Self {
            requests: Way::ALL.map(requests),
            request_seconds: Way::ALL.map(|way| families.request_seconds.with_label_values(&[way.as_str()])),
            no_realm: Arc::new(RealmMetrics::of_no_realm()?),
            registry,
            families,
        })
    }

    /// The metrics of all realms that are not configured.
    pub fn no_realm(&self) -> &Arc<RealmMetrics> {
        &self.no_realm
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

    /// An answer was withheld by the answer lock.
    pub fn answer_withheld(&self) {
        self.families.answers_withheld.inc();
    }

    /// A request was refused because there was no memory for it, its form or its answer.
    pub fn shed(&self) {
        self.families.shed.inc();
    }

    /// An audit line could not be written.
    pub fn audit_failed(&self) {
        self.families.audit_failures.inc();
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

    /// The certificate that this key of the configuration names expires then.
    pub fn certificate_expires(&self, key: &str, at: jiff::Timestamp) {
        self.families.certificates.with_label_values(&[key]).set(at.as_duration().as_secs_f64());
    }

    /// Every certificate that expires: its key in the configuration, and when.
    pub fn certificates(&self) -> Vec<(String, jiff::Timestamp)> {
        let families = self.families.certificates.collect();
        let samples = families.iter().flat_map(prometheus::proto::MetricFamily::get_metric);
        let named = samples.filter_map(|sample| {
            let key = sample.get_label().first()?.value().to_owned();
            let seconds = std::time::Duration::try_from_secs_f64(sample.get_gauge().get_value()).ok()?;
            Some((key, jiff::Timestamp::UNIX_EPOCH.checked_add(seconds).ok()?))
        });
        named.collect()
    }

    /// The store answered, or failed to.
    pub fn store_answered(&self, operation: StoreOperation, outcome: StoreOutcome, took: Duration) {
        let labels = [operation.as_str(), outcome.as_str()];
        self.families.store_operations.with_label_values(&labels).inc();
        self.families.store_seconds.observe(took.as_secs_f64());
    }

    /// The configuration was loaded, in part at least, or refused.
    pub fn configuration_loaded(&self, outcome: LoadOutcome, now: jiff::Timestamp) {
        self.families.reload_successful.set(i64::from(outcome == LoadOutcome::Ok));
        if outcome != LoadOutcome::Error {
            self.families.reload_timestamp.set(now.as_duration().as_secs_f64());
        }
        self.families.reloads.with_label_values(&[outcome.as_str()]).inc();
    }

    /// The text format: what every Cambio counts, and then `scrape`.
    ///
    /// # Errors
    /// When a metric can't be encoded.
    pub fn exposition(&self, mut scrape: Scrape) -> Result<String, MetricsError> {
        self.no_realm.write(&mut scrape);
        let mut text = String::with_capacity(32 * 1024);
        TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text)?;
        scrape.write(&mut text)?;
        Ok(text)
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

#[cfg(test)]
mod tests;
