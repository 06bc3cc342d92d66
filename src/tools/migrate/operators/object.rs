//! An object of Kubernetes, as far as operators use it.

use serde_json::Value;

use crate::tools::migrate::finding::{FindingKind, MigrationFinding};

/// One object.
pub(super) struct KubernetesObject {
    /// The document in which the object is.
    pub(super) document: String,
    /// The API group, without the version.
    pub(super) group: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) spec: Value,
    pub(super) status: Value,
    /// Whether somebody deleted the object, and the operator has yet to follow.
    pub(super) deleted: bool,
    annotations: Value,
}

impl KubernetesObject {
    /// Reads an object; none without a group, a kind or a name.
    pub(super) fn read(document: &str, mut value: Value) -> Option<Self> {
        let group = value.get("apiVersion")?.as_str()?.split_once('/')?.0.to_owned();
        let kind = value.get("kind")?.as_str()?.to_owned();
        let name = value.pointer("/metadata/name")?.as_str()?.to_owned();
        let deleted = value.pointer("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null());
        let annotations = value.pointer("/metadata/annotations").cloned().unwrap_or_default();
        let mut part = |key: &str| value.get_mut(key).map(Value::take).unwrap_or_default();
        let (spec, status) = (part("spec"), part("status"));
        Some(Self { document: document.to_owned(), group, kind, name, spec, status, deleted, annotations })
    }

    /// Whether the object belongs to Crossplane's provider: its groups are `X.keycloak.crossplane.io`, and
    /// `X.keycloak.m.crossplane.io` for objects in namespaces.
    pub(super) fn is_crossplane(&self) -> bool {
        [".keycloak.crossplane.io", ".keycloak.m.crossplane.io"].iter().any(|end| self.group.ends_with(end))
    }

    /// Why the operator does not enforce what the object says; none if it does.
    pub(super) fn unenforced(&self) -> Option<&'static str> {
        if self.deleted {
            return Some("is being deleted");
        }
        if !self.is_crossplane() {
            return None;
        }
        if self.annotation("crossplane.io/paused") == Some("true") {
            return Some("is paused: the operator does not enforce it");
        }
        // Without the list, the operator does everything.
        self.spec.get("managementPolicies").filter(|policies| !policies.is_null())?;
        let policies = texts(&self.spec, "managementPolicies").unwrap_or_default();
        let enforced = policies.iter().any(|policy| ["*", "Create", "Update"].contains(&policy.as_str()));
        (!enforced).then_some("its managementPolicies let the operator neither create nor update it")
    }

    /// The kind and its group, for a report.
    pub(super) fn shown_kind(&self) -> String {
        format!("{} ({})", self.kind.escape_debug(), self.group.escape_debug())
    }

    /// A finding: something of the object grants nothing.
    pub(super) fn not_carried_over(&self, text: &str) -> MigrationFinding {
        let about = format!("{} {:?}", self.kind.escape_debug(), self.name);
        MigrationFinding::new(FindingKind::NotCarriedOver, about, text)
    }

    /// A text of an annotation.
    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.get(name)?.as_str()
    }
}

/// A text member that is not empty.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str().filter(|text| !text.is_empty())
}

/// The texts of a list. None if the list has anything else, or is none; an absent list is empty.
pub(super) fn texts(value: &Value, key: &str) -> Option<Vec<String>> {
    match value.get(key) {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        Some(_) => None,
    }
}

/// The name of the realm that an object of one of these kinds has under `key`. Without the realm's object, the name of the
/// object is the best that is known. None if several objects have the name: they are in different namespaces.
pub(super) fn realm_name(
    objects: &[KubernetesObject],
    is_realm: impl Fn(&KubernetesObject) -> bool,
    name: &str,
    value: impl Fn(&KubernetesObject) -> Option<String>,
) -> Option<String> {
    let mut found = objects.iter().filter(|one| one.name == name && is_realm(one));
    match (found.next(), found.next()) {
        (None, _) => Some(name.to_owned()),
        (Some(realm), None) => value(realm),
        (Some(_), Some(_)) => None,
    }
}
