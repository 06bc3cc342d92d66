//! Requests, connections and the identity provider behind them.

use std::time::Duration;

use http::StatusCode;
use prometheus::{Error, Histogram, IntCounter, IntCounterVec, IntGauge};

use crate::adapters::metrics::family::Families;
use crate::adapters::metrics::labels::Way;
use crate::words::refusal::Reason;

const STATUS_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

pub(super) struct Traffic {
    requests: [[IntCounter; STATUS_CLASSES.len()]; Way::ALL.len()],
    request_seconds: [Histogram; Way::ALL.len()],
    pub(super) rejections: IntCounterVec,
    pub(super) upstream_faults: IntCounterVec,
    pub(super) upstream_seconds: Histogram,
    pub(super) connections: IntGauge,
    pub(super) connections_total: IntCounter,
    pub(super) handshake_failures: IntCounter,
    pub(super) certificate_reloads: IntCounterVec,
}

impl Traffic {
    pub(super) fn new(make: &Families<'_>) -> Result<Self, Error> {
        let requests = make.counters(
            "cambio_http_requests_total",
            "Requests answered, by the way they took and the class of their status.",
            &["way", "status"],
        )?;
        let request_seconds = make.seconds_by(
            "cambio_http_request_duration_seconds",
            "Time from a request's head to the head of its answer, by the way it took.",
            &["way"],
        )?;
        Ok(Self {
            requests: Way::ALL
                .map(|way| STATUS_CLASSES.map(|class| requests.with_label_values(&[way.as_str(), class]))),
            request_seconds: Way::ALL.map(|way| request_seconds.with_label_values(&[way.as_str()])),
            rejections: make.counters(
                "cambio_rejected_requests_total",
                "Requests refused before anything in them was judged, by reason.",
                &["reason"],
            )?,
            upstream_faults: make.counters(
                "cambio_upstream_faults_total",
                "Requests that the identity provider did not answer, by reason.",
                &["reason"],
            )?,
            upstream_seconds: make.seconds(
                "cambio_upstream_response_seconds",
                "Time until the head of the identity provider's answer.",
            )?,
            connections: make.gauge("cambio_connections", "Connections of callers that are open now.")?,
            connections_total: make.counter("cambio_connections_total", "Connections of callers accepted.")?,
            handshake_failures: make.counter(
                "cambio_tls_handshake_failures_total",
                "TLS handshakes of callers that failed or took too long.",
            )?,
            certificate_reloads: make.counters(
                "cambio_certificate_reloads_total",
                "Changed files of listen.tls that were put to use or turned down, by outcome.",
                &["outcome"],
            )?,
        })
    }

    pub(super) fn answered(&self, way: Way, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100).clamp(1, STATUS_CLASSES.len()) - 1;
        if let Some(counter) = self.requests.get(way as usize).and_then(|classes| classes.get(class)) {
            counter.inc();
        }
        if let Some(histogram) = self.request_seconds.get(way as usize) {
            histogram.observe(took.as_secs_f64());
        }
    }

    pub(super) fn rejected(&self, reason: Reason) {
        self.rejections.with_label_values(&[reason.as_str()]).inc();
    }

    pub(super) fn upstream_failed(&self, reason: Reason) {
        self.upstream_faults.with_label_values(&[reason.as_str()]).inc();
    }
}
