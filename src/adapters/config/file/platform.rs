//! `upstream`, `listen`, `admin`, `audit`, `log`, `runtime` and `store` of `cambio.yaml` as written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::each;
use super::value::{Period, Size, millis, period, size};

/// The identity provider behind Cambio.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Upstream {
    /// `http://` or `https://` with host and port: no path, no credentials, no query.
    #[schemars(extend("format" = "origin"))]
    pub url: String,
    /// PEM file with the CA certificates that are trusted for `https`, instead of the system's.
    #[schemars(extend("format" = "file"))]
    pub ca: Option<String>,
    /// Certificate and key that Cambio shows to the upstream (mutual TLS).
    pub client_certificate: Option<KeyPair>,
    /// Whether Cambio shows `clientCertificate` only when it asks on its own behalf: for keys, roles, and whether a token is
    /// still active. Set it to `false` if the upstream requires a certificate on every connection. Callers' requests then
    /// arrive with Cambio's certificate, so no client of the upstream may be authenticated by this certificate.
    #[serde(default = "yes")]
    pub certificate_for_own_calls_only: bool,
    /// Time limit for connecting, TLS included, and for waiting until a connection is free.
    #[serde(default = "period::<5>")]
    #[schemars(extend("formatMinimum" = "1ms", "formatMaximum" = "1h"))]
    pub connect_timeout: Period,
    /// Time limit from sending a request until the head of the answer has arrived.
    #[serde(default = "period::<60>")]
    #[schemars(extend("formatMinimum" = "1ms", "formatMaximum" = "24h"))]
    pub response_timeout: Period,
    /// Longest pause within the body of an answer, and longest time that the upstream may leave unread what Cambio sends.
    #[serde(default = "period::<300>")]
    #[schemars(extend("formatMinimum" = "1ms", "formatMaximum" = "24h"))]
    pub idle_timeout: Period,
    /// Most connections in use at one time. Cambio keeps a quarter of them for its own requests. A caller may have at most as
    /// many of the rest as are free. Further requests wait for `connectTimeout`, in a queue that is fair to all callers, and
    /// are then answered with status 503.
    #[serde(default = "upstream_connections")]
    #[schemars(extend("minimum" = 1, "maximum" = 1_000_000))]
    pub max_connections: u64,
}

fn upstream_connections() -> u64 {
    1024
}

fn yes() -> bool {
    true
}

/// Files of a certificate chain and its private key.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyPair {
    /// PEM file with the certificate chain, the leaf first.
    #[schemars(extend("format" = "file"))]
    pub certificate: String,
    /// PEM file with the private key.
    #[schemars(extend("format" = "file"))]
    pub key: String,
}

/// The listener for callers, and its limits.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listen {
    /// IP address and port, for instance `0.0.0.0:8080`.
    #[schemars(extend("format" = "socket-address"))]
    pub address: String,
    /// Certificate and key, if Cambio terminates TLS (ALPN `h2` and `http/1.1`). Cambio reads the files again when they
    /// change.
    pub tls: Option<ListenTls>,
    /// Networks (CIDR) of the proxies whose `Forwarded`, `X-Forwarded-*` and other headers about callers Cambio believes.
    #[serde(default)]
    #[schemars(transform = each("network"))]
    pub trusted_proxies: Vec<String>,
    /// The header in which a proxy of `trustedProxies` passes on its caller's certificate. Cambio removes the header from
    /// the requests of everybody else.
    pub client_certificate_header: Option<ClientCertificateHeader>,
    /// Further headers in which a proxy of `trustedProxies` describes its caller, for instance those that Keycloak's X.509
    /// look-up is configured to read. Cambio removes them from the requests of everybody else, in trailers, and in other
    /// spellings with `_`. [Many names](client-authentication.md#headers-about-the-caller) are known already.
    #[serde(default)]
    #[schemars(transform = each("identity-header"))]
    pub identity_headers: Vec<String>,
    /// Whether the proxies of `trustedProxies` begin each connection with a header of the PROXY protocol, version 1 or 2,
    /// which states the caller's address. A connection of such a proxy without that header is closed. The connections of
    /// everybody else have no such header.
    #[serde(default)]
    pub proxy_protocol: bool,
    /// Time limit for the head of a request, and for a header of the PROXY protocol.
    #[serde(default = "period::<10>")]
    #[schemars(extend("formatMinimum" = "1ms", "formatMaximum" = "1h"))]
    pub header_timeout: Period,
    /// Time limit for the whole body of a request that Cambio judges.
    #[serde(default = "period::<30>")]
    #[schemars(extend("formatMinimum" = "1ms", "formatMaximum" = "1h"))]
    pub body_timeout: Period,
    /// Longest time that a connection may be open without a request. Also the time for which Cambio waits in all for a
    /// caller who does not take an answer, or does not send the body of a request that passes; each 4 KiB that the caller
    /// takes or sends give back a second. Then Cambio ends the request.
    #[serde(default = "period::<75>")]
    #[schemars(extend("formatMinimum" = "1ms", "formatMaximum" = "24h"))]
    pub idle_timeout: Period,
    /// Largest head of a request. A larger one is answered with status 431, as is a head with more than 1000 lines.
    // hyper's own smallest buffer is 8 KiB.
    #[serde(default = "size::<65_536>")]
    #[schemars(extend("minimum" = 8192, "maximum" = 1_048_576))]
    pub max_header_bytes: Size,
    /// Largest form that Cambio reads to judge it. A larger one is answered with status 413.
    #[serde(default = "size::<1_048_576>")]
    #[schemars(extend("minimum" = 1024, "maximum" = 67_108_864))]
    pub max_form_bytes: Size,
    /// Longest subject or actor token that Cambio judges. `maxFormBytes` limits the whole form.
    #[serde(default = "size::<65_536>")]
    #[schemars(extend("minimum" = 1024, "maximum" = 1_048_576))]
    pub max_token_bytes: Size,
    /// Most connections at one time; further ones wait in the kernel's queue.
    #[serde(default = "max_connections")]
    #[schemars(extend("minimum" = 1, "maximum" = 1_000_000))]
    pub max_connections: u64,
    /// How long Cambio waits for running requests when it is stopped.
    #[serde(default = "period::<30>")]
    #[schemars(extend("formatMinimum" = "1ms", "formatMaximum" = "1h"))]
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
    #[schemars(extend("format" = "file"))]
    pub certificate: String,
    /// PEM file with the private key.
    #[schemars(extend("format" = "file"))]
    pub key: String,
    /// Asks callers for certificates: for `tls_client_auth`, `self_signed_tls_client_auth` and certificate-bound tokens.
    /// Callers without a certificate are served, too.
    pub client_certificates: Option<ClientCertificates>,
}

