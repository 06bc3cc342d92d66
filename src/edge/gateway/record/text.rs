//! How much of a caller's text an audit line keeps.

/// Characters that an audit line keeps of what a caller sent.
const KEPT: usize = 256;
/// Characters that it keeps of a method; the longest registered one has 17.
pub(super) const METHOD: usize = 32;
/// Characters that it keeps of a detail, in which several names may stand.
pub(super) const DETAIL: usize = 1024;

/// Text that a caller sent, cut to what an audit line keeps.
pub(super) fn clip(text: &str) -> String {
    first(text, KEPT)
}

/// The first characters of a text.
pub(super) fn first(text: &str, count: usize) -> String {
    // So many bytes hold no more characters.
    if text.len() <= count { text.to_owned() } else { text.chars().take(count).collect() }
}
