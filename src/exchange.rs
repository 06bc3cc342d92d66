//! Stage 1: what a token request is, and its strict reading.

pub mod classify;
mod lenient;
pub mod parse;