/// Callers' certificates: exactly one of the two keys.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientCertificates {
    /// PEM file with the CA certificates that vouch for the names in callers' certificates.
    #[schemars(extend("format" = "file"))]
    pub ca: Option<String>,
    /// `true`: certificates of any issuer are accepted, and identified by their thumbprints only.
    #[serde(default)]
    pub any_issuer: bool,
}

/// The header of a proxy that terminates TLS.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientCertificateHeader {
    /// The header, for instance `Client-Cert` (RFC 9440; Cambio reads the chain from `Client-Cert-Chain`) or
    /// `X-SSL-Client-Cert`. The value shows which [form](client-authentication.md#certificates-from-a-proxy) it has.
    #[schemars(extend("format" = "certificate-header"))]
    pub name: String,
    /// PEM file with the CA certificates that vouch for the names in callers' certificates. Without it, certificates are
    /// identified by their thumbprints only.
    #[schemars(extend("format" = "file"))]
    pub ca: Option<String>,
}

/// The listener for operators.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Admin {
    /// IP address and port. The port must differ from the one in `listen.address`.
    #[schemars(extend("format" = "socket-address"))]
    pub address: String,
    /// A file with a token of 32 bytes or more, in one line. Whoever reads the page, `/config` or `/explain` must then send
    /// the token as a bearer token. Without a token, they answer only on a loopback address, and only by its name.
    #[schemars(extend("format" = "file"))]
    pub token_file: Option<String>,
}

impl Default for Admin {
    fn default() -> Self {
        Self { address: "127.0.0.1:9090".to_owned(), token_file: None }
    }
}

/// Where audit lines go.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Audit {
    /// `stdout`, or a file to which Cambio appends audit lines.
    #[schemars(length(min = 1), extend("x-empty" = "write stdout or the path of a file"))]
    pub output: String,
    /// Waits until each line is on the disk before a token leaves. Lines that wait together share one wait.
    pub fsync: bool,
}

impl Default for Audit {
    fn default() -> Self {
        Self { output: "stdout".to_owned(), fsync: false }
    }
}

/// How log lines look.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Log {
    /// Text for people, or JSON for machines.
    pub format: LogFormat,
    /// `off`, `error`, `warn`, `info`, `debug` or `trace`; or a filter such as `info,cambio=debug`.
    #[schemars(extend("format" = "log-filter"))]
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::default(), level: "info".to_owned() }
    }
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

/// Threads and memory of the process.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Runtime {
    /// Worker threads. Without it, one for each processor that the process may use.
    #[schemars(extend("minimum" = 1, "maximum" = 1024))]
    pub threads: Option<u64>,
    /// Memory that Cambio may use. Without it, the limit of the process's cgroup, at most 256 MiB. Callers can make Cambio hold
    /// [a third of this memory](reliability.md#memory); further requests are answered with status 503.
    #[schemars(extend("minimum" = 33_554_432, "maximum" = 1_099_511_627_776_u64))]
    pub memory: Option<Size>,
}

/// Where used and revoked tokens are remembered.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Store {
    /// A Redis (7.0 or later) or Valkey that replicas share.
    pub redis: Option<Redis>,
}

/// A Redis or Valkey: one primary behind one name, a primary that Sentinel names, or a cluster.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Redis {
    /// `redis://HOST:PORT/DATABASE`; with Sentinel `redis+sentinel://HOST:PORT,HOST:PORT/MASTER/DATABASE`, where `MASTER`
    /// is the name under which the Sentinels watch the primary; for a cluster `redis+cluster://HOST:PORT,HOST:PORT`. With
    /// `rediss` in the place of `redis`, all connections have TLS. Port 6379 (26379 of a Sentinel) and database 0 may be
    /// left out; credentials stand elsewhere.
    pub url: String,
    /// Name of the ACL user; without it, `default`.
    pub username: Option<String>,
    /// File with the password. It is read for each connection, so a new one needs no restart.
    pub password_file: Option<String>,
    /// File with the password of the Sentinels, if they have one of their own. It is read for each connection.
    pub sentinel_password_file: Option<String>,
    /// PEM file with the CA certificates that are trusted for `rediss`, instead of the system's.
    pub ca: Option<String>,
    /// What every key begins with: at most 64 letters, digits, `.`, `_`, `-` and `:`.
    #[serde(default = "prefix")]
    pub prefix: String,
    /// Time limit for one operation, connecting included.
    #[serde(default = "millis::<500>")]
    #[schemars(extend("formatMinimum" = "1ms", "formatMaximum" = "10s"))]
    pub timeout: Period,
}

fn prefix() -> String {
    "cambio:".to_owned()
}
