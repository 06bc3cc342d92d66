//! The checked settings: what `cambio.yaml` and the audience files mean.

pub mod audience_files;
pub mod issuer;
pub mod proxy;
pub mod realm;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;
use ipnet::IpNet;

use self::audience_files::AudienceFiles;
use self::issuer::{ServerAccess, TrustedIssuer};
use self::proxy::Proxies;
use self::realm::Realm;
use super::problem::Problem;
use super::store::Store;
use crate::adapters::tls::KeyPair;
use crate::judgement::policy::model::Policy;
use crate::judgement::policy::observed_until::ObservedUntil;
use crate::words::secret::Secret;

/// The checked configuration as a whole.
#[derive(Clone, Debug)]
pub struct Config {
    /// The identity provider behind Cambio.
    pub upstream: Upstream,
    /// The listener for callers.
    pub listen: Listen,
    /// The listener for operators.
    pub admin: AdminListener,
    /// The realms that Cambio governs, by name.
    pub realms: BTreeMap<String, Realm>,
    /// How long realms that are not configured are observed; `None` if Cambio refuses their exchanges.
    pub observed_until: Option<ObservedUntil>,
    /// Foreign issuers, by name. No name is both a realm and an issuer.
    pub issuers: BTreeMap<String, TrustedIssuer>,
    /// The proxies of the environment, on the way to foreign servers.
    pub proxies: Proxies,
    /// The rules of the audiences' owners.
    pub policy: Policy,
    /// The files of the policy, the broken ones included.
    pub audience_files: AudienceFiles,
    /// Where Cambio remembers used and revoked tokens.
    pub store: Store,
    /// Where audit lines go.
    pub audit: AuditOutput,
    /// How log lines look.
    pub log: Log,
    /// Worker threads.
    pub threads: usize,
    /// Bytes that Cambio may use, if the configuration says so.
    pub memory: Option<usize>,
    /// SHA-256 over `cambio.yaml` as read, in hexadecimal.
    pub hash: String,
    /// Every file that was read; Cambio watches them.
    pub sources: Sources,
    /// What operators should look at: wildcards, open grants, plain http.
    pub warnings: Vec<Problem>,
}

impl Config {
    /// Takes the values of `running` for everything that can't change while Cambio runs, so that nothing of it is in force by
    /// half. Returns the keys that wait for the next start.
    pub fn wait_for_restart(&mut self, running: &Self) -> Vec<&'static str> {
        let Listen { max_form_bytes, max_token_bytes, body_timeout, .. } = self.listen;
        let listen = Listen { body_timeout, max_form_bytes, max_token_bytes, ..running.listen.clone() };
        let waiting = [
            ("upstream", self.upstream != running.upstream),
            ("listen", self.listen != listen),
            ("admin", !self.admin.is_like(&running.admin)),
            ("store", self.store != running.store),
            ("audit", self.audit != running.audit),
            ("log", self.log != running.log),
            ("runtime", (self.threads, self.memory) != (running.threads, running.memory)),
        ];
        self.upstream = running.upstream.clone();
        self.listen = listen;
        self.admin = running.admin.clone();
        self.store = running.store.clone();
        self.audit = running.audit.clone();
        self.log = running.log.clone();
        self.threads = running.threads;
        self.memory = running.memory;
        waiting.into_iter().filter_map(|(key, waits)| waits.then_some(key)).collect()
    }
}

/// The listener for operators: health, metrics, the loaded configuration and the page.
#[derive(Clone, Debug)]
pub struct AdminListener {
    /// IP address and port.
    pub address: SocketAddr,
    /// The bearer token of those who read what shows the policy; `None`: they ask over a loopback address.
    pub token: Option<Secret>,
}

impl AdminListener {
    /// Whether anybody can read what shows the policy.
    pub fn shows_policy(&self) -> bool {
        let ip = self.address.ip();
        self.token.is_some() || ip.is_loopback() || ip.is_unspecified()
    }

    fn is_like(&self, other: &Self) -> bool {
        let is_same_token = match (&self.token, &other.token) {
            (Some(token), Some(other)) => token.ct_eq(other),
            (token, other) => token.is_none() && other.is_none(),
        };
        self.address == other.address && is_same_token
    }
}

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
    /// Whether the certificate is shown only when Cambio asks on its own behalf.
    pub certificate_for_own_calls_only: bool,
    /// Time limit for connecting, TLS included.
    pub connect_timeout: Duration,
    /// Time limit from sending a request until the head of the answer has arrived.
    pub response_timeout: Duration,
    /// Longest pause within a body.
    pub idle_timeout: Duration,
    /// Most connections in use at one time.
    pub max_connections: usize,
}

impl Upstream {
    /// How Cambio fetches keys from the identity provider: never through a proxy.
    pub fn access(&self) -> ServerAccess {
        ServerAccess {
            ca: self.ca.clone(),
            client_certificate: self.client_certificate.clone(),
            ..ServerAccess::default()
        }
    }
}

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
    /// Further headers about callers that only these proxies may send.
    pub identity_headers: Vec<HeaderName>,
    /// Whether connections of these proxies begin with a header of the PROXY protocol.
    pub proxy_protocol: bool,
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
    /// Longest subject or actor token that Cambio judges, in bytes.
    pub max_token_bytes: usize,
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

/// The files that a configuration was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// File → SHA-256 of its bytes in hexadecimal; `None` if it could not be read. Keys, certificates and CA bundles are
    /// among the files.
    pub files: BTreeMap<PathBuf, Option<String>>,
    /// Those of the files that hold no secret: `cambio.yaml`, audience files and the lists of key folders.
    pub documents: BTreeSet<PathBuf>,
    /// The folder of the audience files, if it is known.
    pub audiences: Option<PathBuf>,
}

/// Where audit lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditOutput {
    /// Standard output.
    Stdout,
    /// Appended to this file.
    File {
        /// The file, or a named pipe.
        path: PathBuf,
        /// Whether a line counts as written only when it is on the disk.
        fsync: bool,
    },
}

/// How log lines look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// One JSON object per line instead of text.
    pub json: bool,
    /// A `tracing` filter, for instance `info` or `cambio=debug`.
    pub level: String,
}
