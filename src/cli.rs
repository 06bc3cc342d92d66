//! Commands.

pub mod check;
pub mod schema;
