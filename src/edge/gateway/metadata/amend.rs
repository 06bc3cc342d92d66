//! Additions to a realm's discovery document (OpenID Connect Discovery 1.0, RFC 8414).
//!
//! Values are added to lists, and nothing is removed. Additions are spliced in, so the identity provider's text stays
//! byte for byte, with its order of members, white space and unknown members.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::words::oauth::json;

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

/// A document that values can't be added to: it is no object, repeats a member, or has something else than a list of
/// texts for a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnamendableDocument;

/// The document with the missing values; `None` if nothing is missing.
///
/// # Errors
/// Values are missing, and can't be added.
pub fn amend(document: &[u8], offers: &Offers) -> Result<Option<Vec<u8>>, UnamendableDocument> {
    let text = std::str::from_utf8(document).map_err(|_| UnamendableDocument)?;
    let members = json::texts(text).map_err(|_| UnamendableDocument)?;
    let names: BTreeSet<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    if names.len() != members.len() {
        return Err(UnamendableDocument);
    }
    let splices = splices(text, &members, offers).ok_or(UnamendableDocument)?;
    if splices.is_empty() {
        return Ok(None);
    }
    let (mut out, mut done) = (String::with_capacity(text.len() + 256), 0);
    for (at, addition) in splices {
        out.push_str(text.get(done..at).ok_or(UnamendableDocument)?);
        out.push_str(&addition);
        done = at;
    }
    out.push_str(text.get(done..).ok_or(UnamendableDocument)?);
    Ok(Some(out.into_bytes()))
}

/// The texts to be inserted, and their places in `text`, in order.
fn splices(text: &str, members: &[(String, &RawValue)], offers: &Offers) -> Option<Vec<(usize, String)>> {
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
            appended.extend([comma, &written(name)?, ":", &written(&all)?]);
        }
    }
    splices.push((text.rfind('}')?, appended));
    splices.retain(|(_, addition)| !addition.is_empty());
    splices.sort();
    Some(splices)
}

/// The text to be inserted, and its place in `text`, so that `list`, a part of `text`, has all of `values`. The text
/// is empty if none is missing.
fn addition(text: &str, list: &str, values: &[String]) -> Option<(usize, String)> {
    let present: Vec<Cow<'_, str>> = serde_json::from_str(list).ok()?;
    let missing = values.iter().filter(|value| !present.iter().any(|one| one == *value));
    let additions = missing.map(written).collect::<Option<Vec<_>>>()?.join(",");
    let comma = if present.is_empty() || additions.is_empty() { "" } else { "," };
    // `list` is a slice of `text`, so the difference of their addresses is its start.
    let begins = (list.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    Some((begins + list.rfind(']')?, format!("{comma}{additions}")))
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

fn written<T: serde::Serialize + ?Sized>(value: &T) -> Option<String> {
    serde_json::to_string(value).ok()
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
                Ok(None),
            ),
            (
                "in the order and the white space of the document",
                "{ \"z\": 1.50,\n \"id_token_signing_alg_values_supported\": [\"PS256\", \"RS256\" ],\n \"a\": {\"b\":1, \"a\":2},\"grant_types_supported\":[] }\n",
                Ok(Some(
                    "{ \"z\": 1.50,\n \"id_token_signing_alg_values_supported\": [\"PS256\", \"RS256\" ,\"ES256\"],\n \"a\": {\"b\":1, \"a\":2},\"grant_types_supported\":[\"x\"] }\n",
                )),
            ),
            (
                "escaped names and values",
                r#"{"grant\u005ftypes_supported":["\u0078"],"id_token_signing_alg_values_supported":["ES256","RS256"]}"#,
                Ok(None),
            ),
            (
                "absent lists mean their defaults",
                r#"{"issuer":"a"}"#,
                Ok(Some(
                    r#"{"issuer":"a","grant_types_supported":["authorization_code","implicit","x"],"id_token_signing_alg_values_supported":["RS256","ES256"]}"#,
                )),
            ),
            (
                "empty",
                "{}",
                Ok(Some(
                    r#"{"grant_types_supported":["authorization_code","implicit","x"],"id_token_signing_alg_values_supported":["RS256","ES256"]}"#,
                )),
            ),
            ("a list of something else", r#"{"grant_types_supported":[1]}"#, Err(UnamendableDocument)),
            ("no list", r#"{"grant_types_supported":"x"}"#, Err(UnamendableDocument)),
            ("a member twice", r#"{"a":1,"a":2}"#, Err(UnamendableDocument)),
            ("no object", "[]", Err(UnamendableDocument)),
            ("no JSON", "<html>", Err(UnamendableDocument)),
        ] {
            let amended = amend(document.as_bytes(), &offers());
            let amended = amended.map(|bytes| bytes.map(|bytes| String::from_utf8(bytes).unwrap()));
            assert_eq!(amended.as_ref().map(Option::as_deref).map_err(|error| *error), expected, "{name}");
            if let Ok(Some(amended)) = amended {
                assert_eq!(amend(amended.as_bytes(), &offers()), Ok(None), "{name}: once is enough");
            }
        }
        assert_eq!(amend(b"{}", &Offers::default()), Ok(None));
    }
}
