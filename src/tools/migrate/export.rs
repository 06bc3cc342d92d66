//! A realm export as Keycloak writes it. Fields that hold secrets are not read.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::lenient::{flag, list, optional_text, or_default, text};

/// One realm, or the users of one, which a folder export has in files of their own.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExportedRealm {
    #[serde(default, rename = "realm", deserialize_with = "text")]
    pub(super) name: String,
    #[serde(default, deserialize_with = "flag")]
    pub(super) enabled: Option<bool>,
    /// Whether the realm uses fine-grained admin permissions V2, which replace V1 and have none for token exchange.
    #[serde(default, deserialize_with = "flag")]
    pub(super) admin_permissions_enabled: Option<bool>,
    #[serde(default, deserialize_with = "list")]
    pub(super) clients: Vec<ExportedClient>,
    #[serde(default, deserialize_with = "list")]
    pub(super) client_scopes: Vec<ClientScope>,
    #[serde(default, deserialize_with = "list")]
    pub(super) identity_providers: Vec<IdentityProvider>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) roles: ExportedRoles,
    /// A partial export has service accounts only.
    #[serde(default, deserialize_with = "list")]
    pub(super) users: Vec<ExportedUser>,
    /// Why nothing is certain about the realm's permissions. No member of an export.
    #[serde(skip)]
    pub(super) uncertain: Option<&'static str>,
}

/// A user. Only service accounts of clients matter.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExportedUser {
    #[serde(default, deserialize_with = "optional_text")]
    pub(super) service_account_client_id: Option<String>,
    #[serde(default, deserialize_with = "list")]
    pub(super) realm_roles: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) client_roles: BTreeMap<String, Option<Vec<String>>>,
    #[serde(default, deserialize_with = "list")]
    pub(super) groups: Vec<String>,
}

/// One client.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExportedClient {
    #[serde(default, deserialize_with = "text")]
    pub(super) id: String,
    #[serde(default, rename = "clientId", deserialize_with = "text")]
    pub(super) name: String,
    #[serde(default, deserialize_with = "flag")]
    enabled: Option<bool>,
    #[serde(default, deserialize_with = "flag")]
    bearer_only: Option<bool>,
    #[serde(default, rename = "publicClient", deserialize_with = "flag")]
    public: Option<bool>,
    #[serde(default, deserialize_with = "optional_text")]
    pub(super) protocol: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    attributes: BTreeMap<String, Value>,
    #[serde(default, deserialize_with = "list")]
    pub(super) default_client_scopes: Vec<String>,
    #[serde(default, deserialize_with = "list")]
    pub(super) optional_client_scopes: Vec<String>,
    pub(super) authorization_settings: Option<Authorization>,
}

/// A scope of the realm.
#[derive(Deserialize)]
pub(super) struct ClientScope {
    #[serde(default, deserialize_with = "text")]
    pub(super) name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) attributes: BTreeMap<String, Value>,
}

/// An identity provider that the realm brokers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IdentityProvider {
    #[serde(default, deserialize_with = "text")]
    pub(super) alias: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) internal_id: String,
}

/// The realm's client roles, by client id.
#[derive(Default, Deserialize)]
pub(super) struct ExportedRoles {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) client: BTreeMap<String, Option<Vec<Value>>>,
}

/// The authorization settings of `realm-management`: the fine-grained admin permissions V1.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Authorization {
    #[serde(default, deserialize_with = "optional_text")]
    pub(super) policy_enforcement_mode: Option<String>,
    #[serde(default, deserialize_with = "list")]
    pub(super) resources: Vec<Resource>,
    #[serde(default, deserialize_with = "list")]
    pub(super) policies: Vec<ExportedPolicy>,
}

/// What permissions are about.
#[derive(Deserialize)]
pub(super) struct Resource {
    #[serde(default, deserialize_with = "text")]
    pub(super) name: String,
}

/// A policy, or a permission that applies policies.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExportedPolicy {
    #[serde(default, deserialize_with = "text")]
    pub(super) name: String,
    #[serde(default, rename = "type", deserialize_with = "text")]
    pub(super) kind: String,
    #[serde(default, deserialize_with = "optional_text")]
    pub(super) logic: Option<String>,
    #[serde(default, deserialize_with = "optional_text")]
    pub(super) decision_strategy: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    config: BTreeMap<String, Value>,
    /// Every other member. The admin API has some lists here instead of in `config`.
    #[serde(flatten)]
    members: BTreeMap<String, Value>,
}

