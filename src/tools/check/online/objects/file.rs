//! An audience file and the places of what it says.

use std::path::Path;

use crate::adapters::config::load::review::Places;
use crate::adapters::config::problem::Problem;
use crate::judgement::policy::model::{Audience, Issuance, Permission};

/// An audience file that is in force.
pub(super) struct PlacedAudience<'a> {
    pub(super) path: &'a Path,
    pub(super) audience: &'a Audience,
    pub(super) places: Places,
}

impl PlacedAudience<'_> {
    /// A finding about a key of the file.
    pub(super) fn at(&self, key: &str, message: impl Into<String>) -> Problem {
        self.places.problem(self.path, key, message.into())
    }

    /// A finding about an entry of a list.
    pub(super) fn at_entry(&self, key: &str, text: &str, message: impl Into<String>) -> Problem {
        self.at(&self.places.entry(key, text), message)
    }

    /// The permissions with their places and issuances.
    pub(super) fn permissions(&self) -> impl Iterator<Item = (usize, &Permission, Issuance)> {
        self.audience.permissions.iter().enumerate().map(|(index, one)| (index, one, self.audience.issuance_of(one)))
    }
}
