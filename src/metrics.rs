//! Prometheus metrics; the only user of the `prometheus` crate.
//!
//! Every label value comes from an enum or from the configuration, so the number of series is bounded. What the
//! pass-through path touches is resolved once, at start.

use std::time::Duration;

use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    Opts, Registry, TextEncoder,
};

use crate::policy::reason::Reason;

/// What became of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A token was handed out.
    Allowed,
    /// Refused: by us, or by the identity provider.
    Denied,
    /// Neither: a fault of the identity provider, of the network or of ours.
    Failed,
}

impl Outcome {
    /// The label value and the audit field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

/// Which way a request took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Streamed to the identity provider.
    Pass,
    /// A form to a path that is no token endpoint.
    Form,
    /// The realm's keys.
    Keys,
    /// The realm's discovery document.
    Discovery,
    /// A token endpoint.
    Token,
    /// Refused by its head alone.
    Rejected,
}

impl Way {
    const ALL: [Self; 6] = [Self::Pass, Self::Form, Self::Keys, Self::Discovery, Self::Token, Self::Rejected];

    fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Form => "form",
            Self::Keys => "keys",
            Self::Discovery => "discovery",
            Self::Token => "token",
            Self::Rejected => "rejected",
        }
    }
}

const STATUS_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Seconds. From a cached answer to a slow login.
const BUCKETS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Metrics could not be registered or encoded.
#[derive(Debug, thiserror::Error)]
#[error("metrics: {0}")]
pub struct MetricsError(prometheus::Error);

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    requests: [[IntCounter; STATUS_CLASSES.len()]; Way::ALL.len()],
    request_seconds: [Histogram; Way::ALL.len()],
    rejections: IntCounterVec,
    exchanges: IntCounterVec,
    exchange_seconds: HistogramVec,
    open_doors: IntCounterVec,
    answers_withheld: IntCounter,
    upstream_faults: IntCounterVec,
    upstream_seconds: Histogram,
    jwks_age: GaugeVec,
    jwks_refreshes: IntCounterVec,
    connections: IntGauge,
    connections_total: IntCounter,
    reloads: IntCounterVec,
    reload_successful: IntGauge,
    reload_timestamp: Gauge,
    audit_failures: IntCounter,
    handshake_failures: IntCounter,
    certificate_reloads: IntCounterVec,
}

impl Metrics {
    /// All metrics, registered.
    ///
    /// # Errors
    /// When two metrics have one name, which a test excludes.
    pub fn new() -> Result<Self, MetricsError> {
        Self::register().map_err(MetricsError)
    }

    fn register() -> Result<Self, prometheus::Error> {
        let r = Registry::new();
        let requests = counters(
            &r,
            "cambio_http_requests_total",
            "Requests answered, by the way they took and the class of their status.",
            &["way", "status"],
        )?;
        let request_seconds = seconds(
            &r,
            "cambio_http_request_duration_seconds",
            "Time from a request's head to the head of its answer, by the way it took.",
            &["way"],
        )?;
        let build_info =
            GaugeVec::new(Opts::new("cambio_build_info", "Always 1; says what runs."), &["version"])?;
        r.register(Box::new(build_info.clone()))?;
        build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
        r.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;

        Ok(Self {
            requests: Way::ALL
                .map(|way| STATUS_CLASSES.map(|class| requests.with_label_values(&[way.as_str(), class]))),
            request_seconds: Way::ALL.map(|way| request_seconds.with_label_values(&[way.as_str()])),
            rejections: counters(
                &r,
                "cambio_rejected_requests_total",
                "Requests refused before anything in them was judged, by reason.",
                &["reason"],
            )?,
            exchanges: counters(
                &r,
                "cambio_exchanges_total",
                "Token exchanges, by realm, outcome and reason; the reason of an allowed one is empty.",
                &["realm", "outcome", "reason"],
            )?,
            exchange_seconds: seconds(
                &r,
                "cambio_exchange_duration_seconds",
                "Time from an exchange's head to its answer, by realm.",
                &["realm"],
            )?,
            open_doors: counters(
                &r,
                "cambio_open_door_requests_total",
                "Requests that passed ungoverned through a door that the configuration opens, by realm and door.",
                &["realm", "door"],
            )?,
            answers_withheld: counter(
                &r,
                "cambio_answers_withheld_total",
                "Answers with the marks of an exchange that came from outside the pipeline. Any is an alarm.",
            )?,
            upstream_faults: counters(
                &r,
                "cambio_upstream_faults_total",
                "Requests that the identity provider did not answer, by reason.",
                &["reason"],
            )?,
            upstream_seconds: register(
                &r,
                Histogram::with_opts(
                    HistogramOpts::new(
                        "cambio_upstream_response_seconds",
                        "Time until the head of the identity provider's answer.",
                    )
                    .buckets(BUCKETS.to_vec()),
                )?,
            )?,
            jwks_age: register(
                &r,
                GaugeVec::new(
                    Opts::new(
                        "cambio_jwks_age_seconds",
                        "Age of the keys in use, by issuer; -1 when there are none.",
                    ),
                    &["issuer"],
                )?,
            )?,
            jwks_refreshes: counters(
                &r,
                "cambio_jwks_refreshes_total",
                "Fetches of an issuer's keys, by issuer and outcome.",
                &["issuer", "outcome"],
            )?,
            connections: register(
                &r,
                IntGauge::new("cambio_connections", "Connections of callers that are open now.")?,
            )?,
            connections_total: counter(&r, "cambio_connections_total", "Connections of callers accepted.")?,
            reloads: counters(
                &r,
                "cambio_config_reloads_total",
                "Attempts to load changed configuration, by outcome.",
                &["outcome"],
            )?,
            reload_successful: register(
                &r,
                IntGauge::new(
                    "cambio_config_last_reload_successful",
                    "1 if the configuration on disk is the one in use, 0 if it was refused.",
                )?,
            )?,
            reload_timestamp: register(
                &r,
                Gauge::new(
                    "cambio_config_last_reload_success_timestamp_seconds",
                    "When the configuration in use was loaded, in seconds since the Unix epoch.",
                )?,
            )?,
            audit_failures: counter(
                &r,
                "cambio_audit_failures_total",
                "Audit lines that could not be written; each refused its exchange.",
            )?,
            handshake_failures: counter(
                &r,
                "cambio_tls_handshake_failures_total",
                "TLS handshakes of callers that failed or took too long.",
            )?,
            certificate_reloads: counters(
                &r,
                "cambio_certificate_reloads_total",
                "Changed files of listen.tls that were put to use or turned down, by outcome.",
                &["outcome"],
            )?,
            registry: r,
        })
    }

