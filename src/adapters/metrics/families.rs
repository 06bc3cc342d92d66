//! The families that every Cambio has, whatever its configuration: type, name, help text and labels.

use prometheus::core::Collector;
use prometheus::{
    Error, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

use super::labels::{LoadOutcome, StoreOperation, StoreOutcome};
use crate::words::refusal::Reason;

/// Seconds. From a cached answer to a slow login.
const BUCKETS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Writes a struct of families, and the function that registers them, from one table.
macro_rules! families {
    ($($field:ident: $kind:ty = $made:expr;)*) => {
        pub(super) struct Families {
            $(pub(super) $field: $kind,)*
        }

        impl Families {
            pub(super) fn new(registry: &Registry) -> Result<Self, Error> {
                Ok(Self { $($field: register(registry, $made?)?,)* })
            }
        }
    };
}

families! {
    build_info: GaugeVec = gauges("cambio_build_info", "Always 1; says what runs.", &["version"]);

    requests: IntCounterVec = counters(
        "cambio_http_requests_total",
        "Requests answered, by the way they took and the class of their status.",
        &["way", "status"],
    );
    request_seconds: HistogramVec = HistogramVec::new(
        seconds(
            "cambio_http_request_duration_seconds",
            "Time from a request's head to the head of its answer, by the way it took.",
        ),
        &["way"],
    );
    rejections: IntCounterVec = counters(
        "cambio_rejected_requests_total",
        "Requests refused before anything in them was judged, by reason.",
        &["reason"],
    );
    upstream_faults: IntCounterVec = counters(
        "cambio_upstream_faults_total",
        "Requests that the identity provider did not answer, by reason.",
        &["reason"],
    );
    upstream_seconds: Histogram = Histogram::with_opts(seconds(
        "cambio_upstream_response_seconds",
        "Time until the head of the identity provider's answer.",
    ));
    connections: IntGauge = IntGauge::new("cambio_connections", "Connections of callers that are open now.");
    connections_total: IntCounter = IntCounter::new("cambio_connections_total", "Connections of callers accepted.");
    handshake_failures: IntCounter = IntCounter::new(
        "cambio_tls_handshake_failures_total",
        "TLS handshakes of callers that failed or took too long.",
    );
    certificate_reloads: IntCounterVec = counters(
        "cambio_certificate_reloads_total",
        "Changed files of listen.tls that were put to use or turned down, by outcome.",
        &["outcome"],
    );
    certificates: GaugeVec = gauges(
        "cambio_certificate_expires_timestamp_seconds",
        "When a certificate of Cambio's own expires, in seconds since the Unix epoch, by its key in the configuration.",
        &["certificate"],
    );

    shed: IntCounter = IntCounter::new(
        "cambio_shed_requests_total",
        "Requests answered with 503 because there was no memory for the request, its form or its answer.",
    );

    answers_withheld: IntCounter = IntCounter::new(
        "cambio_answers_withheld_total",
        "Answers with the marks of an exchange that came from outside the pipeline. Any is an alarm.",
    );
    audit_failures: IntCounter = IntCounter::new(
        "cambio_audit_failures_total",
        "Audit lines that could not be written; each refused its exchange.",
    );

    store_operations: IntCounterVec = counters(
        "cambio_store_operations_total",
        "Operations on the store of used and revoked tokens, by operation and outcome.",
        &["operation", "outcome"],
    );
    store_seconds: Histogram = Histogram::with_opts(seconds(
        "cambio_store_seconds",
        "Time that an operation on the store took.",
    ));
    reloads: IntCounterVec = counters(
        "cambio_config_reloads_total",
        "Attempts to load changed configuration, by outcome.",
        &["outcome"],
    );
    reload_successful: IntGauge = IntGauge::new(
        "cambio_config_last_reload_successful",
        "1 if the configuration on disk is the one in use, 0 if it, or an audience file, was refused.",
    );
    reload_timestamp: Gauge = Gauge::new(
        "cambio_config_last_reload_success_timestamp_seconds",
        "When the configuration in use was loaded, in seconds since the Unix epoch.",
    );
}

impl Families {
    /// Makes every series, so that each begins at 0 and the first event is an increase.
    pub(super) fn begin_at_zero(&self) {
        for reason in Reason::ALL {
            self.rejections.with_label_values(&[reason.as_str()]);
        }
        for reason in UPSTREAM_FAULTS {
            self.upstream_faults.with_label_values(&[reason.as_str()]);
        }
        for outcome in ["ok", "error"] {
            self.certificate_reloads.with_label_values(&[outcome]);
        }
        for outcome in LoadOutcome::ALL {
            self.reloads.with_label_values(&[outcome.as_str()]);
        }
        for (operation, outcome) in
            StoreOperation::ALL.into_iter().flat_map(|one| StoreOutcome::ALL.map(|outcome| (one, outcome)))
        {
            self.store_operations.with_label_values(&[operation.as_str(), outcome.as_str()]);
        }
    }
}

/// The reasons for which the identity provider is not to be had.
const UPSTREAM_FAULTS: [Reason; 4] =
    [Reason::UpstreamUnavailable, Reason::UpstreamTimeout, Reason::UpstreamBusy, Reason::UpstreamGarbage];

fn counters(name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, Error> {
    IntCounterVec::new(Opts::new(name, help), labels)
}

fn gauges(name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, Error> {
    GaugeVec::new(Opts::new(name, help), labels)
}

pub(super) fn seconds(name: &str, help: &str) -> HistogramOpts {
    HistogramOpts::new(name, help).buckets(BUCKETS.to_vec())
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> Result<C, Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
