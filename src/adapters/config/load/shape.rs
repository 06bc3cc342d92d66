//! Checks keys, types and scalars of a file against the JSON Schema of its type: every problem at once, with its place.
//!
//! The walk understands only what the schemas of [`crate::adapters::config::schema`] use: `properties`, `required`,
//! `additionalProperties`, `propertyNames`, `items`, `type`, `enum`, `const` in `oneOf`, `$ref`, and what
//! [`limits`] checks.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::LazyLock;

use serde_json::{Map, Value as Json};

use super::closest::closest;
use super::limits;
use super::problem::{ProblemList, join};
use super::tree::{Location, Node, NodeKey, Value};

/// Checks `root` and mends what is safe to mend for the checks that follow: an unknown key becomes the key that was likely
/// meant, or is removed. Returns whether the tree now fits the type.
pub(super) fn check(root: &mut Node, schema: &Json, report: &ProblemList) -> bool {
    let mut walk = Walk { root: schema, report, fits: true, key: String::new() };
    walk.node(root, schema);
    walk.fits
}

static NO_PROPERTIES: LazyLock<Map<String, Json>> = LazyLock::new(Map::new);

struct Walk<'a> {
    root: &'a Json,
    report: &'a ProblemList,
    fits: bool,
    /// The key of the value that is being checked, with its parents.
    key: String,
}

impl<'a> Walk<'a> {
    fn node(&mut self, node: &mut Node, schema: &'a Json) {
        let schema = self.resolve(schema);
        if let Some(options) = options(schema) {
            return self.one_of(node, &options);
        }
        let place = node.place;
        let wanted = types(schema);
        let found = type_name(&node.value);
        let fits = wanted.is_empty() || wanted.contains(&found) || found == "integer" && wanted.contains(&"number");
        if !fits {
            return self.wrong(place, wrong_type(&wanted, &node.value));
        }
        match &mut node.value {
            Value::Map(entries) => self.map(entries, schema, place),
            Value::List(items) => {
                let (schema, parent) = (&schema["items"], self.key.len());
                for (index, item) in items.iter_mut().enumerate() {
                    // Writing into a text does not fail.
                    let _ = write!(self.key, "[{index}]");
                    self.node(item, schema);
                    self.key.truncate(parent);
                }
            }
            Value::Number(number) if number.as_i64().is_some_and(|n| n < 0) => {
                // No number of the types is negative.
                self.fits &= schema.get("minimum").is_none();
            }
            _ => {}
        }
        self.limits(node, schema);
    }

    /// What the schema says beyond the type. The types take a value outside of the limits, so the check goes on.
    fn limits(&mut self, node: &mut Node, schema: &Json) {
        if !node.broken
            && let Some(message) = limits::wrong(node, schema)
        {
            self.report.problem(node.place, &self.key, message);
            node.broken = true;
        }
    }

    fn map(&mut self, entries: &mut Vec<(NodeKey, Node)>, schema: &'a Json, place: Location) {
        self.duplicates(entries);
        let properties = schema["properties"].as_object().unwrap_or(&NO_PROPERTIES);
        let others = schema.get("additionalProperties").filter(|others| others.is_object());
        if others.is_none() {
            self.unknown(entries, properties);
        }
        for (key, value) in entries.iter_mut() {
            self.below(&key.text, |walk| {
                if let Some(message) = limits::wrong_name(&key.text, schema) {
                    walk.report.problem(value.place, &walk.key, message);
                }
                if let Some(schema) = properties.get(&key.text).or(others) {
                    walk.node(value, schema);
                }
            });
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str) {
            if !entries.iter().any(|(key, _)| key.text == name) {
                self.below(name, |walk| walk.wrong(place, "is missing"));
            }
        }
    }

    /// Goes on with the key of an entry.
    fn below(&mut self, name: &str, check: impl FnOnce(&mut Self)) {
        let parent = self.key.len();
        if parent > 0 {
            self.key.push('.');
        }
        self.key.push_str(name);
        check(self);
        self.key.truncate(parent);
    }

