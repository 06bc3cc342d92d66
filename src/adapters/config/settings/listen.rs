//! The listener that callers use.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;
use ipnet::IpNet;

use crate::adapters::tls::KeyPair;

/// The listener for callers, and its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Address and port.
    pub address: SocketAddr,
    /// Certificate and key, if Cambio terminates TLS.
    pub tls: Option<KeyPair>,
    /// Whether and how Cambio asks callers for certificates, if it terminates TLS.
    pub client_certificates: Option<ClientCertificates>,
    /// The header in which a trusted proxy passes on its caller's certificate.
    pub certificate_header: Option<CertificateHeader>,
    /// Networks of the proxies whose forwarding headers Cambio believes.
    pub trusted_proxies: Vec<IpNet>,
    /// Time limit for the head of a request.
    pub header_timeout: Duration,
    /// Time limit for the whole body of a request that Cambio judges.
    pub body_timeout: Duration,
    /// Longest time that a connection may be open without a request.
    pub idle_timeout: Duration,
    /// Largest head of a request, in bytes.
    pub max_header_bytes: usize,
    /// Largest form that Cambio reads to judge it, in bytes.
    pub max_form_bytes: usize,
    /// Most connections at one time; further ones wait in the kernel's queue.
    pub max_connections: usize,
    /// How long Cambio waits for running requests when it is stopped.
    pub drain_timeout: Duration,
}

/// Callers' certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificates {
    /// The authorities that vouch for the names in them; without them, certificates are identified by their thumbprints.
    pub ca: Option<PathBuf>,
}

/// The header in which a trusted proxy passes on its caller's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateHeader {
    /// The header.
    pub name: HeaderName,
    /// The authorities that vouch for the names in it; without them, certificates are identified by their thumbprints.
    pub ca: Option<PathBuf>,
}
