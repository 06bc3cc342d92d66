//! What a schema demands of values beyond their types: formats, ranges, and lists that are not empty.

use serde_json::Value as Json;

use super::format::{Misfit, check};
use super::tree::{Node, Value};
use crate::adapters::config::file::value::{duration, size_of};

/// What is wrong with `node` as far as `schema` limits it beyond its type.
pub(super) fn wrong(node: &Node, schema: &Json) -> Option<String> {
    match &node.value {
        Value::Text(text) => wrong_text(node, text, schema),
        Value::Number(number) => outside(number.as_i64().unwrap_or(i64::MAX), schema),
        Value::List(items) => wrong_count(items.len(), schema),
        Value::Map(entries) => wrong_count(entries.len(), schema),
        Value::Null | Value::Bool(_) => None,
    }
}

/// What is wrong with the name of an entry, if `schema` is that of a mapping by name.
pub(super) fn wrong_name(name: &str, schema: &Json) -> Option<String> {
    match checked(name, &schema["propertyNames"]).err()? {
        Misfit::Quoted(message) => Some(format!("{name:?} {message}")),
        Misfit::Alone(message) => Some(message),
    }
}

fn wrong_text(node: &Node, text: &str, schema: &Json) -> Option<String> {
    if text.is_empty() && schema.get("minLength").is_some() {
        return Some(empty(schema));
    }
    if let Err(misfit) = checked(text, schema) {
        return Some(match misfit {
            Misfit::Quoted(message) => format!("{} {message}", node.shown(text)),
            Misfit::Alone(message) => message,
        });
    }
    if schema["format"] == "size" {
        return outside(i64::try_from(size_of(text)?).unwrap_or(i64::MAX), schema);
    }
    let (least, most) = (schema["formatMinimum"].as_str()?, schema["formatMaximum"].as_str()?);
    let fits = (duration(least)?..=duration(most)?).contains(&duration(text)?);
    (!fits).then(|| format!("{} is not between {least} and {most}", node.shown(text)))
}

fn checked(text: &str, schema: &Json) -> Result<(), Misfit> {
    schema["format"].as_str().map_or(Ok(()), |format| check(format, text))
}

fn outside(number: i64, schema: &Json) -> Option<String> {
    let least = schema["minimum"].as_i64()?;
    match schema["maximum"].as_i64() {
        _ if number < 0 && least >= 0 => Some("below zero".to_owned()),
        Some(most) if !(least..=most).contains(&number) => Some(format!("{number} is not between {least} and {most}")),
        _ => None,
    }
}

fn wrong_count(count: usize, schema: &Json) -> Option<String> {
    let needs_one = ["minItems", "minProperties"].iter().any(|key| schema.get(key).is_some());
    if count == 0 && needs_one {
        return Some(empty(schema));
    }
    let most = schema["maxItems"].as_u64()?;
    (count as u64 > most).then(|| format!("has more than {most} entries"))
}

fn empty(schema: &Json) -> String {
    match schema["x-empty"].as_str() {
        Some(hint) => format!("is empty: {hint}"),
        None => "is empty".to_owned(),
    }
}
