//! Stage 1: what a token request is, and its strict reading.

pub mod accepts;
pub mod api_access;
pub mod authenticated;
pub mod classify;
pub mod doors;
pub mod grant;
pub mod json;
mod lenient;
pub mod parse;
pub mod refresh;
