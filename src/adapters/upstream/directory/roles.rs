//! The roles that the identity provider holds for users.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;

use crate::adapters::upstream::client::UpstreamClient;
use crate::adapters::upstream::directory::{DirectoryClient, DirectoryError, escaped, segment};
use crate::judgement::policy::admin_roles::AdminRoles;
use crate::judgement::policy::roles::RoleNames;

/// A set of role names.
pub type RoleSet = Arc<BTreeSet<String>>;

impl DirectoryClient {
    /// The roles of a client that a user has, directly, through groups or through composite roles. A client that the
    /// identity provider does not know has no roles.
    pub async fn client_roles(
        &self,
        upstream: &UpstreamClient,
        subject: &str,
        client: &str,
    ) -> Result<RoleSet, DirectoryError> {
        let user = self.id_of(upstream, subject).await?;
        let fetch = async {
            match self.client_uuid(upstream, client).await? {
                None => Ok(RoleSet::default()),
                Some(id) => {
                    let place = format!("clients/{}", escaped(&id));
                    self.mapped(upstream, &user, &place).await
                }
            }
        };
        let key = (user.to_string(), Some(client.to_owned()));
        Box::pin(self.roles.try_get_with(key, fetch)).await.map_err(Arc::unwrap_or_clone)
    }

    /// The realm roles that a user has, directly, through groups or through composite roles.
    pub async fn realm_roles(&self, upstream: &UpstreamClient, subject: &str) -> Result<RoleSet, DirectoryError> {
        let user = self.id_of(upstream, subject).await?;
        let fetch = self.mapped(upstream, &user, "realm");
        let key = (user.to_string(), None);
        Box::pin(self.roles.try_get_with(key, fetch)).await.map_err(Arc::unwrap_or_clone)
    }

    /// The roles of a user that decide whether they are an administrator. If Cambio can't see a client, this is an
    /// error: without view-clients Keycloak shows none, and the user may still have its roles. These roles are not
    /// cached.
    pub async fn admin_roles(
        &self,
        upstream: &UpstreamClient,
        subject: &str,
        admin: &AdminRoles,
    ) -> Result<RoleNames, DirectoryError> {
        let mut roles = RoleNames::default();
        if admin.looks_at_realm() {
            roles.realm.clone_from(&*self.mapped(upstream, subject, "realm").await?);
        }
        for client in admin.clients() {
            let id = self.client_uuid(upstream, client).await?;
            let id = id.ok_or_else(|| DirectoryError::NoClient(client.to_owned()))?;
            let place = format!("clients/{}", escaped(&id));
            let held = self.mapped(upstream, subject, &place).await?;
            if !held.is_empty() {
                roles.clients.insert(client.to_owned(), held.as_ref().clone());
            }
        }
        Ok(roles)
    }

    async fn mapped(&self, upstream: &UpstreamClient, subject: &str, place: &str) -> Result<RoleSet, DirectoryError> {
        #[derive(Deserialize)]
        struct Role {
            name: String,
        }
        let path = format!("{}/users/{}/role-mappings/{place}/composite", self.admin_path, segment(subject)?);
        let roles: Vec<Role> = self.get(upstream, path, "a question for a user's roles").await?;
        Ok(Arc::new(roles.into_iter().map(|role| role.name).collect()))
    }

    pub(super) async fn client_uuid(
        &self,
        upstream: &UpstreamClient,
        client: &str,
    ) -> Result<Option<Arc<str>>, DirectoryError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Client {
            id: String,
            client_id: String,
        }
        let fetch = async {
            let path = format!("{}/clients?clientId={}", self.admin_path, escaped(client));
            let found: Vec<Client> = self.get(upstream, path, "a question for a client").await?;
            Ok(found.into_iter().find(|found| found.client_id == client).map(|found| Arc::from(found.id)))
        };
        self.clients.try_get_with(client.to_owned(), fetch).await.map_err(Arc::unwrap_or_clone)
    }
}
