//! Keys, configuration and the process.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use prometheus::process_collector::ProcessCollector;
use prometheus::{Error, Gauge, GaugeVec, Histogram, IntCounterVec, IntGauge};

use crate::adapters::metrics::family::Families;

pub(super) struct Operation {
    pub(super) jwks_age: GaugeVec,
    pub(super) jwks_refreshes: IntCounterVec,
    pub(super) store_operations: IntCounterVec,
    pub(super) store_seconds: Histogram,
    signing_keys: GaugeVec,
    /// The label values of the series of `signing_keys`.
    signing_keys_shown: Mutex<BTreeSet<[String; 4]>>,
    pub(super) signing_key_collisions: GaugeVec,
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
            store_seconds: make.seconds("cambio_store_seconds", "Time that an operation on the store took.")?,
            signing_keys: make.gauges(
                "cambio_signing_key_info",
                "Always 1; Cambio's published signing keys, by realm, kid, algorithm and state.",
                &["realm", "kid", "alg", "state"],
            )?,
            signing_keys_shown: Mutex::default(),
            signing_key_collisions: make.gauges(
                "cambio_signing_key_collisions",
                "Signing keys of Cambio whose kid the identity provider publishes, by realm. Any is an alarm.",
                &["realm"],
            )?,
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

    /// Shows these keys and no others. A series that stays is not touched, so that no scrape misses it.
    pub(super) fn signing_keys<'k>(&self, keys: impl Iterator<Item = [&'k str; 4]>) {
        let keys: BTreeSet<[String; 4]> = keys.map(|labels| labels.map(str::to_owned)).collect();
        let mut shown = self.signing_keys_shown.lock().unwrap_or_else(PoisonError::into_inner);
        for labels in shown.difference(&keys) {
            // The series exists: it was set below.
            let _ = self.signing_keys.remove_label_values(&labels.each_ref().map(String::as_str));
        }
        for labels in keys.difference(&shown) {
            self.signing_keys.with_label_values(&labels.each_ref().map(String::as_str)).set(1.0);
        }
        *shown = keys;
    }

    pub(super) fn reloaded(&self, ok: bool, now: jiff::Timestamp) {
        self.reloads.with_label_values(&[if ok { "ok" } else { "error" }]).inc();
        self.reload_successful.set(i64::from(ok));
        if ok {
            self.reload_timestamp.set(now.as_duration().as_secs_f64());
        }
    }
}
