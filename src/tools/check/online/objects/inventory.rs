//! Asks the directory, each thing once, and makes a finding of what it refuses.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

use crate::adapters::config::Realm;
use crate::adapters::upstream::client::UpstreamClient;
use crate::adapters::upstream::directory::inventory::{BrokeredProvider, RoleOwner, ShownScope};
use crate::adapters::upstream::directory::settings::ClientSettings;
use crate::adapters::upstream::directory::{DirectoryClient, DirectoryError};
use crate::tools::check::online::gathered::{Gathered, Severity};
use crate::tools::check::online::inquiry::Inquiry;
use crate::words::refusal::similar::did_you_mean;

/// How long the questions about one realm may take in all.
const TIME: Duration = Duration::from_secs(120);

/// The directory can't be asked any further. The finding is there already.
pub(super) struct Stopped;

/// What a realm has, as far as somebody asked.
pub(super) struct Inventory<'a> {
    pub(super) asked: &'a Inquiry,
    pub(super) realm: &'a Realm,
    pub(super) found: Gathered,
    directory: DirectoryClient,
    clients: BTreeMap<String, ClientFound>,
    client_ids: Option<Vec<String>>,
    scopes: Option<Arc<[ShownScope]>>,
    /// Whether the directory does not show the client scopes.
    hides_scopes: bool,
    /// Whether a role exists, by owner and name.
    roles: BTreeMap<(OwnerKey, String), Option<bool>>,
    role_names: BTreeMap<OwnerKey, ShownNames>,
    /// The roles that tokens can have, by client, owner and scope.
    roles_in_scope: BTreeMap<(String, OwnerKey, String), ShownNames>,
    /// When the realm's time is over.
    until: Instant,
    /// What is not compared if the realm's time is over now.
    pub(super) rest: String,
}

/// Keycloak's own id of a client; `None` is the realm.
type OwnerKey = Option<String>;

/// Names; `None`: the directory does not show them.
type ShownNames = Option<Arc<[String]>>;

fn key_of(owner: RoleOwner<'_>) -> OwnerKey {
    match owner {
        RoleOwner::Realm => None,
        RoleOwner::Client(id) => Some(id.to_owned()),
    }
}

/// A question to the directory.
struct Question<'q> {
    /// What is asked for.
    what: &'q str,
    /// The role of `realm-management` that lets Cambio's own client ask.
    needed: &'static str,
}

/// What a client's tokens can say of an audience.
pub(super) struct TokenReach {
    /// The roles of the audience that the client's tokens can have.
    pub(super) roles: Arc<[String]>,
    /// Whether a mapper makes an audience of each client of which the user has a role.
    pub(super) resolves: bool,
    /// Whether a mapper adds the audience.
    pub(super) adds: bool,
    /// Whether a mapper writes realm roles.
    pub(super) writes_realm_roles: bool,
}

impl<'a> Inventory<'a> {
    pub(super) fn new(asked: &'a Inquiry, realm: &'a Realm, directory: DirectoryClient) -> Self {
        Self {
            asked,
            realm,
            found: Gathered::default(),
            directory,
            clients: BTreeMap::new(),
            client_ids: None,
            scopes: None,
            hides_scopes: false,
            roles: BTreeMap::new(),
            role_names: BTreeMap::new(),
            roles_in_scope: BTreeMap::new(),
            until: Instant::now() + TIME,
            rest: "clients, audiences, roles and identity providers".to_owned(),
        }
    }

    /// Whether Cambio's own client may look at clients and users.
    pub(super) async fn check_access(&mut self) -> Result<(), Stopped> {
        let Some(own) = self.realm.directory.as_ref().map(|directory| directory.client.id.clone()) else {
            return Err(Stopped);
        };
        let shown = self.client(&own).await?.present();
        let name = format!("service-account-{own}");
        let account = self.in_time(self.directory.user(self.upstream(), &name)).await;
        let lacks = |role: &str, what: &str| {
            format!(
                "Keycloak shows {what} to the client {own}: give its service account the role {role} of realm-management (realm {})",
                self.realm.name
            )
        };
        let key = format!("realms.{}.directory", self.realm.name);
        let mut missing = Vec::new();
        match account {
            Ok(Err(DirectoryError::NoUser | DirectoryError::Status(StatusCode::FORBIDDEN, _))) => {
                missing.push(lacks("view-users", "no users"));
            }
            account => drop(self.answered(account, &Question { what: "users", needed: "view-users" })?),
        }
        if shown.is_none() {
            missing.push(lacks("view-clients", "no clients"));
        }
        for message in missing {
            self.found.add(Severity::Problem, self.asked.at(&key, message));
        }
        if shown.is_none() { Err(Stopped) } else { Ok(()) }
    }

