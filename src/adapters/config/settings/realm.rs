//! A realm of the identity provider.

use std::sync::Arc;
use std::time::Duration;

use super::dpop::Dpop;
use super::introspection::OwnClient;
use super::issuer::JwksLimits;
use crate::adapters::seal::Seal;
use crate::judgement::client::registry::Clients;
use crate::judgement::dialect::{Dialect, Place};
use crate::judgement::exchange::doors::Doors;
use crate::judgement::issue::ring::KeyRing;
use crate::judgement::jose::checks::TokenChecks;
use crate::judgement::policy::admin_roles::AdminRoles;

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
    pub fn place(&self) -> Place<'_> {
        Place { path: &self.path, dialect: self.dialect, realm: &self.realm_parameter }
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
