//! Objects of Hostzero's `keycloak-operator`: each has a document of Keycloak in `definition`.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::draft::{DELETED, Draft, Drafts, UNREADABLE};
use super::object::{KubernetesObject, realm_name, text};
use crate::tools::migrate::export::{ClientScope, ExportedClient, ExportedRealm, IdentityProvider};
use crate::tools::migrate::finding::MigrationFinding;

/// The API group.
pub(super) const GROUP: &str = "keycloak.hostzero.com";

/// Adds what the objects say to their realms.
pub(super) fn read(
    drafts: &mut Drafts,
    objects: &[KubernetesObject],
    others: &mut BTreeSet<String>,
    findings: &mut Vec<MigrationFinding>,
) {
    // First the realms, so that clients come to a realm that is known.
    let (realms, rest): (Vec<_>, Vec<_>) = objects.iter().partition(|object| is_realm(object));
    for object in realms {
        let Some(name) = text(&object.spec, "realmName") else {
            findings.push(object.not_carried_over("says no realmName"));
            continue;
        };
        if let Some(reason) = object.unenforced() {
            drafts.of(&object.document, name).doubt(DELETED);
            findings.push(object.not_carried_over(reason));
        } else if let Some(realm) = definition::<ExportedRealm>(object, "realm", name) {
            drafts.whole(&object.document, realm);
        } else {
            drafts.of(&object.document, name).doubt(UNREADABLE);
            findings.push(object.not_carried_over("its definition can't be read"));
        }
    }
    for object in rest {
        if !["KeycloakClient", "KeycloakClientScope", "KeycloakIdentityProvider"].contains(&object.kind.as_str()) {
            others.insert(object.shown_kind());
            continue;
        }
        let Some(realm) = realm_of(object, objects) else {
            findings.push(object.not_carried_over("says no realm"));
            continue;
        };
        let draft = drafts.of(&object.document, &realm);
        if let Some(reason) = object.unenforced() {
            skip(draft, object);
            findings.push(object.not_carried_over(reason));
            continue;
        }
        let read = match object.kind.as_str() {
            "KeycloakClient" => text(&object.spec, "clientId")
                .and_then(|name| definition::<ExportedClient>(object, "clientId", name))
                .map(|client| draft.realm.clients.push(client.with_id(text(&object.status, "clientUUID")))),
            "KeycloakClientScope" => definition(object, "", "").map(|scope| draft.realm.client_scopes.push(scope)),
            _ => definition::<IdentityProvider>(object, "", "")
                .map(|provider| draft.realm.identity_providers.push(provider)),
        };
        if read.is_none() {
            findings.push(object.not_carried_over("can't be read"));
        }
    }
}

/// Adds what an object is good for that is being deleted: it grants nothing.
fn skip(draft: &mut Draft, object: &KubernetesObject) {
    let management = Some(draft.realm.management_name());
    if object.kind == "KeycloakClient" && text(&object.spec, "clientId") == management {
        draft.doubt(DELETED);
    } else if object.kind == "KeycloakClientScope"
        && let Some(scope) = definition::<ClientScope>(object, "", "")
    {
        draft.silent_scope(&scope.name);
    }
}

fn is_realm(object: &KubernetesObject) -> bool {
    matches!(object.kind.as_str(), "KeycloakRealm" | "ClusterKeycloakRealm")
}

/// The document in `definition`, with the name that stands beside it.
fn definition<T: DeserializeOwned>(object: &KubernetesObject, key: &str, name: &str) -> Option<T> {
    let mut document = object.spec.get("definition").cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    if !key.is_empty() {
        document.as_object_mut()?.insert(key.to_owned(), name.into());
    }
    serde_json::from_value(document).ok()
}

/// The realm's name, from the object to which `realmRef` or `clusterRealmRef` points.
fn realm_of(object: &KubernetesObject, objects: &[KubernetesObject]) -> Option<String> {
    let (kind, key) = match object.spec.get("realmRef") {
        Some(reference) if !reference.is_null() => ("KeycloakRealm", "realmRef"),
        _ => ("ClusterKeycloakRealm", "clusterRealmRef"),
    };
    let name = text(object.spec.get(key)?, "name")?;
    realm_name(objects, |one| one.kind == kind, name, |realm| text(&realm.spec, "realmName").map(str::to_owned))
}
