//! Additions to a realm's discovery document (OpenID Connect Discovery 1.0, RFC 8414).
//!
//! Values are added to lists, and nothing is removed. Additions are spliced in, so the identity provider's text stays
//! byte for byte, with its order of members, white space and unknown members.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Values that the lists of a document must contain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offers(Vec<(&'static str, Vec<String>)>);

impl Offers {
    /// Adds `value` to the list `member`, for instance `ES256` to `id_token_signing_alg_values_supported`.
    pub fn add(&mut self, member: &'static str, value: impl Into<String>) {
        let value = value.into();
        match self.0.iter_mut().find(|(name, _)| *name == member) {
            Some((_, values)) if values.contains(&value) => {}
            Some((_, values)) => values.push(value),
            None => self.0.push((member, vec![value])),
        }
    }
}

/// The document with the missing values. `None` if nothing is missing, or if the document is no object, repeats a
/// member, or has something else than a list of texts for a list.
pub fn amend(document: &[u8], offers: &Offers) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(document).ok()?;
    let Members(members) = serde_json::from_str(text).ok()?;
    let mut splices: Vec<(usize, String)> = Vec::new();
    let mut appended = String::new();
    for (name, values) in &offers.0 {
        if let Some((_, list)) = members.iter().find(|(member, _)| member == name) {
            splices.push(addition(text, list.get(), values)?);
        } else {
            let defaults = defaults(name).iter().map(|value| (*value).to_owned());
            let mut all: Vec<String> = defaults.collect();
            all.extend(values.iter().filter(|value| !all.contains(value)).cloned().collect::<Vec<_>>());
            let comma = if members.is_empty() && appended.is_empty() { "" } else { "," };
            appended.extend([comma, &json(name)?, ":", &json(&all)?]);
        }
    }
    splices.push((text.rfind('}')?, appended));
    splices.retain(|(_, addition)| !addition.is_empty());
    if splices.is_empty() {
        return None;
    }
    splices.sort();
    let (mut out, mut done) = (String::with_capacity(text.len() + 256), 0);
    for (at, addition) in splices {
        out.push_str(text.get(done..at)?);
        out.push_str(&addition);
        done = at;
    }
    out.push_str(text.get(done..)?);
    Some(out.into_bytes())
}

/// The text to be inserted, and its place in `text`, so that `list`, a part of `text`, has all of `values`. The text
/// is empty if none is missing.
fn addition(text: &str, list: &str, values: &[String]) -> Option<(usize, String)> {
    let present: Vec<Cow<'_, str>> = serde_json::from_str(list).ok()?;
    let missing = values.iter().filter(|value| !present.iter().any(|one| one == *value));
    let written: Option<Vec<String>> = missing.map(json).collect();
    let written = written?.join(",");
    let comma = if present.is_empty() || written.is_empty() { "" } else { "," };
    // `list` is a slice of `text`, so the difference of their addresses is its start.
    let begins = (list.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    Some((begins + list.rfind(']')?, format!("{comma}{written}")))
}

/// The meaning of a missing list (RFC 8414 section 2, OpenID Connect Discovery 1.0 section 3), which a list of
/// additions alone would change.
fn defaults(member: &str) -> &'static [&'static str] {
    match member {
        "grant_types_supported" => &["authorization_code", "implicit"],
        "id_token_signing_alg_values_supported" => &["RS256"],
        "token_endpoint_auth_methods_supported" => &["client_secret_basic"],
        _ => &[],
    }
}

fn json<T: serde::Serialize + ?Sized>(value: &T) -> Option<String> {
    serde_json::to_string(value).ok()
}

/// The members of an object, with the text of their values.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(String, &'de RawValue)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    if members.iter().any(|(member, _)| *member == name) {
                        return Err(A::Error::custom("a member twice"));
                    }
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRANTS: &str = "grant_types_supported";
    const ALGORITHMS: &str = "id_token_signing_alg_values_supported";

    fn offers() -> Offers {
        let mut offers = Offers::default();
        for (member, value) in [(GRANTS, "x"), (ALGORITHMS, "RS256"), (ALGORITHMS, "ES256"), (GRANTS, "x")] {
            offers.add(member, value);
        }
        offers
    }

    #[test]
    fn adds_what_is_missing_and_touches_nothing_else() {
        for (name, document, expected) in [
            (
                "nothing is missing",
                r#"{"grant_types_supported":["x"],"id_token_signing_alg_values_supported":["ES256","RS256"]}"#,
                None,
            ),
            (
                "in the order and the white space of the document",
                "{ \"z\": 1.50,\n \"id_token_signing_alg_values_supported\": [\"PS256\", \"RS256\" ],\n \"a\": {\"b\":1, \"a\":2},\"grant_types_supported\":[] }\n",
                Some(
                    "{ \"z\": 1.50,\n \"id_token_signing_alg_values_supported\": [\"PS256\", \"RS256\" ,\"ES256\"],\n \"a\": {\"b\":1, \"a\":2},\"grant_types_supported\":[\"x\"] }\n",
                ),
            ),
            (
                "escaped names and values",
                r#"{"grant\u005ftypes_supported":["\u0078"],"id_token_signing_alg_values_supported":["ES256","RS256"]}"#,
                None,
            ),
            (
                "absent lists mean their defaults",
                r#"{"issuer":"a"}"#,
                Some(
                    r#"{"issuer":"a","grant_types_supported":["authorization_code","implicit","x"],"id_token_signing_alg_values_supported":["RS256","ES256"]}"#,
                ),
            ),
            (
                "empty",
                "{}",
                Some(
                    r#"{"grant_types_supported":["authorization_code","implicit","x"],"id_token_signing_alg_values_supported":["RS256","ES256"]}"#,
                ),
            ),
            ("a list of something else", r#"{"grant_types_supported":[1]}"#, None),
            ("no list", r#"{"grant_types_supported":"x"}"#, None),
            ("a member twice", r#"{"a":1,"a":2}"#, None),
            ("no object", "[]", None),
            ("no JSON", "<html>", None),
        ] {
            let amended = amend(document.as_bytes(), &offers()).map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(amended.as_deref(), expected, "{name}");
            if let Some(amended) = amended {
                assert_eq!(amend(amended.as_bytes(), &offers()), None, "{name}: once is enough");
            }
        }
        assert_eq!(amend(b"{}", &Offers::default()), None);
    }
}
