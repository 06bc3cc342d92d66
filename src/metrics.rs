//! Prometheus metrics; the only user of the `prometheus` crate.