    /// Whether there is a client, with its settings.
    pub(super) async fn client(&mut self, client: &str) -> Result<ClientFound, Stopped> {
        if let Some(known) = self.clients.get(client) {
            return Ok(known.clone());
        }
        let settings = self.in_time(self.directory.client_settings(self.upstream(), client)).await;
        let question = Question { what: &format!("the client {client:?}"), needed: "view-clients" };
        let found = match self.answered(settings, &question)? {
            None => ClientFound::NotShown,
            Some(None) => ClientFound::Missing,
            Some(Some(settings)) => ClientFound::Present(Arc::new(settings)),
        };
        self.clients.insert(client.to_owned(), found.clone());
        Ok(found)
    }

    /// "did you mean" for a client that is missing; nothing if the directory does not say.
    pub(super) async fn similar_client(&mut self, client: &str) -> String {
        if self.client_ids.is_none() {
            let ids = self.in_time(self.directory.client_ids(self.upstream())).await;
            self.client_ids = Some(ids.ok().and_then(Result::ok).unwrap_or_default());
        }
        did_you_mean(client, self.client_ids.iter().flatten().map(String::as_str))
    }

    /// The realm's client scopes; `None` if the directory does not show them.
    pub(super) async fn client_scopes(&mut self) -> Result<Option<Arc<[ShownScope]>>, Stopped> {
        if self.scopes.is_some() || self.hides_scopes {
            return Ok(self.scopes.clone());
        }
        let scopes = self.in_time(self.directory.client_scopes(self.upstream())).await;
        self.scopes =
            self.answered(scopes, &Question { what: "client scopes", needed: "view-clients" })?.map(Arc::from);
        self.hides_scopes = self.scopes.is_none();
        Ok(self.scopes.clone())
    }

    /// Whether there is a role, and if not, "did you mean". `None`: the directory does not say.
    pub(super) async fn role(&mut self, owner: RoleOwner<'_>, role: &str) -> Result<Option<RoleFound>, Stopped> {
        let key = (key_of(owner), role.to_owned());
        let has = if let Some(known) = self.roles.get(&key) {
            *known
        } else {
            let needed = if matches!(owner, RoleOwner::Realm) { "view-realm" } else { "view-clients" };
            let has = self.in_time(self.directory.has_role(self.upstream(), owner, role)).await;
            let has = self.answered(has, &Question { what: &format!("the role {role:?}"), needed })?;
            self.roles.insert(key, has);
            has
        };
        Ok(match has {
            None => None,
            Some(true) => Some(RoleFound::Present),
            Some(false) => {
                let names = self.role_names(owner).await;
                let names = names.iter().flat_map(|names| names.iter()).map(String::as_str);
                Some(RoleFound::Missing(did_you_mean(role, names)))
            }
        })
    }

    /// Whether there is any role. `None`: the directory does not say.
    pub(super) async fn has_any_role(&mut self, owner: RoleOwner<'_>) -> Option<bool> {
        Some(!self.role_names(owner).await?.is_empty())
    }

    /// Names of roles, for hints: what the directory does not say is no finding.
    async fn role_names(&mut self, owner: RoleOwner<'_>) -> Option<Arc<[String]>> {
        let key = key_of(owner);
        if let Some(known) = self.role_names.get(&key) {
            return known.clone();
        }
        let names = self.in_time(self.directory.role_names(self.upstream(), owner)).await;
        let names = names.ok().and_then(Result::ok).map(Arc::from);
        self.role_names.insert(key, names.clone());
        names
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
        let Some(roles) = self.roles_in_scope(client, owner, scope).await? else { return Ok(None) };
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
    ) -> Result<Option<Arc<[String]>>, Stopped> {
        self.roles_in_scope(client, RoleOwner::Realm, scope).await
    }

