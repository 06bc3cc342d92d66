//! The identity provider behind Cambio.

use std::path::PathBuf;
use std::time::Duration;

/// The identity provider behind us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// `http` or `https`
    pub scheme: http::uri::Scheme,
    /// Host and port.
    pub authority: http::uri::Authority,
    /// Own CA bundle for https (PEM).
    pub ca: Option<PathBuf>,
    /// Certificate and key for mutual TLS.
    pub client_certificate: Option<KeyPair>,
    /// Limit for TCP and TLS set-up.
    pub connect_timeout: Duration,
    /// Limit from the request until the head of the answer.
    pub response_timeout: Duration,
    /// Longest silence within a body.
    pub idle_timeout: Duration,
}

/// Files of a certificate chain and its private key (PEM).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    /// Certificate chain.
    pub certificate: PathBuf,
    /// Private key.
    pub key: PathBuf,
}
