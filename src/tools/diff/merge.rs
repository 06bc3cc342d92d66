//! Fewer classes of requests that say the same.

use std::collections::BTreeMap;

use super::delta::Delta;
use super::request::{Class, Part};

/// Requests, as a class for each part, and what changes for them.
pub(super) type ClassChange<'a> = (Vec<Class<'a>>, Delta<'a>);

/// Joins classes of requests that differ in one part only, as long as there are such classes. They stay disjoint.
pub(super) fn merged(mut changes: Vec<ClassChange<'_>>) -> Vec<ClassChange<'_>> {
    loop {
        let before = changes.len();
        for place in (0..Part::ALL.len()).rev() {
            changes = merged_by(place, changes);
        }
        if changes.len() == before {
            changes.sort();
            return changes;
        }
    }
}

/// Joins what differs in the part at `place` only.
fn merged_by(place: usize, changes: Vec<ClassChange<'_>>) -> Vec<ClassChange<'_>> {
    let mut joined: BTreeMap<ClassChange<'_>, Class<'_>> = BTreeMap::new();
    for (mut requests, delta) in changes {
        let Some(class) = requests.get_mut(place).map(std::mem::take) else { continue };
        let known = joined.entry((requests, delta)).or_default();
        *known = known.union(&class);
    }
    joined
        .into_iter()
        .map(|((mut requests, delta), class)| {
            if let Some(part) = requests.get_mut(place) {
                *part = class;
            }
            (requests, delta)
        })
        .collect()
}
