//! Commands.

pub mod keys;
