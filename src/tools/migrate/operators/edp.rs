//! Objects of EPAM's `edp-keycloak-operator`.
//!
//! `KeycloakClient` has the switch `adminFineGrainedPermissionsEnabled` and the policies of each permission in
//! `permission.scopePermissions`. The policies themselves are in `authorization.policies` of the object whose `clientId` is
//! `realm-management`. The operator updates a permission without a decision strategy, which Keycloak takes for UNANIMOUS.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::draft::{DELETED, Draft, Drafts, PermittedResource};
use super::object::{KubernetesObject, realm_name, text, texts};
use crate::tools::migrate::export::{ExportedClient, ExportedPolicy, ExportedUser, IdentityProvider};
use crate::tools::migrate::finding::MigrationFinding;

/// The API group.
pub(super) const GROUP: &str = "v1.edp.epam.com";

/// Adds what the objects say to their realms.
pub(super) fn read(
    drafts: &mut Drafts,
    objects: &[KubernetesObject],
    others: &mut BTreeSet<String>,
    findings: &mut Vec<MigrationFinding>,
) {
    for object in objects {
        let read: fn(&mut Draft, &KubernetesObject, &mut Vec<MigrationFinding>) = match object.kind.as_str() {
            "KeycloakRealm" | "ClusterKeycloakRealm" => realm,
            "KeycloakClient" => client,
            "KeycloakClientScope" => client_scope,
            "KeycloakRealmIdentityProvider" => identity_provider,
            _ => {
                others.insert(object.shown_kind());
                continue;
            }
        };
        match realm_of(object, objects) {
            Some(realm) => {
                let draft = drafts.of(&object.document, &realm);
                if let Some(reason) = object.unenforced() {
                    skip(draft, object);
                    findings.push(object.not_carried_over(reason));
                } else {
                    read(draft, object, findings);
                }
            }
            None => findings.push(object.not_carried_over("says no realm")),
        }
    }
}

/// The realm's name: the object's own, `targetRealm`, or the name in the object to which `realmRef` points.
fn realm_of(object: &KubernetesObject, objects: &[KubernetesObject]) -> Option<String> {
    if let Some(name) = text(&object.spec, "realmName").or_else(|| text(&object.spec, "targetRealm")) {
        return Some(name.to_owned());
    }
    let reference = object.spec.get("realmRef")?;
    let name = text(reference, "name").or_else(|| text(&object.spec, "realm"))?;
    let kind = text(reference, "kind").unwrap_or("KeycloakRealm");
    realm_name(objects, |one| one.kind == kind, name, |realm| text(&realm.spec, "realmName").map(str::to_owned))
}

/// Adds what an object is good for that is being deleted: it grants nothing.
fn skip(draft: &mut Draft, object: &KubernetesObject) {
    let management = Some(draft.realm.management_name());
    match object.kind.as_str() {
        "KeycloakRealm" | "ClusterKeycloakRealm" => draft.doubt(DELETED),
        "KeycloakClient" if text(&object.spec, "clientId") == management => draft.doubt(DELETED),
        "KeycloakClientScope" => draft.silent_scope(text(&object.spec, "name").unwrap_or_default()),
        _ => (),
    }
}

/// The switches of a realm. The operator's own objects have none so far, and Keycloak's defaults hold.
fn realm(draft: &mut Draft, object: &KubernetesObject, findings: &mut Vec<MigrationFinding>) {
    let (enabled, v2) = (object.spec.get("enabled"), object.spec.get("adminPermissionsEnabled"));
    if let Err(problem) = draft.switches(enabled, v2) {
        findings.push(object.not_carried_over(problem));
    }
}

fn client(draft: &mut Draft, object: &KubernetesObject, findings: &mut Vec<MigrationFinding>) {
    let spec = &object.spec;
    let Some(name) = text(spec, "clientId") else {
        findings.push(object.not_carried_over("says no clientId"));
        return;
    };
    let id = text(&object.status, "clientId").unwrap_or(name).to_owned();
    let document = json!({
        "id": id,
        "clientId": name,
        "enabled": spec.get("enabled"),
        "bearerOnly": spec.get("bearerOnly"),
        "publicClient": spec.get("public"),
        "protocol": spec.get("protocol"),
        "attributes": spec.get("attributes"),
        "defaultClientScopes": spec.get("defaultClientScopes"),
        "optionalClientScopes": spec.get("optionalClientScopes"),
    });
    match serde_json::from_value::<ExportedClient>(document) {
        Ok(client) => draft.realm.clients.push(client),
        Err(_) => findings.push(object.not_carried_over("can't be read")),
    }
    draft.roles(name, &texts(spec, "clientRoles").unwrap_or_default());
    draft.realm.users.extend(service_account(name, spec));
    if name == draft.realm.management_name() {
        let policies = spec.pointer("/authorization/policies").and_then(Value::as_array).into_iter().flatten();
        for one in policies {
            draft.policy(policy(one));
        }
        for one in spec.pointer("/authorization/permissions").and_then(Value::as_array).into_iter().flatten() {
            draft.policy(other_permission(one));
        }
    }
    permission(draft, object, PermittedResource::Client, &id, findings);
}

