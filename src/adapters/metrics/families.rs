//! Every family of metrics: its type, name, help text and labels.

use prometheus::core::Collector;
use prometheus::{
    Error, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry,
};

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

    memory_held: IntGauge = IntGauge::new(
        "cambio_memory_held_bytes",
        "Memory that callers make Cambio hold: open requests, and forms and answers that are read whole.",
    );
    memory_budget: IntGauge = IntGauge::new(
        "cambio_memory_budget_bytes",
        "Memory that callers may make Cambio hold, a third of runtime.memory.",
    );
    shed: IntCounter = IntCounter::new(
        "cambio_shed_requests_total",
        "Requests answered with 503 because there was no memory for the request, its form or its answer.",
    );

    exchanges: IntCounterVec = counters(
        "cambio_exchanges_total",
        "Token exchanges, by realm, outcome and reason; the reason of an allowed one is empty.",
        &["realm", "outcome", "reason"],
    );
    exchange_seconds: HistogramVec = HistogramVec::new(
        seconds("cambio_exchange_duration_seconds", "Time from an exchange's head to its answer, by realm."),
        &["realm"],
    );
    own_token_requests: IntCounterVec = counters(
        "cambio_own_token_requests_total",
        "Requests about tokens that Cambio issued, by realm, endpoint and outcome: introspection, userinfo, revocation \
         and refresh. An inactive or refused token is denied.",
        &["realm", "endpoint", "outcome"],
    );
    session_checks: IntCounterVec = counters(
        "cambio_session_checks_total",
        "Questions whether the session of a token that Cambio signed goes on, by realm and outcome. An ended session is \
         denied.",
        &["realm", "outcome"],
    );
    client_authentications: IntCounterVec = counters(
        "cambio_client_authentications_total",
        "Clients that Cambio authenticated or refused, by realm, method and outcome.",
        &["realm", "method", "outcome"],
    );
    limited_requests: IntCounterVec = counters(
        "cambio_limited_requests_total",
        "Requests refused because a limit was reached, by realm and limit: the key in realms.*.rateLimits or \
         realms.*.clientLockout.",
        &["realm", "limit"],
    );
    open_doors: IntCounterVec = counters(
        "cambio_open_door_requests_total",
        "Requests that passed ungoverned through a door that the configuration opens, by realm and door.",
        &["realm", "door"],
    );
    answers_withheld: IntCounter = IntCounter::new(
        "cambio_answers_withheld_total",
        "Answers with the marks of an exchange that came from outside the pipeline. Any is an alarm.",
    );
    audit_failures: IntCounter = IntCounter::new(
        "cambio_audit_failures_total",
        "Audit lines that could not be written; each refused its exchange.",
    );
    log_lines_left_out: IntCounterVec = counters(
        "cambio_log_lines_left_out_total",
        "Log lines that were not written, by cause: unread, because nobody read standard error, or repeated, because many \
         like them were written.",
        &["cause"],
    );

    jwks_age: GaugeVec = gauges(
        "cambio_jwks_age_seconds",
        "Age of the keys in use, by issuer; -1 when there are none.",
        &["issuer"],
    );
    jwks_keys: IntGaugeVec = int_gauges(
        "cambio_jwks_keys",
        "Keys that an issuer publishes, by issuer and state: used, or left_out if Cambio can't use the key. Keys for \
         encryption are not counted.",
        &["issuer", "state"],
    );
    jwks_refreshes: IntCounterVec = counters(
        "cambio_jwks_refreshes_total",
        "Fetches of an issuer's keys, by issuer and outcome.",
        &["issuer", "outcome"],
    );
    signing_keys: GaugeVec = gauges(
        "cambio_signing_key_info",
        "Always 1; Cambio's published signing keys, by realm, kid, algorithm and state.",
        &["realm", "kid", "alg", "state"],
    );
    signing_key_collisions: GaugeVec = gauges(
        "cambio_signing_key_collisions",
        "Signing keys of Cambio whose kid the identity provider publishes, by realm. Any is an alarm.",
        &["realm"],
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
    audience_files_broken: GaugeVec = gauges(
        "cambio_audience_files_broken",
        "Audience files with a mistake, by what is in force instead: their last good version, or nothing.",
        &["in_force"],
    );
    reload_timestamp: Gauge = Gauge::new(
        "cambio_config_last_reload_success_timestamp_seconds",
        "When the configuration in use was loaded, in seconds since the Unix epoch.",
    );
}

fn counters(name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, Error> {
    IntCounterVec::new(Opts::new(name, help), labels)
}

fn gauges(name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, Error> {
    GaugeVec::new(Opts::new(name, help), labels)
}

fn int_gauges(name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, Error> {
    IntGaugeVec::new(Opts::new(name, help), labels)
}

fn seconds(name: &str, help: &str) -> HistogramOpts {
    HistogramOpts::new(name, help).buckets(BUCKETS.to_vec())
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> Result<C, Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
