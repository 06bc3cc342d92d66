//! Keys, configuration and the process.

use prometheus::process_collector::ProcessCollector;
use prometheus::{Error, Gauge, GaugeVec, Histogram, IntCounterVec, IntGauge};

use super::family::Families;

pub(super) struct Operation {
    pub(super) jwks_age: GaugeVec,
    pub(super) jwks_refreshes: IntCounterVec,
    pub(super) store_operations: IntCounterVec,
    pub(super) store_seconds: Histogram,
    reloads: IntCounterVec,
    reload_successful: IntGauge,
    reload_timestamp: Gauge,
}

impl Operation {
    pub(super) fn new(make: &Families<'_>) -> Result<Self, Error> {
        let build_info = make.gauges("cambio_build_info", "Always 1; says what runs.", &["version"])?;
        build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
        make.0.register(Box::new(ProcessCollector::for_self()))?;
        Ok(Self {
            jwks_age: make.gauges(
                "cambio_jwks_age_seconds",
                "Age of the keys in use, by issuer; -1 when there are none.",
                &["issuer"],
            )?,
            jwks_refreshes: make.counters(
                "cambio_jwks_refreshes_total",
                "Fetches of an issuer's keys, by issuer and outcome.",
                &["issuer", "outcome"],
            )?,
            store_operations: make.counters(
                "cambio_store_operations_total",
                "Operations on the store of used and revoked tokens, by operation and outcome.",
                &["operation", "outcome"],
            )?,
            store_seconds: make
                .seconds("cambio_store_seconds", "Time that an operation on the store took.")?,
            reloads: make.counters(
                "cambio_config_reloads_total",
                "Attempts to load changed configuration, by outcome.",
                &["outcome"],
            )?,
            reload_successful: make.gauge(
                "cambio_config_last_reload_successful",
                "1 if the configuration on disk is the one in use, 0 if it was refused.",
            )?,
            reload_timestamp: make.timestamp(
                "cambio_config_last_reload_success_timestamp_seconds",
                "When the configuration in use was loaded, in seconds since the Unix epoch.",
            )?,
        })
    }

    pub(super) fn reloaded(&self, ok: bool, now: jiff::Timestamp) {
        self.reloads.with_label_values(&[if ok { "ok" } else { "error" }]).inc();
        self.reload_successful.set(i64::from(ok));
        if ok {
            self.reload_timestamp.set(now.as_duration().as_secs_f64());
        }
    }
}