/// What a policy says about a key.
pub(super) enum PolicyValue {
    Absent,
    List(Vec<Value>),
    /// It is no list, or two places contradict each other.
    NotUnderstood,
}

impl PolicyValue {
    /// The items of a list; nothing of anything else.
    pub(super) fn list(self) -> Vec<Value> {
        if let Self::List(list) = self { list } else { Vec::new() }
    }
}

impl ExportedPolicy {
    /// A policy or permission that decides by agreement of all and is not negated, with these lists.
    pub(super) fn positive<const N: usize>(kind: &str, name: String, lists: [(&str, Vec<String>); N]) -> Self {
        let config = lists.into_iter().map(|(key, list)| (key.to_owned(), list.into())).collect();
        Self {
            name,
            kind: kind.to_owned(),
            logic: Some("POSITIVE".to_owned()),
            decision_strategy: Some("UNANIMOUS".to_owned()),
            config,
            members: BTreeMap::new(),
        }
    }

    /// The policy without anything that is understood of `key`.
    pub(super) fn without_understanding(mut self, key: &str) -> Self {
        self.config.insert(key.to_owned(), Value::Bool(true));
        self
    }

    /// A list in `config`, which Keycloak writes as JSON in a string and others as a list. The admin API has it beside `config`.
    pub(super) fn value(&self, key: &str) -> PolicyValue {
        let beside = if key == "applyPolicies" { "policies" } else { key };
        let place = |value: Option<&Value>| match value {
            None | Some(Value::Null) => PolicyValue::Absent,
            Some(Value::Array(list)) => PolicyValue::List(list.clone()),
            Some(Value::String(text)) => match serde_json::from_str(text) {
                Ok(Value::Array(list)) => PolicyValue::List(list),
                Ok(Value::Null) => PolicyValue::Absent,
                _ => PolicyValue::NotUnderstood,
            },
            Some(_) => PolicyValue::NotUnderstood,
        };
        match (place(self.config.get(key)), place(self.members.get(beside))) {
            (found, PolicyValue::Absent) | (PolicyValue::Absent, found) => found,
            (PolicyValue::List(one), PolicyValue::List(other)) if one == other => PolicyValue::List(one),
            _ => PolicyValue::NotUnderstood,
        }
    }

    /// A list of names; none if there is no list, or another thing than a name in the list.
    pub(super) fn list(&self, key: &str) -> Option<Vec<String>> {
        let PolicyValue::List(list) = self.value(key) else { return None };
        list.into_iter()
            .map(|item| match item {
                Value::String(name) => Some(name),
                _ => None,
            })
            .collect()
    }

    /// The texts under `member` of the objects in a list: `[{"id": "role"}]`.
    pub(super) fn named_by(&self, key: &str, members: &[&str]) -> Vec<String> {
        let name = |item: &Value| members.iter().find_map(|member| item.get(member)?.as_str().map(str::to_owned));
        self.value(key).list().iter().filter_map(name).collect()
    }

    /// Whether the policy says anything about a key.
    pub(super) fn has(&self, key: &str) -> bool {
        !matches!(self.value(key), PolicyValue::Absent)
    }

    /// Whether the policy is about resources of this type; none if it names no type. Keycloak writes the type into `config`, the
    /// admin API has it beside `config`. What is no text might be the type.
    pub(super) fn about_type(&self, kind: &str) -> Option<bool> {
        let keys = ["defaultResourceType", "resourceType"];
        let places = keys.iter().flat_map(|key| [self.config.get(*key), self.members.get(*key)]).flatten();
        let named = places.filter(|value| !value.is_null() && value.as_str() != Some(""));
        named.map(|value| value.as_str().is_none_or(|text| text == kind)).reduce(|one, other| one || other)
    }

    /// A plain text in `config`.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.config.get(key)?.as_str()
    }
}

impl ExportedClient {
    /// The client that holds the permissions, in a realm that comes without it.
    pub(super) fn management(name: &str) -> Self {
        Self { id: name.to_owned(), name: name.to_owned(), bearer_only: Some(true), ..Self::default() }
    }