fn identity_provider(draft: &mut Draft, object: &KubernetesObject, findings: &mut Vec<MigrationFinding>) {
    let Some(alias) = text(&object.spec, "alias") else {
        findings.push(object.not_carried_over("says no alias"));
        return;
    };
    let provider = IdentityProvider { alias: alias.to_owned(), internal_id: alias.to_owned() };
    draft.realm.identity_providers.push(provider);
    permission(draft, object, PermittedResource::IdentityProvider, alias, findings);
}

fn client_scope(draft: &mut Draft, object: &KubernetesObject, findings: &mut Vec<MigrationFinding>) {
    let document = json!({"name": object.spec.get("name"), "attributes": object.spec.get("attributes")});
    match serde_json::from_value(document) {
        Ok(scope) => draft.realm.client_scopes.push(scope),
        Err(_) => findings.push(object.not_carried_over("can't be read")),
    }
}

/// The permission to exchange, if permissions are switched on. Without the operator's list it has no policies.
fn permission(
    draft: &mut Draft,
    object: &KubernetesObject,
    target: PermittedResource,
    id: &str,
    findings: &mut Vec<MigrationFinding>,
) {
    let permissions = object.spec.pointer("/permission/scopePermissions").and_then(Value::as_array);
    let mut exchange = permissions.into_iter().flatten().filter(|one| text(one, "name") == Some("token-exchange"));
    let listed = exchange.next();
    if object.spec.get("adminFineGrainedPermissionsEnabled") != Some(&Value::Bool(true)) {
        if listed.is_some() {
            findings.push(object.not_carried_over(
                "has policies for token exchange, but adminFineGrainedPermissionsEnabled is not true: the operator ignores them",
            ));
        }
        return;
    }
    let applied = listed.map_or_else(|| Some(Vec::new()), |one| texts(one, "policies"));
    match applied.filter(|_| exchange.next().is_none()) {
        Some(applied) => draft.permission(target, id, applied, "UNANIMOUS"),
        None => {
            findings.push(object.not_carried_over("its permission for token exchange is there twice or can't be read"));
        }
    }
}

/// A policy of `realm-management`. The operator's defaults are POSITIVE and UNANIMOUS.
fn policy(one: &Value) -> ExportedPolicy {
    let named = |at: &str, members: &str| {
        let list = one.get(at).and_then(|data| data.get(members)).and_then(Value::as_array);
        let name = |item: &Value| item.get("name").cloned();
        list.map(|list| list.iter().map(|item| json!({"id": name(item), "path": name(item)})).collect::<Vec<_>>())
    };
    let config = json!({
        "clients": one.pointer("/clientPolicy/clients"),
        "applyPolicies": one.pointer("/aggregatedPolicy/policies"),
        "roles": named("rolePolicy", "roles"),
        "groups": named("groupPolicy", "groups"),
        "groupsClaim": one.pointer("/groupPolicy/groupsClaim"),
    });
    let or = |key: &str, default: &str| {
        one.get(key).cloned().filter(|value| !value.is_null()).unwrap_or_else(|| default.into())
    };
    let document = json!({
        "name": one.get("name"),
        "type": one.get("type"),
        "logic": or("logic", "POSITIVE"),
        "decisionStrategy": or("decisionStrategy", "UNANIMOUS"),
        "config": config,
    });
    serde_json::from_value(document).unwrap_or_default()
}

/// A permission that somebody wrote beside those of V1. It may decide, too, so nothing is certain any more.
fn other_permission(one: &Value) -> ExportedPolicy {
    ExportedPolicy::positive("scope", text(one, "name").unwrap_or_default().to_owned(), [])
}

/// The roles of a client's service account.
fn service_account(client: &str, spec: &Value) -> Option<ExportedUser> {
    let account = spec.get("serviceAccount")?;
    let roles = account.get("clientRoles").and_then(Value::as_array).into_iter().flatten();
    let of_clients = roles.filter_map(|one| Some((text(one, "clientId")?.to_owned(), texts(one, "roles"))));
    Some(ExportedUser {
        service_account_client_id: Some(client.to_owned()),
        realm_roles: texts(account, "realmRoles").unwrap_or_default(),
        client_roles: of_clients.collect(),
        groups: texts(account, "groups").unwrap_or_default(),
    })
}
