//! The permissions of V1, and who has each of them.

use std::collections::BTreeMap;

use super::export::{Authorization, ExportedRealm};
use super::policies::{About, Evaluator, V1Grant, the_only};

/// What the realm's permissions grant.
#[derive(Default)]
pub(super) struct V1Grants {
    /// Audience → who may exchange for it.
    pub(super) audiences: BTreeMap<String, V1Grant>,
    /// Alias of an identity provider → who may exchange its tokens.
    pub(super) providers: BTreeMap<String, V1Grant>,
    /// Who may impersonate.
    pub(super) impersonation: Option<V1Grant>,
    /// Whether a second permission restricts whom they may impersonate.
    pub(super) users_restricted: bool,
    /// Permissions about something that the export does not have.
    pub(super) orphans: Vec<String>,
    /// Why no permission of the realm counts.
    pub(super) void: Option<&'static str>,
}

/// Keycloak evaluates either V1 or V2.
const V2: &str = "the realm uses the fine-grained admin permissions V2, which have no permission for token exchange";

/// Answers every permission about token exchange and impersonation for every client.
pub(super) fn grants(realm: &ExportedRealm) -> V1Grants {
    let mut grants = V1Grants::default();
    let Some(settings) = realm.management() else {
        grants.void = Some(if realm.admin_permissions_enabled == Some(true) {
            V2
        } else {
            "the export has no permissions of V1 (no client had \"Permissions\" switched on)"
        });
        return grants;
    };
    grants.void = void(realm, settings);
    if grants.void.is_some() {
        return grants;
    }
    let evaluator = Evaluator { realm, settings };
    for permission in &settings.policies {
        let name = permission.name.as_str();
        let orphan = if let Some(id) = name.strip_prefix("token-exchange.permission.client.") {
            let client = the_only(realm.clients.iter().filter(|one| !id.is_empty() && one.id == id));
            if let Some(client) = client {
                let about = About::exchange("Client", format!("client.resource.{id}"));
                grants.audiences.insert(client.name.clone(), evaluator.grant(permission, &about));
            }
            client.is_none()
        } else if let Some(id) = name.strip_prefix("token-exchange.permission.idp.") {
            let provider =
                the_only(realm.identity_providers.iter().filter(|one| !id.is_empty() && one.internal_id == id));
            if let Some(provider) = provider {
                let about = About::exchange("IdentityProvider", format!("idp.resource.{id}"));
                grants.providers.insert(provider.alias.clone(), evaluator.grant(permission, &about));
            }
            provider.is_none()
        } else if name == "admin-impersonating.permission.users" {
            let about = About { resource: "Users".to_owned(), kind: "Users", scope: "impersonate" };
            grants.impersonation = Some(evaluator.grant(permission, &about));
            false
        } else if name == "user-impersonated.permission.users" {
            grants.users_restricted = permission.has("applyPolicies");
            false
        } else {
            permission.list("scopes").is_some_and(|all| all.iter().any(|one| one == "token-exchange"))
        };
        if orphan {
            grants.orphans.push(name.to_owned());
        }
    }
    grants.orphans.sort();
    grants
}

/// Why none of the permissions is in force.
fn void(realm: &ExportedRealm, settings: &Authorization) -> Option<&'static str> {
    if realm.uncertain.is_some() {
        realm.uncertain
    } else if realm.enabled == Some(false) {
        Some("the realm is disabled: it allows nothing")
    } else if realm.admin_permissions_enabled == Some(true) {
        Some(V2)
    } else if settings.policy_enforcement_mode.as_deref() != Some("ENFORCING") {
        Some("the policy enforcement mode of realm-management is not ENFORCING")
    } else {
        None
    }
}
