//! How large values are, as far as the work with them depends on it.

use serde_json::{Map, Value};

/// How many bytes of text weigh as much as a value.
const BYTES: usize = 16;

/// The largest that a value can be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ValueSize {
    /// Its entries, if it is a list or a map.
    pub(super) items: u64,
    /// Values in it, itself and its keys included, and bytes of text, 16 of which count as one value.
    pub(super) weight: u64,
    /// The weight of its largest entry.
    pub(super) largest: u64,
}

impl ValueSize {
    /// A number, a boolean or the like.
    pub(super) const SCALAR: Self = Self { items: 0, weight: 1, largest: 0 };

    /// A text of this length.
    pub(super) fn text(bytes: usize) -> Self {
        Self { weight: 1 + (bytes / BYTES) as u64, ..Self::SCALAR }
    }

    pub(super) fn list(entries: impl Iterator<Item = Self>) -> Self {
        entries.fold(Self::SCALAR, |list, entry| Self {
            items: list.items + 1,
            weight: list.weight.saturating_add(entry.weight),
            largest: list.largest.max(entry.weight),
        })
    }

    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => Self::SCALAR,
            Value::String(text) => Self::text(text.len()),
            Value::Array(items) => Self::list(items.iter().map(Self::of)),
            Value::Object(members) => Self::of_object(members.iter()),
        }
    }

    pub(super) fn of_object<'m>(members: impl Iterator<Item = (&'m String, &'m Value)>) -> Self {
        let entry = |member: (&String, &Value)| {
            let (name, value) = (Self::text(member.0.len()), Self::of(member.1));
            Self { weight: name.weight.saturating_add(value.weight), ..value }
        };
        Self::list(members.map(entry))
    }

    /// Either of two.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            items: self.items.max(other.items),
            weight: self.weight.max(other.weight),
            largest: self.largest.max(other.largest),
        }
    }

    /// Two texts or two lists, one behind the other.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            items: self.items.saturating_add(other.items),
            weight: self.weight.saturating_add(other.weight),
            largest: self.largest.max(other.largest),
        }
    }

    /// As many entries of this size as `items` says.
    pub(super) fn times(self, items: u64) -> Self {
        Self { items, weight: items.saturating_mul(self.weight).saturating_add(1), largest: self.weight }
    }

    /// Any entry.
    pub(super) fn entry(self) -> Self {
        Self { items: self.largest, weight: self.largest.max(1), largest: self.largest }
    }
}

/// Any entry of a list.
pub(super) fn any_item(items: &[Value]) -> ValueSize {
    items.iter().map(ValueSize::of).fold(ValueSize::SCALAR, ValueSize::or)
}

/// Any key of a map.
pub(super) fn any_key(members: &Map<String, Value>) -> ValueSize {
    members.keys().map(|name| ValueSize::text(name.len())).fold(ValueSize::SCALAR, ValueSize::or)
}
