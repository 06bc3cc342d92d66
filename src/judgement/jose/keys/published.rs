//! The text of a key set as its issuer publishes it, and the place for further keys.
//!
//! The text stays byte for byte, with one exception: private and symmetric parts are removed, so that Cambio does not
//! publish a secret a second time.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::value::RawValue;

use super::public_key::PRIVATE_PARTS;

/// The text of a key set.
#[derive(Clone, Debug)]
pub(super) struct PublishedText {
    text: String,
    /// The place behind the last key.
    end: usize,
    has_keys: bool,
    /// The text of every `kid`.
    pub(super) kids: BTreeSet<String>,
}

impl PublishedText {
    /// The text of a set whose list of keys is at `list`, without secrets.
    pub(super) fn new(text: &str, list: Range<usize>, keys: &[&RawValue]) -> Self {
        let public: Vec<Option<Cow<'_, str>>> = keys.iter().map(|key| without_secrets(key.get())).collect();
        let kids = public.iter().flatten().filter_map(|key| kid(key)).collect();
        let has_keys = public.iter().any(Option::is_some);
        let before = text.get(..list.start).unwrap_or_default();
        let after = text.get(list.end..).unwrap_or_default();
        if public.iter().all(|key| matches!(key, Some(Cow::Borrowed(_)))) {
            // The list is an array, so it ends with the bracket.
            return Self { text: text.to_owned(), end: list.end.saturating_sub(1), has_keys, kids };
        }
        let list = public.into_iter().flatten().collect::<Vec<_>>().join(",");
        let end = before.len() + 1 + list.len();
        Self { text: format!("{before}[{list}]{after}"), end, has_keys, kids }
    }

    /// The text with these keys behind the issuer's own.
    pub(super) fn with(&self, keys: &[String]) -> String {
        let (before, after) = self.text.split_at_checked(self.end).unwrap_or((&self.text, ""));
        let comma = if self.has_keys && !keys.is_empty() { "," } else { "" };
        [before, comma, &keys.join(","), after].concat()
    }
}

/// The members of one key with their texts, however often a name occurs. `None` if the key is no object.
fn members(key: &str) -> Option<Vec<(String, &RawValue)>> {
    crate::words::oauth::json::texts(key).ok()
}

fn kid(key: &str) -> Option<String> {
    let members = members(key)?;
    let (_, kid) = members.iter().find(|(name, _)| name == "kid")?;
    serde_json::from_str(kid.get()).ok()
}

/// The text of a key without its private parts; `None` for a symmetric key, which is nothing else.
fn without_secrets(key: &str) -> Option<Cow<'_, str>> {
    let Some(members) = members(key) else { return Some(Cow::Borrowed(key)) };
    let is_secret =
        |(name, value): &(String, &RawValue)| PRIVATE_PARTS.contains(&name.as_str()) && value.get() != "null";
    if !members.iter().any(is_secret) {
        return Some(Cow::Borrowed(key));
    }
    if members.iter().any(|(name, value)| name == "kty" && value.get() == "\"oct\"") {
        return None;
    }
    let kept = members.iter().filter(|member| !is_secret(member));
    let kept = kept.map(|(name, value)| format!("{}:{}", serde_json::Value::from(name.as_str()), value.get()));
    Some(Cow::Owned(format!("{{{}}}", kept.collect::<Vec<_>>().join(","))))
}
