//! The way of a request.

pub mod lock;
pub mod published;
