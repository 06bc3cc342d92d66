//! YAML as a tree of keys and values with their lines and columns.
//!
//! The files go through this tree and not directly into their types, so that one run can name every problem.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_saphyr::options::{AliasLimits, DuplicateKeyPolicy, MergeKeyPolicy};
use serde_saphyr::{DefaultMessageFormatter, Error, MessageFormatter, Options, Spanned};

/// Largest file that Cambio parses. A thousand permissions have about 200 KiB.
pub(super) const MAX_BYTES: usize = 1 << 20;
/// Deepest nesting. The types need nine levels; the limit keeps the recursion of readers small.
const MAX_DEPTH: usize = 32;
/// Most values of one file, including those that aliases repeat: stops alias bombs.
const MAX_NODES: usize = 100_000;

/// A place in a file; both count from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) line: u64,
    pub(super) column: u64,
}

/// A value and where it is.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Location,
    pub(super) value: Value,
    /// The text came at least partly from the environment: it may be a secret, and messages do not quote it.
    pub(super) expanded: bool,
    /// A problem of this value is already reported; further ones would only follow from it.
    pub(super) broken: bool,
    /// The preset that the value came from. Its place is then that of the preset's name.
    pub(super) preset: Option<&'static str>,
}

/// A YAML value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(NodeKey, Node)>),
}

/// A key of a mapping and where it is.
#[derive(Clone, Debug)]
pub(super) struct NodeKey {
    pub(super) place: Location,
    pub(super) text: String,
}

/// Reads one YAML document. The error has the place and the reason, without the text of the file.
pub(super) fn parse(bytes: &[u8]) -> Result<Node, (Location, String)> {
    let start = Location { line: 1, column: 1 };
    if bytes.len() > MAX_BYTES {
        return Err((start, format!("larger than {MAX_BYTES} bytes")));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.split(|byte| *byte == b'\n').count() as u64;
        (Location { line, column: 1 }, "not UTF-8".to_owned())
    })?;
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let place = error.location().map_or(start, |at| Location { line: at.line(), column: at.column() });
        (if place.line == 0 { start } else { place }, message(&error))
    })
}

impl Node {
    /// The value as JSON.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Number(value) => value.clone().into(),
            Value::Text(value) => value.as_str().into(),
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(entries) => entries.iter().map(|(key, value)| (key.text.clone(), value.to_json())).collect(),
        }
    }

    /// The value as JSON for operators to see: without what came from the environment.
    pub(super) fn to_shown_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Text(_) if self.expanded => "the value from the environment".into(),
            Value::List(items) => items.iter().map(Node::to_shown_json).collect(),
            Value::Map(entries) => {
                entries.iter().map(|(key, value)| (key.text.clone(), value.to_shown_json())).collect()
            }
            _ => self.to_json(),
        }
    }

    /// `value` for a message: quoted, unless it came from the environment.
    pub(super) fn shown(&self, value: &str) -> String {
        if self.expanded { "the value from the environment".to_owned() } else { format!("{value:?}") }
    }

    /// The value under `key`, if this is a mapping that has it.
    pub(super) fn field(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(k, _)| k.text == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The value at `index`, if this is a list that has it.
    pub(super) fn item(&self, index: usize) -> Option<&Node> {
        match &self.value {
            Value::List(items) => items.get(index),
            _ => None,
        }
    }
}

fn options() -> Options {
    let mut options = Options::default();
    // Duplicates are reported by the shape check, all of them and with both lines.
    options.duplicate_keys = DuplicateKeyPolicy::PassThrough;
    // `<<` overrides silently; nothing in these files needs it.
    options.merge_keys = MergeKeyPolicy::Error;
    options.strict_booleans = true;
    options.reject_unsupported_tags = true;
    options.with_snippet = false;
    let mut limits = AliasLimits::default();
    limits.max_total_replayed_events = MAX_NODES;
    options.alias_limits = limits;
    if let Some(budget) = &mut options.budget {
        budget.max_depth = MAX_DEPTH;
        budget.max_nodes = MAX_NODES;
    }
    options
}

/// The parser's message without the place, which has its own fields.
fn message(error: &Error) -> String {
    match error.without_snippet() {
        Error::MultipleDocuments { .. } => return "more than one YAML document in the file".to_owned(),
        Error::MergeKeyNotAllowed { .. } => return "\"<<\" is not accepted: write the keys out".to_owned(),
        _ => {}
    }
    let text = DefaultMessageFormatter.format_message(error.without_snippet()).into_owned();
    text.replace('\n', " ")
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { place: place(&spanned), value: spanned.value, expanded: false, broken: false, preset: None })
    }
}

fn place<T>(spanned: &Spanned<T>) -> Location {
    Location { line: spanned.referenced.line(), column: spanned.referenced.column() }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<Spanned<String>>()? {
            let value = access.next_value()?;
            entries.push((NodeKey { place: place(&key), text: key.value }, value));
        }
        Ok(Value::Map(entries))
    }
}