    async fn roles_in_scope(
        &mut self,
        client: &ClientSettings,
        owner: RoleOwner<'_>,
        scope: &str,
    ) -> Result<Option<Arc<[String]>>, Stopped> {
        let key = (client.id.clone(), key_of(owner), scope.to_owned());
        if let Some(known) = self.roles_in_scope.get(&key) {
            return Ok(known.clone());
        }
        let roles = self.in_time(self.directory.roles_in_scope(self.upstream(), &client.id, owner, scope)).await;
        let what = format!("the role scope of the client {:?}", client.client_id);
        let roles = self.answered(roles, &Question { what: &what, needed: "view-clients" })?.map(Arc::from);
        self.roles_in_scope.insert(key, roles.clone());
        Ok(roles)
    }

    /// The realm's identity providers. `None`: the directory does not show them.
    pub(super) async fn brokered_providers(&mut self) -> Result<Option<Vec<BrokeredProvider>>, Stopped> {
        let providers = self.in_time(self.directory.brokered_providers(self.upstream())).await;
        self.answered(providers, &Question { what: "identity providers", needed: "view-identity-providers" })
    }

    /// The answer, if it comes before the realm's time is over.
    async fn in_time<T>(&self, answer: impl Future<Output = T>) -> Result<T, Elapsed> {
        timeout_at(self.until, answer).await
    }

    fn upstream(&self) -> &'a UpstreamClient {
        &self.asked.upstream
    }

    /// The answer; `None` if the directory has none to this question, which is a finding then.
    fn answered<T>(
        &mut self,
        answer: Result<Result<T, DirectoryError>, Elapsed>,
        question: &Question<'_>,
    ) -> Result<Option<T>, Stopped> {
        let error = match answer {
            Ok(Ok(answer)) => return Ok(Some(answer)),
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        let Question { what: asked_for, needed } = question;
        let (name, key) = (&self.realm.name, format!("realms.{}.directory", self.realm.name));
        let own = self.realm.directory.as_ref().map(|directory| directory.client.id.as_str()).unwrap_or_default();
        let (severity, message, stops) = match error {
            None => {
                let (time, rest) = (TIME.as_secs(), &self.rest);
                let message = format!("the questions about the realm {name} took {time} s: not compared: {rest}");
                (Severity::Note, message, true)
            }
            Some(DirectoryError::Status(StatusCode::FORBIDDEN, what)) => (
                Severity::Warning,
                format!(
                    "Keycloak refuses {what} (status 403): give the service account of {own} the role {needed} of realm-management \
                     (realm {name}), if this is to be compared"
                ),
                false,
            ),
            Some(DirectoryError::NoUser) => {
                let message =
                    format!("Keycloak answers 404 to the question for {asked_for} of the realm {name}: not compared");
                (Severity::Note, message, false)
            }
            Some(DirectoryError::TooLarge(error)) => {
                let message = format!("{asked_for} of the realm {name}: {error}: not compared");
                (Severity::Note, message, false)
            }
            Some(error) => {
                (Severity::Problem, format!("the directory of the realm {name} can't be asked: {error}"), true)
            }
        };
        self.found.add(severity, self.asked.at(&key, message));
        if stops { Err(Stopped) } else { Ok(None) }
    }
}

/// Whether there is a client.
#[derive(Clone)]
pub(super) enum ClientFound {
    /// There is.
    Present(Arc<ClientSettings>),
    /// There is not.
    Missing,
    /// The directory does not say.
    NotShown,
}

impl ClientFound {
    /// The settings, if they are known.
    pub(super) fn present(self) -> Option<Arc<ClientSettings>> {
        match self {
            Self::Present(settings) => Some(settings),
            Self::Missing | Self::NotShown => None,
        }
    }
}

/// Whether there is a role.
pub(super) enum RoleFound {
    /// There is.
    Present,
    /// There is not; the text is "did you mean", or nothing.
    Missing(String),
}
