//! Issuers' keys: fetched, cached, refreshed.

pub mod fetch;