    /// A request was answered.
    pub fn answered(&self, way: Way, status: http::StatusCode, took: Duration) {
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
        self.rejections.with_label_values(&[reason.as_str()]).inc();
    }

    /// An exchange ended.
    pub fn exchanged(&self, realm: &str, outcome: Outcome, reason: Option<Reason>, took: Duration) {
        let reason = reason.map_or("", Reason::as_str);
        self.exchanges.with_label_values(&[realm, outcome.as_str(), reason]).inc();
        self.exchange_seconds.with_label_values(&[realm]).observe(took.as_secs_f64());
    }

    /// A request passed through an open door.
    pub fn door_passed(&self, realm: &str, door: &str) {
        self.open_doors.with_label_values(&[realm, door]).inc();
    }

    /// An answer was withheld by the answer lock.
    pub fn answer_withheld(&self) {
        self.answers_withheld.inc();
    }

    /// The identity provider did not answer.
    pub fn upstream_failed(&self, reason: Reason) {
        self.upstream_faults.with_label_values(&[reason.as_str()]).inc();
    }

    /// The head of the identity provider's answer arrived.
    pub fn upstream_answered(&self, took: Duration) {
        self.upstream_seconds.observe(took.as_secs_f64());
    }

    /// Keys were fetched, or could not be.
    pub fn jwks_refreshed(&self, issuer: &str, ok: bool) {
        self.jwks_refreshes.with_label_values(&[issuer, if ok { "ok" } else { "error" }]).inc();
    }

    /// The age of an issuer's keys, at scrape time.
    pub fn jwks_age(&self, issuer: &str, age: Option<Duration>) {
        self.jwks_age.with_label_values(&[issuer]).set(age.map_or(-1.0, |age| age.as_secs_f64()));
    }

    /// A connection was accepted.
    pub fn connection_opened(&self) {
        self.connections.inc();
        self.connections_total.inc();
    }

    /// A connection ended.
    pub fn connection_closed(&self) {
        self.connections.dec();
    }

    /// A TLS handshake failed or took too long.
    pub fn handshake_failed(&self) {
        self.handshake_failures.inc();
    }

    /// Changed certificate files were put to use, or turned down.
    pub fn certificate_reloaded(&self, used: bool) {
        self.certificate_reloads.with_label_values(&[if used { "ok" } else { "error" }]).inc();
    }

    /// Configuration was loaded, or refused.
    pub fn reloaded(&self, ok: bool, now: jiff::Timestamp) {
        self.reloads.with_label_values(&[if ok { "ok" } else { "error" }]).inc();
        self.reload_successful.set(i64::from(ok));
        if ok {
            self.reload_timestamp.set(now.as_duration().as_secs_f64());
        }
    }

    /// An audit line could not be written.
    pub fn audit_failed(&self) {
        self.audit_failures.inc();
    }

    /// The text exposition format.
    ///
    /// # Errors
    /// When a metric can't be encoded.
    pub fn exposition(&self) -> Result<Vec<u8>, MetricsError> {
        let mut text = Vec::with_capacity(16 * 1024);
        TextEncoder::new().encode(&self.registry.gather(), &mut text).map_err(MetricsError)?;
        Ok(text)
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

fn register<C: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

fn counter(registry: &Registry, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
    register(registry, IntCounter::new(name, help)?)
}

fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, prometheus::Error> {
    register(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
}

fn seconds(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<HistogramVec, prometheus::Error> {
    register(registry, HistogramVec::new(HistogramOpts::new(name, help).buckets(BUCKETS.to_vec()), labels)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_is_what_is_exposed() {
        let metrics = Metrics::new().unwrap();
        metrics.answered(Way::Token, http::StatusCode::FORBIDDEN, Duration::from_millis(3));
        metrics.exchanged(
            "corp",
            Outcome::Denied,
            Some(Reason::ClientNotPermitted),
            Duration::from_millis(3),
        );
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
