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
    /// None at all.
    fn default() -> Self {
        Self::Listed(BTreeSet::new())
    }
}

impl Names {
    /// Whether `name` is meant.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(names) => names.contains(name),
        }
    }

    /// What either means.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Listed(left), Self::Listed(right)) => Self::Listed(left | right),
            _ => Self::Any,
        }
    }

    /// What both mean.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Any, names) | (names, Self::Any) => names.clone(),
            (Self::Listed(left), Self::Listed(right)) => Self::Listed(left & right),
        }
    }
}
