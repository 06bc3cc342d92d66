//! What the fuzz targets assert. Each module has a function `check` that panics if the input shows a mistake.
//!
//! `tests/it/fuzz_corpus.rs` runs the same functions over `tests/fuzz/corpus`, so an input that once failed stays tested.

pub mod answer_lock;
pub mod basic;
pub mod cel;
pub mod certificate_header;
pub mod classify;
pub mod configuration;
pub mod dpop;
pub mod form;
pub mod head_scanner;
pub mod introspection;
pub mod json;
pub mod jwks;
pub mod jwt;
pub mod route;
pub mod seal;

/// The input up to the first `separator`, and what follows.
pub fn cut(input: &[u8], separator: u8) -> (&[u8], &[u8]) {
    let at = input.iter().position(|byte| *byte == separator).unwrap_or(input.len());
    (&input[..at], input.get(at + 1..).unwrap_or_default())
}
