//! The checked configuration: what `cambio.yaml` and the audience files mean once nothing in them is in doubt.

mod dpop;
pub mod file;
mod introspection;
pub mod load;
pub mod schema;
mod store;
pub mod summary;
pub mod watch;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use ipnet::IpNet;

pub use self::dpop::{Dpop, NonceSource};
pub use self::introspection::{Introspection, OwnClient, SecretMethod};
pub use self::store::{Redis, Store};
pub use self::summary::summary;
use crate::adapters::seal::Seal;
use crate::judgement::client::registry::Clients;
use crate::judgement::dialect::{Dialect, RealmPath};
use crate::judgement::exchange::doors::Doors;
use crate::judgement::expression::Expression;
use crate::judgement::issue::ring::KeyRing;
use crate::judgement::jose::checks::TokenChecks;
use crate::judgement::policy::admin_roles::AdminRoles;
use crate::judgement::policy::model::Policy;

/// Everything that Cambio runs by.
#[derive(Clone, Debug)]
pub struct Config {
    /// The identity provider behind us.
    pub upstream: Upstream,
    /// The listener that callers use.
    pub listen: Listen,
    /// Where health, metrics and the loaded configuration are served.
    pub admin: SocketAddr,
    /// The realms that are governed, by name.
    pub realms: BTreeMap<String, Realm>,
    /// Foreign issuers, by name. No name is both a realm and an issuer.
    pub issuers: BTreeMap<String, TrustedIssuer>,
    /// What the audiences' owners say.
    pub policy: Policy,
    /// Where used and revoked tokens are remembered.
    pub store: Store,
    /// Where audit lines go.
    pub audit: AuditOutput,
    /// How logs look.
    pub log: Log,
    /// Worker threads.
    pub threads: usize,
    /// SHA-256 over `cambio.yaml` as read, in hexadecimal.
    pub hash: String,
    /// Every file that was read: what a reload watches.
    pub sources: Sources,
    /// What deserves a look: wildcards, open doors, plain http.
    pub warnings: Vec<load::Problem>,
}

/// The files that a configuration was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// File → SHA-256 of its bytes in hexadecimal; nothing where it could not be read. Keys, certificates and CA
    /// bundles are among them.
    pub files: BTreeMap<PathBuf, Option<String>>,
    /// The folder of the audience files, as far as it is known.
    pub audiences: Option<PathBuf>,
}

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

/// One authority of the upstream.
#[derive(Clone, Debug)]
pub struct Realm {
    /// The name in the configuration: metric label and audit field.
    pub name: String,
    /// The `iss` of its tokens.
    pub issuer: String,
    /// Where its endpoints are at the upstream, without a trailing slash, for instance `/realms/corp`.
    pub path: String,
    /// The shape of requests and answers that its callers know.
    pub dialect: Dialect,
    /// The path parameter `realm` of the dialect.
    pub realm_parameter: String,
    /// Names of realms and issuers whose tokens may be subject tokens here.
    pub subject_issuers: Vec<String>,
    /// How its tokens are checked.
    pub tokens: TokenChecks,
    /// How its keys are kept.
    pub jwks: JwksLimits,
    /// The keys with which our tokens are signed.
    pub signing: Option<KeyRing>,
    /// Cambio's own client at the upstream, as which it asks whether a token is still active.
    pub introspection: Option<OwnClient>,
    /// Which other doors are open.
    pub doors: Doors,
    /// What it asks of `DPoP` proofs.
    pub dpop: Dpop,
    /// How the roles of its users are asked for, for minted tokens.
    pub directory: Option<Directory>,
    /// The roles of those whom nobody may become.
    pub admin_roles: AdminRoles,
    /// Who may call it, where Cambio authenticates clients itself.
    pub clients: Clients,
    /// Refresh tokens of our own.
    pub refresh_tokens: Option<RefreshTokens>,
    /// Whether parameters that we don't know go upstream with an exchange.
    pub forward_unknown_parameters: bool,
}

impl Realm {
    /// Where callers find it.
    pub fn place(&self) -> RealmPath<'_> {
        RealmPath { path: &self.path, rules: self.dialect.rules(), realm: &self.realm_parameter }
    }
}

/// Refresh tokens of our own.
#[derive(Clone, Debug)]
pub struct RefreshTokens {
    /// The keys that seal and open them.
    pub seal: Arc<Seal>,
}

/// Cambio's own client at a realm, which may see users and their roles.
#[derive(Clone, Debug)]
pub struct Directory {
    /// The client.
    pub client: OwnClient,
    /// How long an answer is used.
    pub cache_for: Duration,
}

/// A foreign issuer whose tokens may be subject tokens.
#[derive(Clone, Debug)]
pub struct TrustedIssuer {
    /// The name in the configuration.
    pub name: String,
    /// The `iss` of its tokens.
    pub url: String,
    /// Values of which one must be in `aud`. Never empty.
    pub audiences: Vec<String>,
    /// Where its keys come from.
    pub keys: KeySource,
    /// Own CA bundle for fetching them.
    pub ca: Option<PathBuf>,
    /// How its tokens are checked.
    pub tokens: TokenChecks,
    /// How its keys are kept.
    pub jwks: JwksLimits,
    /// Where it is asked about its opaque tokens.
    pub introspection: Option<Introspection>,
    /// CEL that gives the local name of its subjects.
    pub username: Option<Expression>,
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// An OpenID discovery document at this URL.
    Discovery(String),
    /// A JWK set at this URL.
    Url(String),
    /// A JWK set in this file.
    File(PathBuf),
}

/// How keys are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JwksLimits {
    /// Age at which keys are fetched again in the background.
    pub refresh_interval: Duration,
    /// Age until which keys are used when they can't be fetched.
    pub max_stale: Duration,
    /// Shortest time between two fetches for an unknown `kid`.
    pub unknown_kid_cooldown: Duration,
}

/// Where audit lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditOutput {
    /// Standard output.
    Stdout,
    /// Appended to this file.
    File(PathBuf),
}

/// How logs look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// One JSON object per line instead of text.
    pub json: bool,
    /// A `tracing` filter, for instance `info` or `cambio=debug`.
    pub level: String,
}
