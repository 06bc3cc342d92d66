//! Stage 1: classifies token requests and reads them strictly.

pub mod accepts;
pub mod api_access;
pub mod authenticated;
pub mod classify;
pub mod doors;
pub mod grant;
pub mod json;
mod lenient;
mod ordinary;
mod parameters;
pub mod parse;
pub mod refresh;
