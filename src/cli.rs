//! Commands.

pub mod check;
pub mod keys;
pub mod schema;
