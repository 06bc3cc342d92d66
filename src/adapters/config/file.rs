//! `cambio.yaml` as written: names, nesting and defaults, nothing checked yet.
//!
//! The JSON Schema, `docs/configuration.md` and the check for unknown keys and wrong types are all made from these
//! types, so the text on each field is what operators read.

pub mod audience;
pub mod client;
pub mod dpop;
pub mod introspection;
pub mod issuer;
pub mod keys;
pub mod store;
pub mod value;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::issuer::{Realm, TrustedIssuer};
use self::store::Store;
use self::value::{Period, Size, period, size};

/// The platform team's file, `cambio.yaml`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// The identity provider behind Cambio.
    pub upstream: Upstream,
    /// The listener that callers use, and its limits.
    pub listen: Listen,
    /// The listener for operators: health, metrics and what is loaded. It has no authentication.
    #[serde(default)]
    pub admin: Admin,
    /// The realms that are governed, by name. The name appears in metrics and audit lines.
    pub realms: BTreeMap<String, Realm>,
    /// Foreign issuers, by name, with the field names of Kubernetes' structured `AuthenticationConfiguration`.
    /// No name may be both a realm and an issuer.
    #[serde(default)]
    pub issuers: BTreeMap<String, TrustedIssuer>,
    /// Folder of the audience files, relative to this file. Every `*.yaml` and `*.yml` in it is one audience; names
    /// that begin with a dot are skipped.
    #[serde(default = "audiences")]
    pub audiences: String,
    /// Where used and revoked tokens are remembered. Without it, in the memory of this process: several replicas need
    /// one that they share.
    #[serde(default)]
    pub store: Store,
    /// Where audit lines go.
    #[serde(default)]
    pub audit: Audit,
    /// How logs look.
    #[serde(default)]
    pub log: Log,
    /// Threads.
    #[serde(default)]
    pub runtime: Runtime,
}

fn audiences() -> String {
    "./audiences".to_owned()
}

/// The identity provider behind Cambio.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Upstream {
    /// `http://` or `https://` with host and port: no path, no credentials, no query.
    pub url: String,
    /// PEM file with the CA certificates that are trusted for `https`, instead of the system's.
    pub ca: Option<String>,
    /// Certificate and key that Cambio shows to the upstream (mutual TLS).
    pub client_certificate: Option<KeyPair>,
    /// Limit for TCP and TLS set-up.
    #[serde(default = "period::<5>")]
    pub connect_timeout: Period,
    /// Limit from the request until the head of the answer.
    #[serde(default = "period::<60>")]
    pub response_timeout: Period,
    /// Longest silence within the body of an answer.
    #[serde(default = "period::<300>")]
    pub idle_timeout: Period,
}

/// Files of a certificate chain and its private key.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyPair {
    /// PEM file with the certificate chain, the leaf first.
    pub certificate: String,
    /// PEM file with the private key.
    pub key: String,
}

/// The listener that callers use, and its limits.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listen {
    /// IP address and port, for instance `0.0.0.0:8080`.
    pub address: String,
    /// Certificate and key, if TLS ends here (ALPN `h2` and `http/1.1`). The files are read again when they change.
    pub tls: Option<ListenTls>,
    /// Networks (CIDR) of the proxies whose `Forwarded` and `X-Forwarded-*` headers are believed.
    #[serde(default)]
    pub trusted_proxies: Vec<String>,
    /// The header in which a proxy of `trustedProxies` says which certificate its caller showed. It is removed from
    /// everyone else's requests.
    pub client_certificate_header: Option<ClientCertificateHeader>,
    /// Limit for the head of a request.
    #[serde(default = "period::<10>")]
    pub header_timeout: Period,
    /// Limit for the whole body of a request that is judged.
    #[serde(default = "period::<30>")]
    pub body_timeout: Period,
    /// Longest time that a kept-alive connection may be without a request.
    #[serde(default = "period::<75>")]
    pub idle_timeout: Period,
    /// Largest head of a request, 8KiB to 1MiB.
    #[serde(default = "size::<65_536>")]
    pub max_header_bytes: Size,
    /// Largest form body that is read for judging, 1KiB to 64MiB; a larger one gets 413.
    #[serde(default = "size::<1_048_576>")]
    pub max_form_bytes: Size,
    /// Connections at one time, 1 to 1000000; more wait in the kernel's queue.
    #[serde(default = "max_connections")]
    pub max_connections: u64,
    /// How long a stop waits for requests in flight.
    #[serde(default = "period::<30>")]
    pub drain_timeout: Period,
}

fn max_connections() -> u64 {
    10_000
}

/// TLS of the listener.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListenTls {
    /// PEM file with the certificate chain, the leaf first.
    pub certificate: String,
    /// PEM file with the private key.
    pub key: String,
    /// Asks callers for certificates, for `tls_client_auth`, `self_signed_tls_client_auth` and certificate-bound tokens.
    /// A caller without one is served, too.
    pub client_certificates: Option<ClientCertificates>,
}

/// Callers' certificates: one of the two keys.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientCertificates {
    /// PEM file with the CA certificates that vouch for names in callers' certificates.
    pub ca: Option<String>,
    /// No CA: certificates of any issuer are known by their thumbprints only.
    #[serde(default)]
    pub any_issuer: bool,
}

/// The header of a proxy that ends TLS.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientCertificateHeader {
    /// `Client-Cert` (RFC 9440; the chain is read from `Client-Cert-Chain`), or another header with a certificate in PEM,
    /// percent-encoded, as nginx's `$ssl_client_escaped_cert` has it.
    pub name: String,
    /// PEM file with the CA certificates that vouch for names in callers' certificates. Without it they are known by
    /// their thumbprints only.
    pub ca: Option<String>,
}

/// The listener for operators.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Admin {
    /// IP address and port; not the port of `listen.address`.
    #[serde(default = "admin_address")]
    pub address: String,
}

impl Default for Admin {
    fn default() -> Self {
        Self { address: admin_address() }
    }
}

fn admin_address() -> String {
    "127.0.0.1:9090".to_owned()
}

/// Where audit lines go.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Audit {
    /// `stdout`, or a file (relative to this file) to which lines are appended.
    #[serde(default = "stdout")]
    pub output: String,
}

impl Default for Audit {
    fn default() -> Self {
        Self { output: stdout() }
    }
}

fn stdout() -> String {
    "stdout".to_owned()
}

/// How logs look.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Log {
    /// Text for people or JSON for machines.
    #[serde(default)]
    pub format: LogFormat,
    /// `off`, `error`, `warn`, `info`, `debug` or `trace`; or a filter such as `info,cambio=debug`.
    #[serde(default = "level")]
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::default(), level: level() }
    }
}

fn level() -> String {
    "info".to_owned()
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum LogFormat {
    /// One line of text per event.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Threads.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Runtime {
    /// Worker threads, 1 to 1024; without it, as many as there are processors for the process.
    pub threads: Option<u64>,
}