    fn duplicates(&mut self, entries: &mut Vec<(NodeKey, Node)>) {
        let mut names = HashSet::with_capacity(entries.len());
        if entries.iter().all(|(key, _)| names.insert(key.text.as_str())) {
            return;
        }
        let mut seen: HashMap<String, u64> = HashMap::new();
        entries.retain(|(key, _)| {
            if let Some(line) = seen.get(&key.text) {
                let message = format!("is given twice, first in line {line}");
                self.report.problem(key.place, &join(&self.key, &key.text), message);
                return false;
            }
            seen.insert(key.text.clone(), key.place.line);
            true
        });
    }

    fn unknown(&mut self, entries: &mut Vec<(NodeKey, Node)>, properties: &Map<String, Json>) {
        if entries.iter().all(|(key, _)| properties.contains_key(&key.text)) {
            return;
        }
        let taken: HashSet<String> = entries.iter().map(|(key, _)| key.text.clone()).collect();
        for (key, _) in entries.iter_mut().filter(|(key, _)| !properties.contains_key(&key.text)) {
            let meant = closest(&key.text, properties.keys().map(String::as_str));
            let message = match meant {
                Some(meant) => format!("unknown key; did you mean {meant:?}?"),
                None => {
                    format!("unknown key; known here: {}", properties.keys().cloned().collect::<Vec<_>>().join(", "))
                }
            };
            self.report.problem(key.place, &join(&self.key, &key.text), message);
            if let Some(meant) = meant.filter(|meant| !taken.contains(*meant)) {
                meant.clone_into(&mut key.text);
            }
        }
        let mut kept: HashSet<String> = HashSet::new();
        entries.retain(|(key, _)| properties.contains_key(&key.text) && kept.insert(key.text.clone()));
    }

    fn one_of(&mut self, node: &Node, options: &[&str]) {
        if node.broken {
            self.fits = false;
            return;
        }
        let message = match &node.value {
            Value::Text(text) if options.contains(&text.as_str()) => return,
            Value::Text(text) => match closest(text, options.iter().copied()) {
                Some(meant) if !node.expanded => format!("{text:?} is not known; did you mean {meant:?}?"),
                _ => format!("must be {}", options.join(" or ")),
            },
            other => format!("must be {}, not {}", options.join(" or "), describe(type_name(other))),
        };
        self.wrong(node.place, message);
    }

    fn wrong(&mut self, place: Location, message: impl Into<String>) {
        self.fits = false;
        self.report.problem(place, &self.key, message);
    }

    /// Follows `$ref`.
    fn resolve(&self, schema: &'a Json) -> &'a Json {
        let path = schema["$ref"].as_str().and_then(|path| path.strip_prefix('#'));
        path.and_then(|path| self.root.pointer(path)).unwrap_or(schema)
    }
}

/// The texts that an enumeration allows.
fn options(schema: &Json) -> Option<Vec<&str>> {
    if let Some(values) = schema["enum"].as_array() {
        return Some(values.iter().filter_map(Json::as_str).collect());
    }
    if let Some(value) = schema["const"].as_str() {
        return Some(vec![value]);
    }
    schema["oneOf"].as_array()?.iter().map(|one| one["const"].as_str()).collect()
}

fn types(schema: &Json) -> Vec<&str> {
    match &schema["type"] {
        Json::String(one) => vec![one],
        Json::Array(several) => several.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::Text(_) => "string",
        Value::List(_) => "array",
        Value::Map(_) => "object",
    }
}

fn wrong_type(wanted: &[&str], found: &Value) -> String {
    let wants: Vec<&str> = wanted.iter().map(|name| describe(name)).collect();
    let hint = match found {
        Value::Bool(_) | Value::Number(_) if wanted == ["string"] => "; put it in quotes",
        Value::Text(_) if wanted == ["array"] => "; put it in [ ]",
        _ => "",
    };
    format!("must be {}, not {}{hint}", wants.join(" or "), describe(type_name(found)))
}

fn describe(name: &str) -> &str {
    match name {
        "null" => "nothing",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "text",
        "array" => "a list",
        "object" => "a mapping",
        other => other,
    }
}
