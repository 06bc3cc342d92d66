//! Lays presets under the entries of `issuers` that name one.
//!
//! What `cambio.yaml` says wins, key by key: mappings merge, every other value replaces the preset's.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::closest::closest;
use super::problem::join;
use super::tree::{Location, Node, NodeKey, Value};
use crate::adapters::config::presets::{self, Preset};

/// Lays each entry's preset under the entry. A misspelt name counts as the name that was likely meant: the check of the file
/// reports the name alone, and not also each key that its preset would have filled in.
pub(super) fn lay_under(root: &mut Node) {
    let Value::Map(keys) = &mut root.value else { return };
    let issuers = keys.iter_mut().filter(|(key, _)| key.text == "issuers");
    for (_, issuers) in issuers {
        let Value::Map(entries) = &mut issuers.value else { continue };
        for (_, entry) in entries {
            lay_under_entry(entry);
        }
    }
}

fn lay_under_entry(entry: &mut Node) {
    let Some(Node { place, value: Value::Text(name), .. }) = entry.field("preset") else { return };
    let Some(preset) = closest(name, presets::names()).and_then(Preset::named) else { return };
    let layer = Layer { name: preset.name, place: *place };
    let mut settings = preset.settings;
    if has_own_source(entry)
        && let Some(Json::Object(issuer)) = settings.get_mut("issuer")
    {
        issuer.remove("discoveryURL");
    }
    layer.merge(&mut entry.value, &settings);
}

/// Whether the entry says where the keys are, or that the issuer is another one: the preset's place of keys is not meant then.
fn has_own_source(entry: &Node) -> bool {
    let url = entry.field("issuer").and_then(|issuer| issuer.field("url"));
    url.is_some() || ["jwksURL", "jwksFile", "hmacSecretFile"].iter().any(|key| entry.field(key).is_some())
}

/// The preset that fills in, and the place of its name in the file.
#[derive(Clone, Copy)]
struct Layer {
    name: &'static str,
    place: Location,
}

impl Layer {
    /// Adds the keys of `lower` that `upper` does not have.
    fn merge(self, upper: &mut Value, lower: &Map<String, Json>) {
        let Value::Map(entries) = upper else { return };
        for (key, lower) in lower {
            match (entries.iter_mut().find(|(known, _)| known.text == *key), lower) {
                (Some((_, upper)), Json::Object(lower)) => self.merge(&mut upper.value, lower),
                (Some(_), _) => {}
                (None, _) => {
                    let key = NodeKey { place: self.place, text: key.clone() };
                    entries.push((key, self.node(lower)));
                }
            }
        }
    }

    fn node(self, value: &Json) -> Node {
        let value = match value {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(value) => Value::Number(value.clone()),
            Json::String(value) => Value::Text(value.clone()),
            Json::Array(items) => Value::List(items.iter().map(|item| self.node(item)).collect()),
            Json::Object(entries) => {
                let node = |(key, value): (&String, &Json)| {
                    (NodeKey { place: self.place, text: key.clone() }, self.node(value))
                };
                Value::Map(entries.iter().map(node).collect())
            }
        };
        Node { place: self.place, value, expanded: false, broken: false, preset: Some(self.name) }
    }
}

/// The keys below `node` whose values came from a preset.
pub(super) fn filled_in(node: &Node) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    collect(node, "", &mut keys);
    keys
}

fn collect(node: &Node, key: &str, keys: &mut BTreeSet<String>) {
    match &node.value {
        Value::Map(entries) => entries.iter().for_each(|(name, value)| collect(value, &join(key, &name.text), keys)),
        _ if node.preset.is_some() => {
            keys.insert(key.to_owned());
        }
        _ => {}
    }
}
