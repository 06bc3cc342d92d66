//! Values as Keycloak, its importers and other writers leave them: `null` for what is absent, scalars as text.
//!
//! Keycloak reads its own documents with Jackson, which takes `null` for an absent member and `"true"` for a boolean. Other
//! writers make use of both.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A member whose `null` means that the member is absent.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// A list whose `null` members are absent.
pub(super) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    let items: Option<Vec<Option<T>>> = Option::deserialize(from)?;
    Ok(items.unwrap_or_default().into_iter().flatten().collect())
}

/// A boolean, perhaps as text; none if the member is absent.
pub(super) fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(flag)),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        // The value could be a secret, so the error does not quote the value.
        _ => Err(serde::de::Error::custom("not a boolean")),
    }
}

/// A text, in which an absent one and `null` are empty. A number or boolean is the text that spells it (an id in YAML).
pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(optional_text(from)?.unwrap_or_default())
}

/// Like [`text`], but an absent text is none.
pub(super) fn optional_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Bool(flag) => Ok(Some(flag.to_string())),
        Value::Array(_) | Value::Object(_) => Err(serde::de::Error::custom("not a text")),
    }
}
