//! What is given before and after, where that differs.

use std::collections::BTreeMap;

use super::right::{Gift, GiftTerms};
use super::versions::Versions;

/// The gifts that change, with their terms before and after. No terms: it is not given.
pub(super) type Delta<'a> = BTreeMap<Gift<'a>, Versions<Vec<GiftTerms<'a>>>>;

impl<'a> Versions<Vec<GiftTerms<'a>>> {
    /// The terms under which more is given than before.
    pub(super) fn gained(&self) -> impl Iterator<Item = &GiftTerms<'a>> {
        self.new.iter().filter(|new| !self.old.iter().any(|old| old.cover(new)))
    }

    /// The terms under which less is given than before.
    pub(super) fn lost(&self) -> impl Iterator<Item = &GiftTerms<'a>> {
        self.old.iter().filter(|old| !self.new.iter().any(|new| new.cover(old)))
    }
}