    /// The client with this id, unless the document has one.
    pub(super) fn with_id(mut self, id: Option<&str>) -> Self {
        if self.id.is_empty() {
            self.id = id.unwrap_or(&self.name).to_owned();
        }
        self
    }

    /// Whether the client is enabled. Keycloak enables a client whose document does not say so.
    pub(super) fn enabled(&self) -> bool {
        self.enabled.unwrap_or(true)
    }

    /// Whether the client can't ask for tokens.
    pub(super) fn bearer_only(&self) -> bool {
        self.bearer_only.unwrap_or_default()
    }

    /// Whether the client has no credentials.
    pub(super) fn public(&self) -> bool {
        self.public.unwrap_or_default()
    }

    /// Whether Keycloak makes the client itself, in every realm.
    pub(super) fn is_built_in(&self) -> bool {
        matches!(
            self.name.as_str(),
            "account"
                | "account-console"
                | "admin-cli"
                | "admin-permissions"
                | "broker"
                | "realm-management"
                | "security-admin-console"
        ) || self.name.ends_with("-realm") && self.bearer_only()
    }

    /// Whether the client uses OpenID Connect, the default.
    pub(super) fn is_openid(&self) -> bool {
        self.protocol.as_deref().is_none_or(|protocol| protocol == "openid-connect")
    }

    /// Whether *Standard token exchange* is switched on.
    pub(super) fn exchanges(&self) -> bool {
        self.attributes.get("standard.token.exchange.enabled").is_some_and(is_true)
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
    /// Whether the document has nothing but users, as a file of a folder export.
    pub(super) fn has_users_only(&self) -> bool {
        self.clients.is_empty() && self.client_scopes.is_empty() && self.enabled.is_none()
    }

    /// Whether a permission of V1 is about token exchange or impersonation.
    pub(super) fn has_exchange_permissions(&self) -> bool {
        let about = |policy: &ExportedPolicy| {
            policy.name.starts_with("token-exchange.permission.")
                || policy.name == "admin-impersonating.permission.users"
        };
        self.management().is_some_and(|settings| settings.policies.iter().any(about))
    }

    /// The clients whose service accounts have a role directly: `ROLE` or `CLIENT/ROLE`.
    pub(super) fn with_role(&self, role: &str) -> impl Iterator<Item = &str> {
        let has = move |user: &ExportedUser| {
            let of_client = role.split_once('/').is_some_and(|(client, role)| {
                user.client_roles.get(client).is_some_and(|roles| roles.iter().flatten().any(|one| one == role))
            });
            of_client || user.realm_roles.iter().any(|one| one == role)
        };
        self.users.iter().filter(move |user| has(user)).filter_map(|user| user.service_account_client_id.as_deref())
    }

    /// The clients whose service accounts are in a group directly; with `below`, also in a group below it.
    pub(super) fn in_group(&self, path: &str, below: bool) -> impl Iterator<Item = &str> {
        let is = move |group: &String| {
            let rest = group.strip_prefix(path);
            rest.is_some_and(|rest| rest.is_empty() || below && rest.starts_with('/'))
        };
        let accounts = self.users.iter().filter(move |user| user.groups.iter().any(is));
        accounts.filter_map(|user| user.service_account_client_id.as_deref())
    }

    /// The name of the client that holds the permissions.
    pub(super) fn management_name(&self) -> &'static str {
        if self.name == "master" { "master-realm" } else { "realm-management" }
    }

    /// The client that holds the permissions.
    pub(super) fn management(&self) -> Option<&Authorization> {
        let name = self.management_name();
        self.clients.iter().find(|client| client.name == name)?.authorization_settings.as_ref()
    }

    /// Whether tokens name a scope. `offline_access` is left out: an owner who wants it writes it.
    pub(super) fn names_in_tokens(&self, scope: &str) -> bool {
        scope != "offline_access"
            && self.client_scopes.iter().any(|one| {
                let is = |key: &str| one.attributes.get(key).is_some_and(is_true);
                one.name == scope && is("include.in.token.scope") && !is("is.dynamic.scope")
            })
    }
}

/// Whether an attribute is true, as text or as a boolean.
fn is_true(value: &Value) -> bool {
    *value == Value::Bool(true) || value.as_str() == Some("true")
}
