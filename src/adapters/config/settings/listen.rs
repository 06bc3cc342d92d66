//! The listener that callers use.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;
use ipnet::IpNet;

use super::upstream::KeyPair;

/// The listener that callers use, and its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Address and port.
    pub address: SocketAddr,
    /// Certificate and key, if TLS ends here.
    pub tls: Option<KeyPair>,
    /// Whether callers are asked for certificates, where TLS ends here.
    pub client_certificates: Option<ClientCertificates>,
    /// Where a trusted proxy says which certificate its caller showed.
    pub certificate_header: Option<CertificateHeader>,
    /// Peers whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Limit for the request head.
    pub header_timeout: Duration,
    /// Limit for the whole body of a request that is judged.
    pub body_timeout: Duration,
    /// Longest time that a kept-alive connection may be idle.
    pub idle_timeout: Duration,
    /// Largest request head in bytes.
    pub max_header_bytes: usize,
    /// Largest form body in bytes that is read for judging.
    pub max_form_bytes: usize,
    /// Connections at one time; more wait in the kernel's queue.
    pub max_connections: usize,
    /// How long a stop waits for requests in flight.
    pub drain_timeout: Duration,
}

/// Callers' certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificates {
    /// The authorities that vouch for names in them; without it certificates are known by their thumbprints only.
    pub ca: Option<PathBuf>,
}

/// Where a trusted proxy says which certificate its caller showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateHeader {
    /// The header.
    pub name: HeaderName,
    /// The authorities that vouch for names in it; without it certificates are known by their thumbprints only.
    pub ca: Option<PathBuf>,
}
