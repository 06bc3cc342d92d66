//! Objects of operators that keep realms, clients and permissions of V1 as YAML.
//!
//! An operator tells Keycloak what to store, so its objects become the export that Keycloak would write: clients, policies,
//! and the permission of each client. What an object refers to and the documents don't have is not understood, and grants
//! nothing.

mod crossplane;
mod draft;
mod edp;
mod hostzero;
mod object;

use std::collections::BTreeSet;

use serde_json::Value;

use self::draft::{DELETED, Drafts};
use self::object::{KubernetesObject, text};
use super::export::ExportedRealm;
use super::finding::{FindingKind, MigrationFinding};

/// The objects that were read so far.
#[derive(Default)]
pub(super) struct OperatorObjects {
    objects: Vec<KubernetesObject>,
    /// Kinds that concern no permission: `KIND (GROUP)`.
    others: BTreeSet<String>,
}

impl OperatorObjects {
    /// Adds an object, or the objects of a list as `kubectl get` writes it. False if no object is an operator's.
    pub(super) fn add(&mut self, document: &str, value: Value) -> bool {
        if let Some(Value::Array(items)) = value.get("items") {
            let items = items.clone();
            return items.into_iter().fold(false, |known, item| self.add(document, item) | known);
        }
        let Some(object) = KubernetesObject::read(document, value) else { return false };
        let known = object.is_crossplane() || [edp::GROUP, hostzero::GROUP, KEYCLOAK].contains(&object.group.as_str());
        if known {
            self.objects.push(object);
        }
        known
    }

    /// The realms that the objects describe, each with the document that named the realm first.
    pub(super) fn realms(mut self, findings: &mut Vec<MigrationFinding>) -> Vec<(String, ExportedRealm)> {
        let mut drafts = Drafts::default();
        let (crossplane, others): (Vec<_>, Vec<_>) = self.objects.drain(..).partition(KubernetesObject::is_crossplane);
        let (edp, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|object| object.group == edp::GROUP);
        let (hostzero, imports): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|object| object.group == hostzero::GROUP);
        for object in imports {
            self.import(&mut drafts, &object, findings);
        }
        crossplane::read(&mut drafts, &crossplane, &mut self.others, findings);
        edp::read(&mut drafts, &edp, &mut self.others, findings);
        hostzero::read(&mut drafts, &hostzero, &mut self.others, findings);
        if !self.others.is_empty() {
            let kinds = self.others.into_iter().collect::<Vec<_>>().join(", ");
            let text = format!("are not about who may exchange, and were not read: {kinds}");
            findings.push(MigrationFinding::new(FindingKind::Note, "objects of these kinds", text));
        }
        drafts.finish()
    }

    /// Keycloak's own operator: the whole realm in an object.
    fn import(&mut self, drafts: &mut Drafts, object: &KubernetesObject, findings: &mut Vec<MigrationFinding>) {
        if object.kind != "KeycloakRealmImport" {
            self.others.insert(object.shown_kind());
            return;
        }
        if let Some(reason) = object.unenforced() {
            if let Some(name) = object.spec.get("realm").and_then(|realm| text(realm, "realm")) {
                drafts.of(&object.document, name).doubt(DELETED);
            }
            findings.push(object.not_carried_over(reason));
            return;
        }
        let realm = object.spec.get("realm").cloned().unwrap_or_default();
        match serde_json::from_value::<ExportedRealm>(realm) {
            Ok(realm) if !realm.name.is_empty() => drafts.whole(&object.document, realm),
            _ => findings.push(object.not_carried_over("its realm can't be read")),
        }
    }
}

/// The group of Keycloak's own operator.
const KEYCLOAK: &str = "k8s.keycloak.org";
