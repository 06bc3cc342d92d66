//! What the scenarios stand on: a world (identity provider, Cambio, clock, files), clients, readers, golden files.

pub mod client;
pub mod form;
pub mod golden;
pub mod raw;
pub mod token;

/// The identity provider's keys, made once for the whole suite: RSA takes its time.
pub fn keys() -> cambio::demo::Keys {
    static KEYS: std::sync::OnceLock<cambio::demo::Keys> = std::sync::OnceLock::new();
    KEYS.get_or_init(|| cambio::demo::Keys::generate().unwrap()).clone()
}
