//! Asks the directory, each thing once, and makes a finding of what it refuses.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;

use crate::adapters::config::Realm;
use crate::adapters::upstream::client::UpstreamClient;
use crate::adapters::upstream::directory::inventory::{BrokeredProvider, RoleOwner, ShownScope};
use crate::adapters::upstream::directory::settings::ClientSettings;
use crate::adapters::upstream::directory::{DirectoryClient, DirectoryError};
use crate::tools::check::online::gathered::{Gathered, Severity};
use crate::tools::check::online::inquiry::Inquiry;
use crate::words::refusal::similar::did_you_mean;

/// The directory can't be asked any further. The finding is there already.
pub(super) struct Stopped;

/// What a realm has, as far as somebody asked.
pub(super) struct Inventory<'a> {
    pub(super) asked: &'a Inquiry,
    pub(super) realm: &'a Realm,
    pub(super) found: Gathered,
    directory: DirectoryClient,
    clients: BTreeMap<String, Option<Arc<ClientSettings>>>,
    client_ids: Option<Vec<String>>,
    scopes: Option<Arc<[ShownScope]>>,
    /// Whether the directory refused to show the client scopes.
    hides_scopes: bool,
}

/// What a client's tokens can say of an audience.
pub(super) struct TokenReach {
    /// The roles of the audience that the client's tokens can have.
    pub(super) roles: Vec<String>,
    /// Whether a mapper makes an audience of each client of which the user has a role.
    pub(super) resolves: bool,
    /// Whether a mapper adds the audience.
    pub(super) adds: bool,
    /// Whether a mapper writes realm roles.
    pub(super) writes_realm_roles: bool,
}

impl<'a> Inventory<'a> {
    pub(super) fn new(asked: &'a Inquiry, realm: &'a Realm, directory: DirectoryClient) -> Self {
        let (found, clients) = (Gathered::default(), BTreeMap::new());
        Self { asked, realm, found, directory, clients, client_ids: None, scopes: None, hides_scopes: false }
    }

    /// Whether Cambio's own client may look at clients and users.
    pub(super) async fn check_access(&mut self) -> Result<(), Stopped> {
        let Some(own) = self.realm.directory.as_ref().map(|directory| directory.client.id.clone()) else {
            return Err(Stopped);
        };
        let shown = self.client(&own).await?;
        let account = self.directory.user(self.upstream(), &format!("service-account-{own}")).await;
        let lacks = |role: &str, what: &str| {
            format!(
                "Keycloak shows {what} to the client {own}: give its service account the role {role} of realm-management (realm {})",
                self.realm.name
            )
        };
        let key = format!("realms.{}.directory", self.realm.name);
        let mut missing = Vec::new();
        match account {
            Err(DirectoryError::NoUser | DirectoryError::Status(StatusCode::FORBIDDEN, _)) => {
                missing.push(lacks("view-users", "no users"));
            }
            account => drop(self.answered(account, "view-users")?),
        }
        if shown.is_none() {
            missing.push(lacks("view-clients", "no clients"));
        }
        for message in missing {
            self.found.add(Severity::Problem, self.asked.at(&key, message));
        }
        if shown.is_none() { Err(Stopped) } else { Ok(()) }
    }

    /// The settings of a client; `None` if there is no such client.
    pub(super) async fn client(&mut self, client: &str) -> Result<Option<Arc<ClientSettings>>, Stopped> {
        if let Some(known) = self.clients.get(client) {
            return Ok(known.clone());
        }
        let settings = self.directory.client_settings(self.upstream(), client).await;
        let settings = self.answered(settings, "view-clients")?.flatten().map(Arc::new);
        self.clients.insert(client.to_owned(), settings.clone());
        Ok(settings)
    }

    /// "did you mean" for a client that is missing.
    pub(super) async fn similar_client(&mut self, client: &str) -> Result<String, Stopped> {
        if self.client_ids.is_none() {
            let ids = self.directory.client_ids(self.upstream()).await;
            self.client_ids = Some(self.answered(ids, "view-clients")?.unwrap_or_default());
        }
        Ok(did_you_mean(client, self.client_ids.iter().flatten().map(String::as_str)))
    }

    /// The realm's client scopes; `None` if the directory does not show them.
    pub(super) async fn client_scopes(&mut self) -> Result<Option<Arc<[ShownScope]>>, Stopped> {
        if self.scopes.is_none() && !self.hides_scopes {
            let scopes = self.directory.client_scopes(self.upstream()).await;
            self.scopes = self.answered(scopes, "view-clients")?.map(Arc::from);
            self.hides_scopes = self.scopes.is_none();
        }
        Ok(self.scopes.clone())
    }

