//! Strict `application/x-www-form-urlencoded` (RFC 6749 appendix B): forms that all parsers read alike.

use std::borrow::Cow;

use memchr::{memchr_iter, memchr2};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::bytes::all;

/// Keycloak's own limit. More fields are padding that hides one of them.
const MAX_FIELDS: usize = 1000;

/// Up to this number, comparing names with each other is faster than hashing them.
const FEW_FIELDS: usize = 16;

/// Everything except the unreserved characters of RFC 3986 is escaped.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Names and values in the order in which they came. `Debug` shows the names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

/// Why the bytes are not a strict form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// A control character or a raw `;`. Some parsers read `;` as a separator, others as text.
    #[error("a character stands in the form that must be percent-encoded")]
    Character,
    /// A field without a name.
    #[error("a field has no name")]
    NameMissing,
    /// `%` without two hexadecimal digits.
    #[error("a percent sign is not followed by two hexadecimal digits")]
    PercentEncoding,
    /// More than 1000 fields.
    #[error("more than 1000 fields")]
    TooManyFields,
    /// The text is not UTF-8, before or after decoding.
    #[error("not UTF-8")]
    Utf8,
}

impl Form {
    /// An empty form.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a form. `&` separates, `+` is a space, `%HH` a byte of UTF-8; a field without `=` has an empty value,
    /// and nothing between two `&` is no field.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormError> {
        let text = std::str::from_utf8(bytes).map_err(|_| FormError::Utf8)?;
        if !all(bytes, |byte| !byte.is_ascii_control() && byte != b';') {
            return Err(FormError::Character);
        }
        let mut fields = Vec::new();
        for field in text.split('&').filter(|field| !field.is_empty()) {
            if fields.len() == MAX_FIELDS {
                return Err(FormError::TooManyFields);
            }
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            if name.is_empty() {
                return Err(FormError::NameMissing);
            }
            fields.push((decode(name)?, decode(value)?));
        }
        Ok(Self(fields))
    }

    /// Adds a field at the end. A name is never empty.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }

    /// All fields in order, empty values included.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The fields, in order.
    pub fn into_fields(self) -> impl Iterator<Item = (String, String)> {
        self.0.into_iter()
    }

    /// The first value of `name`. A parameter without a value counts as omitted (RFC 6749 section 3.2).
    pub fn one(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of `name` that is not empty, in order.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields().filter(move |(key, value)| *key == name && !value.is_empty()).map(|(_, value)| value)
    }

    /// The first name that occurs twice, with or without a value, and is not in `may_repeat`.
    pub fn repeated(&self, may_repeat: &[&str]) -> Option<&str> {
        let names = || self.fields().map(|(name, _)| name);
        if self.0.len() <= FEW_FIELDS {
            let repeated = names()
                .enumerate()
                .find(|(at, name)| !may_repeat.contains(name) && names().take(*at).any(|before| before == *name));
            return repeated.map(|(_, name)| name);
        }
        let mut seen = std::collections::HashSet::with_capacity(self.0.len());
        names().find(|name| !seen.insert(*name) && !may_repeat.contains(name))
    }

    /// The encoded form. Parsing the text gives this form again.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.fields() {
            if !text.is_empty() {
                text.push('&');
            }
            text.push_str(&encode(name));
            text.push('=');
            text.push_str(&encode(value));
        }
        text
    }
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.fields().map(|(name, _)| name)).finish()
    }
}

/// One name or value from its encoded text.
pub fn decode(text: &str) -> Result<String, FormError> {
    if memchr2(b'%', b'+', text.as_bytes()).is_none() {
        return Ok(text.to_owned());
    }
    if !percent_signs_are_whole(text.as_bytes()) {
        return Err(FormError::PercentEncoding);
    }
    let spaced = if text.contains('+') { Cow::Owned(text.replace('+', " ")) } else { Cow::Borrowed(text) };
    percent_decode_str(&spaced).decode_utf8().map(Cow::into_owned).map_err(|_| FormError::Utf8)
}

/// One name or value as encoded text; a space becomes `+`.
pub fn encode(text: &str) -> String {
    let escaped = utf8_percent_encode(text, ESCAPED).to_string();
    if escaped.contains("%20") { escaped.replace("%20", "+") } else { escaped }
}

