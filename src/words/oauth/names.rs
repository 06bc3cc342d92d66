//! Lists of names, where `"*"` means all.

use std::collections::BTreeSet;

/// A list of names in a configuration file, or everything (`"*"`, written out).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// `["*"]`
    Any,
    /// Exactly these; an empty set matches nothing.
    Listed(BTreeSet<String>),
}

impl Default for Names {
    /// No name.
    fn default() -> Self {
        Self::Listed(BTreeSet::new())
    }
}

impl Names {
    /// Whether the list contains `name`.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(names) => names.contains(name),
        }
    }

    /// The names in the list. `"*"` lists none.
    pub fn listed(&self) -> impl Iterator<Item = &str> {
        let listed = match self {
            Self::Any => None,
            Self::Listed(names) => Some(names),
        };
        listed.into_iter().flatten().map(String::as_str)
    }

    /// The names of either list.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Listed(left), Self::Listed(right)) => Self::Listed(left | right),
            _ => Self::Any,
        }
    }

    /// The names that both lists contain.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Any, names) | (names, Self::Any) => names.clone(),
            (Self::Listed(left), Self::Listed(right)) => Self::Listed(left & right),
        }
    }
}