    /// Whether there is a role, and if not, "did you mean". `None`: the directory does not say.
    pub(super) async fn role(&mut self, owner: RoleOwner<'_>, role: &str) -> Result<Option<RoleFound>, Stopped> {
        let needed = if matches!(owner, RoleOwner::Realm) { "view-realm" } else { "view-clients" };
        let has = self.directory.has_role(self.upstream(), owner, role).await;
        match self.answered(has, needed)? {
            None => Ok(None),
            Some(true) => Ok(Some(RoleFound::Present)),
            Some(false) => {
                let names = self.directory.role_names(self.upstream(), owner).await;
                let names = self.answered(names, needed)?.unwrap_or_default();
                Ok(Some(RoleFound::Missing(did_you_mean(role, names.iter().map(String::as_str)))))
            }
        }
    }

    /// Whether there is any role. `None`: the directory does not say.
    pub(super) async fn has_any_role(&mut self, owner: RoleOwner<'_>) -> Result<Option<bool>, Stopped> {
        let names = self.directory.role_names(self.upstream(), owner).await;
        Ok(self.answered(names, "view-clients")?.map(|names| !names.is_empty()))
    }

    /// What the tokens of `client` can say of `audience` with these scopes. `None`: the directory does not say.
    pub(super) async fn reach(
        &mut self,
        client: &ClientSettings,
        audience: &ClientSettings,
        scope: &str,
    ) -> Result<Option<TokenReach>, Stopped> {
        let Some(scopes) = self.client_scopes().await? else { return Ok(None) };
        let owner = RoleOwner::Client(&audience.id);
        let roles = self.directory.roles_in_scope(self.upstream(), &client.id, owner, scope).await;
        let Some(roles) = self.answered(roles, "view-clients")? else { return Ok(None) };
        let in_force = client.client_scopes_with(scope);
        let of_client = |one: &&ShownScope| in_force.contains(one.name.as_str());
        let mappers = scopes.iter().filter(of_client).flat_map(|one| &one.protocol_mappers);
        let mappers: Vec<_> = mappers.chain(&client.protocol_mappers).collect();
        Ok(Some(TokenReach {
            roles,
            resolves: mappers.iter().any(|one| one.resolves_audiences()),
            adds: mappers.iter().any(|one| one.adds_audience(&audience.client_id)),
            writes_realm_roles: mappers.iter().any(|one| one.writes_realm_roles()),
        }))
    }

    /// The realm roles that the tokens of a client can have. `None`: the directory does not say.
    pub(super) async fn realm_roles_of(
        &mut self,
        client: &ClientSettings,
        scope: &str,
    ) -> Result<Option<Vec<String>>, Stopped> {
        let roles = self.directory.roles_in_scope(self.upstream(), &client.id, RoleOwner::Realm, scope).await;
        self.answered(roles, "view-clients")
    }

    /// The realm's identity providers. `None`: the directory does not show them.
    pub(super) async fn brokered_providers(&mut self) -> Result<Option<Vec<BrokeredProvider>>, Stopped> {
        let providers = self.directory.brokered_providers(self.upstream()).await;
        self.answered(providers, "view-identity-providers")
    }

    fn upstream(&self) -> &'a UpstreamClient {
        &self.asked.upstream
    }

    /// The answer; `None` if Keycloak refuses this question to Cambio's own client, which lacks the role `needed`.
    fn answered<T>(&mut self, answer: Result<T, DirectoryError>, needed: &str) -> Result<Option<T>, Stopped> {
        let error = match answer {
            Ok(answer) => return Ok(Some(answer)),
            Err(error) => error,
        };
        let (name, key) = (&self.realm.name, format!("realms.{}.directory", self.realm.name));
        let own = self.realm.directory.as_ref().map(|directory| directory.client.id.as_str()).unwrap_or_default();
        let (severity, message, stops) = match error {
            DirectoryError::Status(StatusCode::FORBIDDEN, what) => (
                Severity::Warning,
                format!(
                    "Keycloak refuses {what} (status 403): give the service account of {own} the role {needed} of realm-management \
                     (realm {name}), if this is to be compared"
                ),
                false,
            ),
            DirectoryError::NoUser => {
                let message =
                    format!("Keycloak does not know a question about the realm {name} (status 404): not compared");
                (Severity::Note, message, false)
            }
            error => (Severity::Problem, format!("the directory of the realm {name} can't be asked: {error}"), true),
        };
        self.found.add(severity, self.asked.at(&key, message));
        if stops { Err(Stopped) } else { Ok(None) }
    }
}

/// Whether there is a role.
pub(super) enum RoleFound {
    /// There is.
    Present,
    /// There is not; the text is "did you mean", or nothing.
    Missing(String),
}