fn percent_signs_are_whole(bytes: &[u8]) -> bool {
    let hex = |index: usize| bytes.get(index).is_some_and(u8::is_ascii_hexdigit);
    memchr_iter(b'%', bytes).all(|index| hex(index + 1) && hex(index + 2))
}

/// The name of a parameter for audit, cut to a fixed length.
pub fn bounded(name: &str) -> String {
    name.chars().take(64).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(form: &Form) -> Vec<(&str, &str)> {
        form.fields().collect()
    }

    #[test]
    fn reads_what_every_parser_reads_alike() {
        for (name, text, expected) in [
            ("empty", "", vec![]),
            ("plain", "a=1&b=2", vec![("a", "1"), ("b", "2")]),
            ("plus and %20", "a=x+y&b=x%20y", vec![("a", "x y"), ("b", "x y")]),
            ("encoded name", "%61=1", vec![("a", "1")]),
            ("raw colons and slashes", "a=urn:b:c/d", vec![("a", "urn:b:c/d")]),
            ("no value", "a=&b", vec![("a", ""), ("b", "")]),
            ("equals sign in a value", "a=b=c", vec![("a", "b=c")]),
            ("nothing between separators", "&a=1&&b=2&", vec![("a", "1"), ("b", "2")]),
            ("UTF-8", "a=%C3%A9&b=é", vec![("a", "é"), ("b", "é")]),
            ("encoded separators", "a=%26%3B%3D", vec![("a", "&;=")]),
            ("encoded plus", "a=%2B", vec![("a", "+")]),
            ("raw space", "scope=a b", vec![("scope", "a b")]),
        ] {
            assert_eq!(fields(&Form::parse(text.as_bytes()).unwrap()), expected, "{name}");
        }
    }

    #[test]
    fn refuses_what_parsers_read_differently() {
        for (name, bytes, expected) in [
            ("semicolon", b"a=1;b=2".as_slice(), FormError::Character),
            ("line feed", b"a=1\n", FormError::Character),
            ("NUL", b"a\0=1", FormError::Character),
            ("no name", b"=1", FormError::NameMissing),
            ("half an escape", b"a=%4", FormError::PercentEncoding),
            ("no escape", b"a=100%", FormError::PercentEncoding),
            ("signed escape", b"a=%+4", FormError::PercentEncoding),
            ("IIS escape", b"a=%u0041", FormError::PercentEncoding),
            ("raw Latin-1", b"a=\xE9", FormError::Utf8),
            ("escaped Latin-1", b"a=%E9", FormError::Utf8),
            ("overlong", b"a=%C0%AF", FormError::Utf8),
        ] {
            assert_eq!(Form::parse(bytes).unwrap_err(), expected, "{name}");
        }
    }

    #[test]
    fn counts_fields() {
        assert!(Form::parse("a=1&".repeat(1000).as_bytes()).is_ok());
        assert_eq!(Form::parse("a=1&".repeat(1001).as_bytes()).unwrap_err(), FormError::TooManyFields);
    }

    #[test]
    fn an_empty_value_is_omitted_but_still_a_repeat() {
        let form = Form::parse(b"a=&audience=x&audience=y&a=1").unwrap();
        assert_eq!(form.one("a"), Some("1"));
        assert_eq!(form.all("audience").collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(form.repeated(&["audience"]), Some("a"));
        assert_eq!(form.repeated(&["audience", "a"]), None);
    }

    #[test]
    fn debug_shows_names_only() {
        assert_eq!(format!("{:?}", Form::parse(b"client_secret=s3cret").unwrap()), r#"["client_secret"]"#);
    }

    proptest! {
        #[test]
        fn parsing_what_was_encoded_is_the_identity(
            fields in proptest::collection::vec(("(?s).{1,12}", "(?s).{0,24}"), 0..20)
        ) {
            let mut form = Form::new();
            for (name, value) in fields {
                form.push(name, value);
            }
            prop_assert_eq!(Form::parse(form.encode().as_bytes()).unwrap(), form);
        }

        #[test]
        fn parsing_never_panics_and_what_it_reads_survives(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(form) = Form::parse(&bytes) {
                prop_assert_eq!(Form::parse(form.encode().as_bytes()).unwrap(), form);
            }
        }
    }
}
