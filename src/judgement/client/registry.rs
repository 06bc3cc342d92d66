//! The clients of a realm and their proofs: the checked form of `realms.*.clients` and `realms.*.clientAuthentication`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;

use crate::judgement::client::certificate::CertificateName;
use crate::judgement::client::secret::SecretHash;
use crate::judgement::jose::checks::TokenChecks;
use crate::judgement::jose::keys::KeySet;
use crate::words::secret::Secret;

/// The clients of a realm.
#[derive(Clone, Debug, Default)]
pub struct Clients {
    /// Client id → the methods. One of them suffices; no list is empty.
    pub registered: BTreeMap<String, Vec<Method>>,
    /// Who judges the others.
    pub unregistered: Unregistered,
    /// Workloads whose tokens are client assertions.
    pub workloads: Arc<Workloads>,
    /// The accepted `aud` values of a client's own assertion: the realm's issuer first, then its token endpoint.
    pub audiences: Vec<String>,
    /// Whether a secret that a public client sends is ignored.
    pub public_secrets_ignored: bool,
}

/// Workloads that are exactly one client: the `iss` and `sub` of their tokens, and the client. A workload that is
/// several clients must send `client_id`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workloads(BTreeMap<(String, String), String>);

/// Who judges clients that are not registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unregistered {
    /// The identity provider, through its introspection endpoint.
    Upstream {
        /// How long a successful answer is remembered. Zero remembers nothing.
        cache_for: Duration,
    },
    /// Nobody: they are refused.
    #[default]
    Refused,
}

/// How a client proves its identity.
#[derive(Clone, Debug)]
pub enum Method {
    /// A secret, with HTTP Basic or in the form.
    Secret(SecretHash),
    /// A JWT that the client signed with its private key (RFC 7523 section 2.2).
    PrivateKeyJwt {
        /// The client's public keys.
        keys: ClientKeys,
        /// The only accepted algorithms.
        algorithms: Vec<Algorithm>,
    },
    /// A JWT that the client authenticated with a secret (RFC 7523 section 2.2).
    SecretJwt {
        /// The secret, of 32 bytes at least.
        secret: Secret,
        /// HMAC algorithms.
        algorithms: Vec<Algorithm>,
    },
    /// A certificate of the configured authority, with this name (RFC 8705 section 2.1).
    Tls(CertificateName),
    /// A certificate with one of these SHA-256 thumbprints (RFC 8705 section 2.2).
    SelfSignedTls(Vec<[u8; 32]>),
    /// A JWT of a trusted issuer about the workload.
    Workload(Workload),
    /// A public client.
    Public,
}

/// Where a client's keys come from.
#[derive(Clone, Debug)]
pub enum ClientKeys {
    /// A JWK set at this URL.
    Url(String),
    /// A JWK set that was read with the configuration.
    Set(Arc<KeySet>),
}

/// A workload as its platform's issuer names it.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Which platform.
    pub platform: Platform,
    /// The issuer's name under `issuers`.
    pub issuer: String,
    /// Its `iss`.
    pub url: String,
    /// The exact `sub`.
    pub subject: String,
    /// Algorithms, leeway and claim rules of the issuer.
    pub tokens: Box<TokenChecks>,
}

/// A platform that gives its workloads JWTs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// Service account tokens.
    Kubernetes,
    /// JWT-SVIDs.
    Spiffe,
}

impl Method {
    /// Every name.
    pub const NAMES: [&'static str; 8] = [
        "client_secret",
        "private_key_jwt",
        "client_secret_jwt",
        "tls_client_auth",
        "self_signed_tls_client_auth",
        "kubernetes",
        "spiffe",
        "none",
    ];

    /// The name in the configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Secret(_) => "client_secret",
            Self::PrivateKeyJwt { .. } => "private_key_jwt",
            Self::SecretJwt { .. } => "client_secret_jwt",
            Self::Tls(_) => "tls_client_auth",
            Self::SelfSignedTls(_) => "self_signed_tls_client_auth",
            Self::Workload(Workload { platform: Platform::Kubernetes, .. }) => "kubernetes",
            Self::Workload(Workload { platform: Platform::Spiffe, .. }) => "spiffe",
            Self::Public => "none",
        }
    }
}

impl Clients {
    /// The methods of a registered client.
    pub fn methods(&self, client: &str) -> Option<&[Method]> {
        self.registered.get(client).map(Vec::as_slice)
    }

    /// Whether a secret is ignored that comes with this client's id: nothing but the id proves the client. A client with
    /// another method beside `none` must not be taken for a public one because its secret is wrong.
    pub(super) fn ignores_secret_of(&self, client: &str) -> bool {
        self.public_secrets_ignored && matches!(self.methods(client), Some([Method::Public]))
    }
}

impl Workloads {
    /// The workloads of registered clients.
    pub fn of(registered: &BTreeMap<String, Vec<Method>>) -> Self {
        let mut clients: BTreeMap<(String, String), Vec<&String>> = BTreeMap::new();
        for (client, method) in registered.iter().flat_map(|(id, methods)| methods.iter().map(move |one| (id, one))) {
            if let Method::Workload(workload) = method {
                let known = clients.entry((workload.url.clone(), workload.subject.clone())).or_default();
                if !known.contains(&client) {
                    known.push(client);
                }
            }
        }
        let one = clients.into_iter().filter_map(|(workload, clients)| match clients[..] {
            [client] => Some((workload, client.clone())),
            _ => None,
        });
        Self(one.collect())
    }

    /// The only client that this workload is.
    pub fn client(&self, iss: &str, sub: &str) -> Option<&str> {
        // Rare, so two copies do not matter.
        self.0.get(&(iss.to_owned(), sub.to_owned())).map(String::as_str)
    }
}
