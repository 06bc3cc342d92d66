//! Issuers of subject tokens: their keys, their introspection endpoints (RFC 7662) and Cambio's own clients there.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use serde_json::Value;

use crate::adapters::config::file::issuer::SecretMethod;
use crate::adapters::config::presets::MutableClaims;
use crate::adapters::config::settings::proxy::Proxies;
use crate::adapters::tls::KeyPair;
use crate::judgement::expression::Expression;
use crate::judgement::jose::checks::TokenChecks;
use crate::words::oauth::form;
use crate::words::secret::Secret;

/// A foreign issuer whose tokens may be subject tokens.
#[derive(Clone, Debug)]
pub struct TrustedIssuer {
    /// The name in the configuration.
    pub name: String,
    /// The name of its preset.
    pub preset: Option<&'static str>,
    /// Which of its claims can change hands.
    pub mutable: MutableClaims,
    /// Its entry in `cambio.yaml`, completed by the preset, without values from the environment: for operators to see.
    pub in_force: Value,
    /// The keys of the entry that the preset filled in.
    pub from_preset: BTreeSet<String>,
    /// The `iss` claim of its tokens.
    pub url: String,
    /// Values for the `aud` claim: a token must have one of them. Never empty.
    pub audiences: Vec<String>,
    /// Where its keys come from.
    pub keys: KeySource,
    /// How Cambio reaches its servers.
    pub access: ServerAccess,
    /// How its tokens are checked.
    pub tokens: TokenChecks,
    /// How Cambio keeps its keys.
    pub jwks: JwksLimits,
    /// Its introspection endpoint for opaque tokens.
    pub introspection: Option<Introspection>,
    /// CEL expression that gives the local name of a subject.
    pub username: Option<Expression>,
}

/// How Cambio reaches the servers of an issuer. The default: over the system's certificate authorities and no proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerAccess {
    /// CA certificates (PEM), instead of the system's.
    pub ca: Option<PathBuf>,
    /// Cambio's certificate and key, shown to a server that asks.
    pub client_certificate: Option<KeyPair>,
    /// The proxies on the way.
    pub proxies: Proxies,
    /// File with a bearer token for fetching keys.
    pub bearer_token_file: Option<PathBuf>,
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// An OpenID discovery document at this URL.
    Discovery(String),
    /// A JWK set at this URL.
    Url(String),
    /// A JWK set in this file.
    File(PathBuf),
    /// No public keys: a secret that the issuer shares with Cambio.
    Shared(Arc<Secret>),
}

/// How Cambio keeps keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JwksLimits {
    /// Age at which Cambio fetches keys again in the background.
    pub refresh_interval: Duration,
    /// Age until which Cambio uses keys that it can't fetch again.
    pub max_stale: Duration,
    /// Shortest time between two fetches because of tokens.
    pub unknown_kid_cooldown: Duration,
}

/// An issuer's introspection endpoint.
#[derive(Clone, Debug)]
pub struct Introspection {
    /// Its URL.
    pub url: Uri,
    /// Cambio's own client there.
    pub client: OwnClient,
    /// How the client authenticates.
    pub method: SecretMethod,
    /// Longest time that Cambio uses an answer again; zero means that it asks every time.
    pub cache_for: Duration,
}

impl TrustedIssuer {
    /// The claim rules that the operator wrote.
    pub fn own_rules(&self) -> impl Iterator<Item = &Expression> {
        let own = !self.from_preset.contains("claimValidationRules");
        self.tokens.rules.iter().filter(move |_| own).map(|rule| &rule.expression)
    }
}

/// A client that is Cambio itself.
#[derive(Clone, Debug)]
pub struct OwnClient {
    /// `client_id`
    pub id: String,
    /// `client_secret`
    pub secret: Secret,
}

impl OwnClient {
    /// The header for `client_secret_basic`: id and secret, each form-encoded (RFC 6749 section 2.3.1).
    pub fn basic(&self) -> HeaderValue {
        let pair = format!("{}:{}", form::encode(&self.id), form::encode(self.secret.expose()));
        // Base64 is always a header value.
        let mut header = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))
            .unwrap_or_else(|_| HeaderValue::from_static("Basic"));
        header.set_sensitive(true);
        header
    }
}
