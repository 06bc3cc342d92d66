//! The `scope` parameter (RFC 6749 section 3.3): a set of case-sensitive scope tokens.

use std::collections::BTreeSet;

/// A set of scope tokens, kept in one order so that equal sets are equal text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope(BTreeSet<String>);

/// The text is no scope list: another separator than spaces, or a character that RFC 6749 forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("scope is not a list of scope tokens with spaces between them")]
pub struct ScopeError;

impl Scope {
    /// Reads scope tokens with spaces between them. RFC 6749 writes one space; like other servers, Cambio takes several,
    /// and spaces at either end. Cambio itself writes one. A text without a token is the empty set.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        text.split(' ')
            .filter(|token| !token.is_empty())
            .map(|token| if is_scope_token(token) { Ok(token.to_owned()) } else { Err(ScopeError) })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether no scope token is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `token` is in the set.
    pub fn contains(&self, token: &str) -> bool {
        self.0.contains(token)
    }

    /// The tokens in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The tokens of this set for which `keep` holds.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|token| keep(token)).cloned().collect())
    }

    /// Whether every token of this set is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, token) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(token)?;
        }
        Ok(())
    }
}

impl FromIterator<String> for Scope {
    fn from_iter<I: IntoIterator<Item = String>>(tokens: I) -> Self {
        Self(tokens.into_iter().collect())
    }
}

/// `1*( %x21 / %x23-5B / %x5D-7E )`
fn is_scope_token(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_lists_with_any_number_of_spaces_and_nothing_else() {
        for (name, text, expected) in [
            ("empty", "", Some("")),
            ("one", "openid", Some("openid")),
            ("order and repeats do not matter", "b a b", Some("a b")),
            ("two spaces", "a  b", Some("a b")),
            ("spaces at either end", "  a b ", Some("a b")),
            ("nothing but spaces", "  ", Some("")),
            ("line feed", "a\nb", None),
            ("no-break space", "a\u{A0}b", None),
            ("tab", "a\tb", None),
            ("quote", "a\"", None),
            ("backslash", "a\\", None),
            ("not ASCII", "é", None),
        ] {
            assert_eq!(Scope::parse(text).ok().map(|s| s.to_string()).as_deref(), expected, "{name}");
        }
    }
}
