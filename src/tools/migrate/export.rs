//! A realm export as Keycloak 26 writes it. Fields that hold secrets are not read.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::error::MigrateError;

/// One realm.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExportedRealm {
    #[serde(rename = "realm")]
    pub(super) name: String,
    #[serde(default = "yes")]
    pub(super) enabled: bool,
    /// Whether the realm uses fine-grained admin permissions V2, which replace V1 and have none for token exchange.
    #[serde(default)]
    pub(super) admin_permissions_enabled: bool,
    #[serde(default)]
    pub(super) clients: Vec<ExportedClient>,
    #[serde(default)]
    pub(super) client_scopes: Vec<ClientScope>,
    #[serde(default)]
    pub(super) identity_providers: Vec<IdentityProvider>,
    #[serde(default)]
    pub(super) roles: ExportedRoles,
    /// A partial export has service accounts only.
    #[serde(default)]
    users: Vec<ExportedUser>,
}

/// A user. Only service accounts of clients matter.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExportedUser {
    service_account_client_id: Option<String>,
    #[serde(default)]
    realm_roles: Vec<String>,
    #[serde(default)]
    client_roles: BTreeMap<String, Vec<String>>,
}

/// One client.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExportedClient {
    #[serde(default)]
    pub(super) id: String,
    #[serde(rename = "clientId")]
    pub(super) name: String,
    #[serde(default = "yes")]
    pub(super) enabled: bool,
    #[serde(default)]
    pub(super) bearer_only: bool,
    #[serde(default, rename = "publicClient")]
    pub(super) public: bool,
    pub(super) protocol: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, Value>,
    #[serde(default)]
    pub(super) default_client_scopes: Vec<String>,
    #[serde(default)]
    pub(super) optional_client_scopes: Vec<String>,
    pub(super) authorization_settings: Option<Authorization>,
}

/// A scope of the realm.
#[derive(Deserialize)]
pub(super) struct ClientScope {
    name: String,
    #[serde(default)]
    attributes: BTreeMap<String, Value>,
}

/// An identity provider that the realm brokers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IdentityProvider {
    pub(super) alias: String,
    #[serde(default)]
    pub(super) internal_id: String,
}

/// The realm's client roles, by client id.
#[derive(Default, Deserialize)]
pub(super) struct ExportedRoles {
    #[serde(default)]
    pub(super) client: BTreeMap<String, Vec<Value>>,
}

/// The authorization settings of `realm-management`: the fine-grained admin permissions V1.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Authorization {
    pub(super) policy_enforcement_mode: Option<String>,
    #[serde(default)]
    pub(super) resources: Vec<Resource>,
    #[serde(default)]
    pub(super) policies: Vec<ExportedPolicy>,
}

/// What permissions are about.
#[derive(Deserialize)]
pub(super) struct Resource {
    pub(super) name: String,
}

/// A policy, or a permission that applies policies.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExportedPolicy {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) logic: Option<String>,
    pub(super) decision_strategy: Option<String>,
    #[serde(default)]
    pub(super) config: BTreeMap<String, Value>,
}

impl ExportedPolicy {
    /// A list of names, which Keycloak writes as JSON in a string; none if the value is anything else.
    pub(super) fn list(&self, key: &str) -> Option<Vec<String>> {
        match self.config.get(key) {
            Some(Value::String(text)) => serde_json::from_str(text).ok(),
            _ => None,
        }
    }
}

impl ExportedClient {
    /// Whether the client uses OpenID Connect, the default.
    pub(super) fn is_openid(&self) -> bool {
        self.protocol.as_deref().is_none_or(|protocol| protocol == "openid-connect")
    }

    /// Whether *Standard token exchange* is switched on.
    pub(super) fn exchanges(&self) -> bool {
        self.attribute("standard.token.exchange.enabled") == Some("true")
    }

    /// Whether the client may request refresh tokens in a standard exchange.
    pub(super) fn refreshes(&self) -> bool {
        self.attribute("standard.token.exchange.enableRefreshRequestedTokenType").is_some_and(|value| value != "NO")
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).and_then(Value::as_str)
    }
}

impl ExportedRealm {
    /// The clients whose service accounts have a role directly: `ROLE` or `CLIENT/ROLE`.
    pub(super) fn with_role(&self, role: &str) -> impl Iterator<Item = &str> {
        let has = move |user: &ExportedUser| {
            let of_client = role.split_once('/').is_some_and(|(client, role)| {
                user.client_roles.get(client).is_some_and(|roles| roles.iter().any(|one| one == role))
            });
            of_client || user.realm_roles.iter().any(|one| one == role)
        };
        self.users.iter().filter(move |user| has(user)).filter_map(|user| user.service_account_client_id.as_deref())
    }

    /// The client that holds the permissions.
    pub(super) fn management(&self) -> Option<&Authorization> {
        let name = if self.name == "master" { "master-realm" } else { "realm-management" };
        self.clients.iter().find(|client| client.name == name)?.authorization_settings.as_ref()
    }

    /// Whether tokens name a scope. `offline_access` is left out: an owner who wants it writes it.
    pub(super) fn names_in_tokens(&self, scope: &str) -> bool {
        scope != "offline_access"
            && self.client_scopes.iter().any(|one| {
                let is = |key: &str| one.attributes.get(key).and_then(Value::as_str) == Some("true");
                one.name == scope && is("include.in.token.scope") && !is("is.dynamic.scope")
            })
    }
}

/// Reads one realm. An error tells only its place: the text could be a secret.
pub(super) fn read(bytes: &[u8]) -> Result<ExportedRealm, MigrateError> {
    let shape = |error: serde_json::Error| MigrateError::Shape { line: error.line(), column: error.column() };
    let realm: ExportedRealm = serde_json::from_slice(bytes).map_err(shape)?;
    if realm.clients.is_empty() {
        return Err(MigrateError::NoClients);
    }
    Ok(realm)
}

fn yes() -> bool {
    true
}
