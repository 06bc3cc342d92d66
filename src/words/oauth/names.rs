//! Lists of names, where `"*"` means all.

use std::collections::BTreeSet;
use std::sync::Arc;

/// A list of names in a configuration file, or everything (`"*"`, written out).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// `["*"]`
    Any,
    /// Exactly these; an empty set matches nothing. Large policies repeat few sets, so that equal sets can be one.
    Listed(Arc<BTreeSet<String>>),
}

impl Default for Names {
    /// No name.
    fn default() -> Self {
        Self::listed([])
    }
}

impl Names {
    /// Exactly these names.
    pub fn listed(names: impl IntoIterator<Item = String>) -> Self {
        Self::Listed(Arc::new(names.into_iter().collect()))
    }

    /// Whether the list contains `name`.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(names) => names.contains(name),
        }
    }

    /// The names in the list. `"*"` lists none.
    pub fn written(&self) -> impl Iterator<Item = &str> {
        let listed = match self {
            Self::Any => None,
            Self::Listed(names) => Some(names.iter()),
        };
        listed.into_iter().flatten().map(String::as_str)
    }

    /// Adds the names of another list.
    pub fn extend(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::Listed(_), Self::Any) => *self = Self::Any,
            (Self::Listed(names), Self::Listed(more)) if !more.is_subset(names) => {
                Arc::make_mut(names).extend(more.iter().cloned());
            }
            (Self::Any, _) | (Self::Listed(_), Self::Listed(_)) => {}
        }
    }

    /// The names of either list.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Listed(_), Self::Listed(right)) if right.is_empty() => self.clone(),
            (Self::Listed(left), Self::Listed(_)) if left.is_empty() => other.clone(),
            (Self::Listed(left), Self::Listed(right)) => Self::listed(left.union(right).cloned()),
            _ => Self::Any,
        }
    }

    /// The names that both lists contain.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Any, names) | (names, Self::Any) => names.clone(),
            (Self::Listed(left), Self::Listed(right)) => Self::listed(left.intersection(right).cloned()),
        }
    }
}
