//! A realm of the identity provider.

use std::collections::{BTreeMap, BTreeSet};

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use jsonwebtoken::Algorithm;

use super::issuer::{JwksLimits, OwnClient};
use crate::adapters::limits::{LockoutRules, RateLimits};
use crate::adapters::seal::Seal;
use crate::judgement::client::registry::Clients;
use crate::judgement::client::web_origins::WebOrigins;
use crate::judgement::dialect::endpoints::Endpoints;
use crate::judgement::dialect::{Dialect, RealmPath};
use crate::judgement::exchange::doors::Doors;
use crate::judgement::issue::ring::KeyRing;
use crate::judgement::jose::checks::TokenChecks;
use crate::judgement::policy::admin_roles::AdminRoles;
use crate::judgement::policy::observed_until::ObservedUntil;

/// The label value in metrics of every client that [`Realm::measured_clients`] does not list.
pub const OTHER_CLIENTS: &str = "other";

/// A realm of the identity provider.
#[derive(Clone, Debug)]
pub struct Realm {
    /// The name in the configuration: metric label and audit field.
    pub name: String,
    /// The `iss` claim of its tokens.
    pub issuer: String,
    /// Origins under which callers reach it, besides that of the issuer.
    pub public_origins: Vec<String>,
    /// Path of its endpoints at the upstream, without a trailing slash, for instance `/realms/corp`.
    pub path: String,
    /// Paths of its endpoints, if the upstream is not Keycloak.
    pub endpoints: Option<Endpoints>,
    /// The shape of requests and answers that callers know.
    pub dialect: Dialect,
    /// The path parameter `realm` of the dialect.
    pub realm_parameter: String,
    /// Names of realms and issuers whose tokens may be subject tokens here.
    pub subject_issuers: Vec<String>,
    /// Claims about users and logins that audience files may write.
    pub identity_claims: BTreeSet<String>,
    /// How its tokens are checked.
    pub tokens: TokenChecks,
    /// How Cambio keeps its keys.
    pub jwks: JwksLimits,
    /// The keys that sign Cambio's tokens.
    pub signing: Option<KeyRing>,
    /// Cambio's own client for the introspection endpoint, where Cambio asks whether tokens are still active.
    pub introspection: Option<OwnClient>,
    /// Which other grants are open.
    pub doors: Doors,
    /// Requirements for `DPoP` proofs.
    pub dpop: Dpop,
    /// Where Cambio looks up the roles of users for minted tokens.
    pub directory: Option<Directory>,
    /// The roles of users whom nobody may impersonate.
    pub admin_roles: AdminRoles,
    /// The clients that Cambio authenticates itself.
    pub clients: Clients,
    /// How often callers may come.
    pub rate_limits: RateLimits,
    /// When clients are locked out at a peer; `None` if they never are.
    pub client_lockout: Option<LockoutRules>,
    /// The clients whose pages the configuration lists, and the origins of these pages.
    pub web_origins: BTreeMap<String, WebOrigins>,
    /// Refresh tokens that Cambio issues.
    pub refresh_tokens: Option<RefreshTokens>,
    /// Whether Cambio sends parameters that it does not know to the upstream.
    pub forward_unknown_parameters: bool,
    /// Whether the answer to an exchange may name the subject token's user by another `sub`, or by none.
    pub pairwise_subjects: bool,
    /// How long its exchanges are observed; `None` if they are enforced.
    pub observed_until: Option<ObservedUntil>,
    /// The clients that have a label value of their own in metrics.
    pub measured_clients: BTreeSet<String>,
}

impl Realm {
    /// The place where callers find it.
    pub fn place(&self) -> RealmPath<'_> {
        RealmPath {
            path: &self.path,
            endpoints: self.endpoints.as_ref(),
            rules: self.dialect.rules(),
            realm: &self.realm_parameter,
        }
    }

    /// Whether the upstream is another identity provider than Keycloak.
    pub fn is_elsewhere(&self) -> bool {
        self.endpoints.is_some()
    }
}

/// Refresh tokens that Cambio issues.
#[derive(Clone, Debug)]
pub struct RefreshTokens {
    /// The keys that encrypt and decrypt them.
    pub seal: Arc<Seal>,
    /// How long after its first use a refresh token can be used again. Zero: never.
    pub reuse: SignedDuration,
    /// Whether refresh tokens of minted tokens keep the session of the login alive.
    pub keep_sessions: bool,
}

/// Cambio's own client at a realm, which may see users and their roles.
#[derive(Clone, Debug)]
pub struct Directory {
    /// The client.
    pub client: OwnClient,
    /// How long Cambio uses an answer about roles again.
    pub cache_for: Duration,
    /// How long Cambio uses an answer about a session, a user or a client again.
    pub session_cache_for: Duration,
}

/// A realm's requirements for `DPoP` proofs (RFC 9449).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dpop {
    /// The algorithms that Cambio accepts, and no others.
    pub algorithms: Vec<Algorithm>,
    /// Greatest age of a proof.
    pub window: SignedDuration,
    /// Where the key for nonces comes from; `None` if Cambio demands no nonce.
    pub nonce: Option<NonceSource>,
}

/// Where the key comes from with which Cambio recognises its nonces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NonceSource {
    /// Made when the process starts: replicas do not know each other's nonces.
    Random,
    /// A file that replicas share.
    File(PathBuf),
}
