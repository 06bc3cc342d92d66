//! `cambio.yaml` as a list of settings: every value with its place, defaults and presets included.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::tree::{Node, Value};
use crate::adapters::config::file::value::{duration, size_of};

/// The names of the mappings that a setting is in, and the setting's own name.
pub type SettingPath = Vec<String>;

/// A setting that is no mapping.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The value, for comparisons: two ways to write one duration are equal. It may hold a secret.
    pub meaning: Json,
    /// The value for people to see, without secrets.
    pub shown: Json,
    /// The line, from 1; 0 if the value is a default.
    pub line: u64,
}

/// The settings of the tree, which fits the schema.
pub(super) fn settings(tree: &Node, schema: &Json) -> BTreeMap<SettingPath, Setting> {
    let mut flat = Flat { root: schema, path: Vec::new(), settings: BTreeMap::new() };
    flat.add(Some(tree), schema);
    flat.settings
}

struct Flat<'a> {
    root: &'a Json,
    path: SettingPath,
    settings: BTreeMap<SettingPath, Setting>,
}

impl<'a> Flat<'a> {
    /// Adds the value under the path; `None`: the file does not have it.
    fn add(&mut self, node: Option<&Node>, written: &'a Json) {
        let schema = self.resolve(written);
        match (node, node.map(|node| &node.value)) {
            (_, Some(Value::Map(entries))) => {
                self.properties(node, schema);
                let others = &schema["additionalProperties"];
                let known = |name: &str| schema["properties"].get(name).is_some();
                for (key, value) in entries.iter().filter(|(key, _)| others.is_object() && !known(&key.text)) {
                    self.below(&key.text, |flat| flat.add(Some(value), others));
                }
            }
            (Some(node), _) => {
                let shown = without_secrets(self.path.last().map_or("", String::as_str), node.to_shown_json());
                self.insert(Setting { meaning: meaning(node.to_json(), schema), shown, line: node.place.line });
            }
            (None, _) => match &written["default"] {
                Json::Null | Json::Object(_) => self.properties(None, schema),
                value => {
                    self.insert(Setting { meaning: meaning(value.clone(), schema), shown: value.clone(), line: 0 });
                }
            },
        }
    }

    fn properties(&mut self, node: Option<&Node>, schema: &'a Json) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            self.below(name, |flat| flat.add(node.and_then(|node| node.field(name)), property));
        }
    }

    fn below(&mut self, name: &str, add: impl FnOnce(&mut Self)) {
        self.path.push(name.to_owned());
        add(self);
        self.path.pop();
    }

    fn insert(&mut self, setting: Setting) {
        self.settings.insert(self.path.clone(), setting);
    }

    fn resolve(&self, schema: &'a Json) -> &'a Json {
        let path = schema["$ref"].as_str().and_then(|path| path.strip_prefix('#'));
        path.and_then(|path| self.root.pointer(path)).unwrap_or(schema)
    }
}

/// Durations and sizes have a unit, and several ways to be written.
fn meaning(value: Json, schema: &Json) -> Json {
    let number = match (schema["title"].as_str(), value.as_str()) {
        (Some("duration"), Some(text)) => duration(text).map(|duration| json!(duration.as_secs_f64())),
        (Some("size"), Some(text)) => size_of(text).map(|bytes| json!(bytes)),
        _ => None,
    };
    number.unwrap_or(value)
}

/// Whoever reads a comparison need not read secrets and their hashes, wherever they are written. The name of a file is no
/// secret.
fn without_secrets(key: &str, value: Json) -> Json {
    let key = key.to_ascii_lowercase();
    let is_secret = ["secret", "password", "hash"].iter().any(|word| key.contains(word)) && !key.ends_with("file");
    match value {
        Json::String(_) if is_secret => "(not shown)".into(),
        Json::Array(items) => items.into_iter().map(|item| without_secrets(&key, item)).collect(),
        Json::Object(entries) => {
            let shown = entries.into_iter().map(|(key, value)| {
                let value = without_secrets(&key, value);
                (key, value)
            });
            shown.collect::<Map<_, _>>().into()
        }
        other => other,
    }
}
