//! The parameters of an object of Crossplane's provider, with its references.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::tools::migrate::operators::object::{KubernetesObject, text, texts};

/// `forProvider`, completed from `initProvider`.
pub(super) struct Parameters<'a> {
    for_provider: Option<&'a Value>,
    init_provider: Option<&'a Value>,
}

impl<'a> Parameters<'a> {
    pub(super) fn of(object: &'a KubernetesObject) -> Self {
        Self { for_provider: object.spec.get("forProvider"), init_provider: object.spec.get("initProvider") }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        let of = |part: Option<&'a Value>| part?.get(key).filter(|value| !value.is_null());
        of(self.for_provider).or_else(|| of(self.init_provider))
    }

    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.get(key)?.as_str().filter(|text| !text.is_empty())
    }

    /// The texts of a list. None if it is no list of texts; an absent list is empty.
    pub(super) fn texts(&self, key: &str) -> Option<Vec<String>> {
        self.get(key).map_or_else(|| Some(Vec::new()), list_of_texts)
    }

    /// The name of the object to which `KEYRef` points.
    pub(super) fn reference(&self, key: &str) -> Option<&'a str> {
        text(self.get(&format!("{key}Ref"))?, "name")
    }

    /// The names of the objects to which a list of references points.
    pub(super) fn references(&self, key: &str) -> Option<Vec<&'a str>> {
        let Some(value) = self.get(key) else { return Some(Vec::new()) };
        value.as_array()?.iter().map(|one| text(one, "name")).collect()
    }

    /// The keys with a list of references, or with a selector.
    pub(super) fn reference_keys(&self) -> BTreeSet<&'a str> {
        let members = [self.for_provider, self.init_provider].into_iter().flatten().filter_map(Value::as_object);
        let keys = members.flat_map(|members| members.keys()).map(String::as_str);
        keys.filter(|key| key.ends_with("Refs") || key.ends_with("Selector")).collect()
    }

    /// What `key` names: an id of Keycloak, or what `KEYRef` is resolved to. None if they contradict each other, or if a
    /// selector chooses.
    pub(super) fn named(&self, key: &str, resolve: impl Fn(&str) -> Option<String>) -> Option<String> {
        let referred = self.reference(key).and_then(resolve);
        match self.text(key) {
            Some(written) if referred.as_deref().is_none_or(|referred| referred == written) => Some(written.to_owned()),
            Some(_) => None,
            None => referred,
        }
    }

    /// Like [`named`](Self::named), for a list and its `KEYRefs`.
    pub(super) fn all_named(&self, key: &str, resolve: impl Fn(&str) -> Option<String>) -> Option<Vec<String>> {
        let written = self.texts(key)?;
        let references = self.references(&format!("{key}Refs"))?;
        let referred: Option<Vec<String>> = references.into_iter().map(resolve).collect();
        let set = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
        match referred {
            _ if written.is_empty() && self.get(&format!("{key}Selector")).is_some() => None,
            Some(referred) if written.is_empty() => Some(referred),
            Some(referred) if referred.is_empty() || set(&referred) == set(&written) => Some(written),
            Some(_) => None,
            // The provider writes what references mean into the list: so it is when the object was read from a cluster.
            None => Some(written).filter(|written| !written.is_empty()),
        }
    }

    /// The policies of the permission for token exchange, and how they decide together: Keycloak's own default is UNANIMOUS.
    /// None if the permission has anything that is not understood.
    pub(super) fn exchange_scope(&self) -> Option<(Vec<String>, String)> {
        let scope = match self.get("tokenExchangeScope") {
            None => return Some((Vec::new(), UNANIMOUS.to_owned())),
            Some(Value::Array(scopes)) if scopes.is_empty() => return Some((Vec::new(), UNANIMOUS.to_owned())),
            Some(Value::Array(scopes)) => scopes.first().filter(|_| scopes.len() == 1)?,
            Some(scope) => scope,
        };
        let known = |key: &String| ["policies", "decisionStrategy", "description"].contains(&key.as_str());
        let policies =
            scope.as_object().filter(|members| members.keys().all(known)).and_then(|_| texts(scope, "policies"))?;
        Some((policies, text(scope, "decisionStrategy").unwrap_or(UNANIMOUS).to_owned()))
    }
}

const UNANIMOUS: &str = "UNANIMOUS";

fn list_of_texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}
