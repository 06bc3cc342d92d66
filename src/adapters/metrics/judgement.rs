//! Exchanges, the locks, and the audit of both.

use std::time::Duration;

use prometheus::{Error, HistogramVec, IntCounter, IntCounterVec};

use crate::adapters::metrics::family::Families;
use crate::adapters::metrics::labels::Outcome;
use crate::words::refusal::Reason;

pub(super) struct Judgement {
    exchanges: IntCounterVec,
    exchange_seconds: HistogramVec,
    pub(super) client_authentications: IntCounterVec,
    pub(super) own_token_requests: IntCounterVec,
    pub(super) open_doors: IntCounterVec,
    pub(super) answers_withheld: IntCounter,
    pub(super) audit_failures: IntCounter,
}

impl Judgement {
    pub(super) fn new(make: &Families<'_>) -> Result<Self, Error> {
        Ok(Self {
            exchanges: make.counters(
                "cambio_exchanges_total",
                "Token exchanges, by realm, outcome and reason; the reason of an allowed one is empty.",
                &["realm", "outcome", "reason"],
            )?,
            exchange_seconds: make.seconds_by(
                "cambio_exchange_duration_seconds",
                "Time from an exchange's head to its answer, by realm.",
                &["realm"],
            )?,
            own_token_requests: make.counters(
                "cambio_own_token_requests_total",
                "Requests about tokens of our own, by realm, endpoint and outcome: introspection, userinfo, revocation \
                 and refresh. An inactive or refused token is denied.",
                &["realm", "endpoint", "outcome"],
            )?,
            client_authentications: make.counters(
                "cambio_client_authentications_total",
                "Clients that Cambio authenticated or refused, by realm, method and outcome.",
                &["realm", "method", "outcome"],
            )?,
            open_doors: make.counters(
                "cambio_open_door_requests_total",
                "Requests that passed ungoverned through a door that the configuration opens, by realm and door.",
                &["realm", "door"],
            )?,
            answers_withheld: make.counter(
                "cambio_answers_withheld_total",
                "Answers with the marks of an exchange that came from outside the pipeline. Any is an alarm.",
            )?,
            audit_failures: make.counter(
                "cambio_audit_failures_total",
                "Audit lines that could not be written; each refused its exchange.",
            )?,
        })
    }

    pub(super) fn exchanged(&self, realm: &str, outcome: Outcome, reason: Option<Reason>, took: Duration) {
        let reason = reason.map_or("", Reason::as_str);
        self.exchanges.with_label_values(&[realm, outcome.as_str(), reason]).inc();
        self.exchange_seconds.with_label_values(&[realm]).observe(took.as_secs_f64());
    }
}
