//! What the scenarios stand on: a world (identity provider, Cambio, clock, files), clients, readers, golden files.

use std::sync::OnceLock;

use cambio::tools::demo::Keys;

pub mod client;
pub mod echo;
pub mod exchanger;
pub mod faults;
pub mod files;
pub mod form;
pub mod forward_proxy;
pub mod generated;
pub mod golden;
pub mod lenient;
pub mod process;
pub mod proof;
pub mod raw;
pub mod redis;
pub mod tamper;
pub mod token;
pub mod world;

/// The identity provider's keys, made once for the whole suite: RSA takes its time.
pub fn keys() -> Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| Keys::generate().unwrap()).clone()
}
