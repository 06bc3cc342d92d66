//! What a person has to look at after a migration.

use std::collections::BTreeSet;

/// What a finding asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingKind {
    /// V1 allowed it, or may have allowed it; the files don't.
    NotCarriedOver,
    /// Somebody has to do it before the files allow what V1 allowed.
    ToDo,
    /// V1 did not allow it either, or it is not about a permission.
    Note,
}

/// Something that a person has to look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MigrationFinding {
    /// What it asks for.
    pub kind: FindingKind,
    /// What it is about: a kind of thing and its name.
    pub about: String,
    /// What was found, and what to write.
    pub text: String,
}

impl MigrationFinding {
    /// A finding about something.
    pub(super) fn new(kind: FindingKind, about: impl Into<String>, text: impl Into<String>) -> Self {
        Self { kind, about: about.into(), text: text.into() }
    }
}

/// Names in alphabetical order, quoted so that none can end a line.
pub(super) fn quoted_names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let sorted: BTreeSet<&str> = names.collect();
    sorted.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}
