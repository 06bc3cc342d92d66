//! The identity provider behind Cambio: connections, TLS, time limits. This module knows no policy.

pub mod client;
pub mod directory;
pub mod discovery;
pub mod error;
pub mod forward;
pub mod headers;
pub mod max_forwards;
pub mod origins;

mod again;
mod asked;
mod connect;
mod forwarded;
