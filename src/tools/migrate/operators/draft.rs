//! The export of a realm in the making.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::tools::migrate::export::{
    Authorization, ClientScope, ExportedClient, ExportedPolicy, ExportedRealm, Resource,
};
use crate::tools::migrate::lenient::flag;

/// Why nothing is certain about a realm: an object that says what holds for all of it is being deleted.
pub(super) const DELETED: &str =
    "the object of the realm, or of the client that holds its permissions, is being deleted";

/// Why nothing is certain about a realm: its object can't be read.
pub(super) const UNREADABLE: &str = "the object of the realm can't be read, so it may be disabled or use V2";

/// The scopes that every realm of Keycloak has, and that tokens name. Operators seldom write them down.
const BUILT_IN: [&str; 7] =
    ["profile", "email", "address", "phone", "microprofile-jwt", "organization", "offline_access"];

/// The realms of the objects, by name.
#[derive(Default)]
pub(super) struct Drafts {
    drafts: BTreeMap<String, Draft>,
}

/// One realm.
#[derive(Default)]
pub(super) struct Draft {
    document: String,
    pub(super) realm: ExportedRealm,
    settings: Authorization,
    /// Whether the realm came with its scopes, so that none is missing.
    with_scopes: bool,
}

/// What a permission of V1 is about.
#[derive(Clone, Copy)]
pub(super) enum PermittedResource {
    Client,
    IdentityProvider,
}

impl Drafts {
    /// The realm of this name.
    pub(super) fn of(&mut self, document: &str, realm: &str) -> &mut Draft {
        self.drafts.entry(realm.to_owned()).or_insert_with(|| {
            let realm = ExportedRealm { name: realm.to_owned(), enabled: Some(true), ..ExportedRealm::default() };
            Draft { document: document.to_owned(), realm, ..Draft::default() }
        })
    }

    /// Adds a realm that an object has as a whole.
    pub(super) fn whole(&mut self, document: &str, realm: ExportedRealm) {
        let draft = self.of(document, &realm.name);
        // Clients of two objects stay beside each other: those that are there twice mean nobody.
        let before = std::mem::take(&mut draft.realm);
        draft.realm = realm;
        draft.refuse(before.enabled, before.admin_permissions_enabled);
        draft.realm.uncertain = before.uncertain;
        draft.realm.clients.extend(before.clients);
        draft.realm.identity_providers.extend(before.identity_providers);
        draft.with_scopes = !draft.realm.client_scopes.is_empty();
        draft.realm.client_scopes.extend(before.client_scopes);
    }

    /// The realms, each with the document that named the realm first.
    pub(super) fn finish(self) -> Vec<(String, ExportedRealm)> {
        self.drafts.into_values().map(|draft| (draft.document.clone(), draft.finish())).collect()
    }
}

impl Draft {
    /// Takes over the switches that an object has for the realm.
    pub(super) fn switches(&mut self, enabled: Option<&Value>, v2: Option<&Value>) -> Result<(), &'static str> {
        let (Ok(enabled), Ok(v2)) = (switch(enabled), switch(v2)) else {
            self.doubt(UNREADABLE);
            return Err("its `enabled` or `adminPermissionsEnabled` can't be read");
        };
        self.refuse(enabled, v2);
        Ok(())
    }

    /// What one object refuses stays refused, whatever others say.
    fn refuse(&mut self, enabled: Option<bool>, v2: Option<bool>) {
        if enabled == Some(false) {
            self.realm.enabled = enabled;
        }
        if v2 == Some(true) {
            self.realm.admin_permissions_enabled = v2;
        }
    }

    /// None of the realm's permissions is certain any more.
    pub(super) fn doubt(&mut self, reason: &'static str) {
        self.realm.uncertain = Some(reason);
    }

    /// Adds a policy whose object the operator does not enforce: what refers to the policy does not know its answer.
    pub(super) fn unenforced_policy(&mut self, name: String) {
        self.policy(ExportedPolicy::positive("unenforced", name, []));
    }

    /// Adds a scope that no token is known to name.
    pub(super) fn silent_scope(&mut self, name: &str) {
        self.realm.client_scopes.push(ClientScope { name: name.to_owned(), attributes: BTreeMap::new() });
    }

    /// Adds a policy of `realm-management`.
    pub(super) fn policy(&mut self, policy: ExportedPolicy) {
        self.settings.policies.push(policy);
    }

    /// Adds the permission to exchange for a client, or the tokens of an identity provider.
    pub(super) fn permission(&mut self, target: PermittedResource, id: &str, applied: Vec<String>, strategy: &str) {
        let (kind, resource) = match target {
            PermittedResource::Client => ("client", format!("client.resource.{id}")),
            PermittedResource::IdentityProvider => ("idp", format!("idp.resource.{id}")),
        };
        let lists = [
            ("resources", vec![resource.clone()]),
            ("scopes", vec!["token-exchange".to_owned()]),
            ("applyPolicies", applied),
        ];
        let name = format!("token-exchange.permission.{kind}.{id}");
        let mut permission = ExportedPolicy::positive("scope", name, lists);
        permission.decision_strategy = Some(strategy.to_owned());
        self.settings.policies.push(permission);
        if !self.settings.resources.iter().any(|one| one.name == resource) {
            self.settings.resources.push(Resource { name: resource });
        }
    }

    /// Adds roles of a client.
    pub(super) fn roles(&mut self, client: &str, roles: &[String]) {
        let known = self.realm.roles.client.entry(client.to_owned()).or_default();
        known.get_or_insert_default().extend(roles.iter().map(|role| json!({"name": role})));
    }

    fn finish(mut self) -> ExportedRealm {
        if !self.with_scopes {
            for name in BUILT_IN {
                if !self.realm.client_scopes.iter().any(|scope| scope.name == name) {
                    let attributes = [("include.in.token.scope".to_owned(), json!("true"))].into();
                    self.realm.client_scopes.push(ClientScope { name: name.to_owned(), attributes });
                }
            }
        }
        if self.settings.policies.is_empty() {
            return self.realm;
        }
        let name = self.realm.management_name();
        if !self.realm.clients.iter().any(|client| client.name == name) {
            self.realm.clients.push(ExportedClient::management(name));
        }
        if let Some(client) = self.realm.clients.iter_mut().find(|client| client.name == name) {
            let settings = client.authorization_settings.get_or_insert_default();
            settings.policy_enforcement_mode.get_or_insert_with(|| "ENFORCING".to_owned());
            settings.resources.extend(self.settings.resources);
            settings.policies.extend(self.settings.policies);
        }
        self.realm
    }
}

fn switch(value: Option<&Value>) -> Result<Option<bool>, serde_json::Error> {
    value.map_or(Ok(None), flag)
}
