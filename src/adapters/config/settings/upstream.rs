//! The identity provider behind Cambio.

use std::path::PathBuf;
use std::time::Duration;

use crate::adapters::tls::KeyPair;

/// The identity provider behind Cambio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// `http` or `https`
    pub scheme: http::uri::Scheme,
    /// Host and port.
    pub authority: http::uri::Authority,
    /// CA certificates for https (PEM), instead of the system's.
    pub ca: Option<PathBuf>,
    /// Certificate and key for mutual TLS.
    pub client_certificate: Option<KeyPair>,
    /// Time limit for connecting, TLS included.
    pub connect_timeout: Duration,
    /// Time limit from sending a request until the head of the answer has arrived.
    pub response_timeout: Duration,
    /// Longest pause within a body.
    pub idle_timeout: Duration,
}
