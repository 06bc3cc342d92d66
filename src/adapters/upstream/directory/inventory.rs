//! What a realm has: client scopes, roles and identity providers, for `check --online`. Every request only reads.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::adapters::upstream::client::UpstreamClient;
use crate::adapters::upstream::directory::settings::ProtocolMapper;
use crate::adapters::upstream::directory::{DirectoryClient, DirectoryError, escaped, segment};

/// Names of one kind that are looked at for a similar one.
const MOST_NAMES: usize = 500;
/// Clients or identity providers in one answer. Each has some KiB.
const AT_ONCE: usize = 50;

/// A list that the directory gives in pages.
struct PagedList {
    /// The path below that of the realm.
    path: &'static str,
    /// What is asked for.
    what: &'static str,
    /// Entries that are looked at.
    most: usize,
}

const CLIENTS: PagedList = PagedList { path: "clients", what: "a question for the clients", most: MOST_NAMES };
const PROVIDERS: PagedList =
    PagedList { path: "identity-provider/instances", what: "a question for the identity providers", most: 5000 };

/// A client scope.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownScope {
    /// Its name.
    pub name: String,
    #[serde(default)]
    attributes: BTreeMap<String, Value>,
    /// Its mappers.
    #[serde(default)]
    pub protocol_mappers: Vec<ProtocolMapper>,
}

impl ShownScope {
    /// Whether the scope stands in the `scope` of tokens.
    pub fn is_in_token(&self) -> bool {
        self.attributes.get("include.in.token.scope").and_then(Value::as_str) != Some("false")
    }
}

/// An identity provider whose tokens a realm takes.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BrokeredProvider {
    /// Its alias.
    pub alias: String,
    /// Whether the realm uses it.
    #[serde(default)]
    pub enabled: bool,
    #[serde(default)]
    config: BTreeMap<String, Value>,
}

impl BrokeredProvider {
    /// A setting; empty if there is none.
    pub fn setting(&self, name: &str) -> &str {
        self.config.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

/// Whose roles are meant.
#[derive(Clone, Copy, Debug)]
pub enum RoleOwner<'a> {
    /// The realm.
    Realm,
    /// The client with this id of Keycloak's own.
    Client(&'a str),
}

#[derive(Deserialize)]
struct NamedRole {
    name: String,
}

impl DirectoryClient {
    /// The ids of the realm's clients, 500 at most.
    ///
    /// # Errors
    /// The identity provider does not answer, or refuses Cambio's own client.
    pub async fn client_ids(&self, upstream: &UpstreamClient) -> Result<Vec<String>, DirectoryError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Listed {
            client_id: String,
        }
        let listed: Vec<Listed> = self.listed(upstream, &CLIENTS).await?;
        Ok(listed.into_iter().map(|one| one.client_id).collect())
    }

    /// The realm's client scopes.
    ///
    /// # Errors
    /// The identity provider does not answer, or refuses Cambio's own client.
    pub async fn client_scopes(&self, upstream: &UpstreamClient) -> Result<Vec<ShownScope>, DirectoryError> {
        let path = format!("{}/client-scopes", self.admin_path);
        self.get(upstream, path, "a question for the client scopes").await
    }

    /// The identity providers whose tokens the realm takes, 5000 at most. Keycloak shows 100 to whoever names no number.
    ///
    /// # Errors
    /// The identity provider does not answer, or refuses Cambio's own client.
    pub async fn brokered_providers(&self, upstream: &UpstreamClient) -> Result<Vec<BrokeredProvider>, DirectoryError> {
        self.listed(upstream, &PROVIDERS).await
    }

    /// The entries of a list, page by page.
    async fn listed<T: DeserializeOwned>(
        &self,
        upstream: &UpstreamClient,
        list: &PagedList,
    ) -> Result<Vec<T>, DirectoryError> {
        let mut listed = Vec::new();
        while listed.len() < list.most {
            let path = format!("{}/{}?first={}&max={AT_ONCE}", self.admin_path, list.path, listed.len());
            let page: Vec<T> = self.get(upstream, path, list.what).await?;
            let is_last = page.len() < AT_ONCE;
            listed.extend(page);
            if is_last {
                break;
            }
        }
        Ok(listed)
    }

    /// Whether there is a role of exactly this name.
    ///
    /// # Errors
    /// The identity provider does not answer, or refuses Cambio's own client.
    pub async fn has_role(
        &self,
        upstream: &UpstreamClient,
        owner: RoleOwner<'_>,
        role: &str,
    ) -> Result<bool, DirectoryError> {
        // Servers and proxies refuse some escapes in a path.
        if role.contains(['/', '\\', ';', '%']) {
            let search = format!("&search={}", escaped(role));
            return Ok(self.roles_like(upstream, owner, &search).await?.iter().any(|name| name == role));
        }
        let Ok(segment) = segment(role) else { return Ok(false) };
        let path = format!("{}/{}/{segment}", self.admin_path, place_of_roles(owner));
        match self.get::<NamedRole>(upstream, path, "a question for roles").await {
            Ok(found) => Ok(found.name == role),
            Err(DirectoryError::NoUser) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Names of roles, 500 at most.
    ///
    /// # Errors
    /// The identity provider does not answer, or refuses Cambio's own client.
    pub async fn role_names(
        &self,
        upstream: &UpstreamClient,
        owner: RoleOwner<'_>,
    ) -> Result<Vec<String>, DirectoryError> {
        self.roles_like(upstream, owner, "").await
    }

    async fn roles_like(
        &self,
        upstream: &UpstreamClient,
        owner: RoleOwner<'_>,
        search: &str,
    ) -> Result<Vec<String>, DirectoryError> {
        let path = format!("{}/{}?first=0&max={MOST_NAMES}{search}", self.admin_path, place_of_roles(owner));
        let roles: Vec<NamedRole> = self.get(upstream, path, "a question for roles").await?;
        Ok(roles.into_iter().map(|role| role.name).collect())
    }

    /// The roles that tokens of a client (Keycloak's own id) can have with this scope, whatever the user has. *Full scope
    /// allowed* lets all of them in.
    ///
    /// # Errors
    /// The identity provider does not answer, or refuses Cambio's own client.
    pub async fn roles_in_scope(
        &self,
        upstream: &UpstreamClient,
        client: &str,
        owner: RoleOwner<'_>,
        scope: &str,
    ) -> Result<Vec<String>, DirectoryError> {
        let container = match owner {
            RoleOwner::Realm => self.admin_path.rsplit('/').next().unwrap_or_default().to_owned(),
            RoleOwner::Client(id) => escaped(id),
        };
        let path = format!(
            "{}/clients/{}/evaluate-scopes/scope-mappings/{container}/granted?scope={}",
            self.admin_path,
            escaped(client),
            escaped(scope)
        );
        let roles: Vec<NamedRole> = self.get(upstream, path, "a question for a client's role scope").await?;
        Ok(roles.into_iter().map(|role| role.name).collect())
    }
}

fn place_of_roles(owner: RoleOwner<'_>) -> String {
    match owner {
        RoleOwner::Realm => "roles".to_owned(),
        RoleOwner::Client(id) => format!("clients/{}/roles", escaped(id)),
    }
}
