//! Both versions of what is compared.

/// Both versions of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Versions<T> {
    pub(super) old: T,
    pub(super) new: T,
}

/// One of the two versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum WhichVersion {
    Old,
    New,
}

impl<T> Versions<T> {
    pub(super) fn map<U>(self, mut convert: impl FnMut(T) -> U) -> Versions<U> {
        Versions { old: convert(self.old), new: convert(self.new) }
    }

    pub(super) fn as_ref(&self) -> Versions<&T> {
        Versions { old: &self.old, new: &self.new }
    }
}
