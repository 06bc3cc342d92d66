//! The identity provider behind us: connections, TLS, time limits. Knows no policy.

pub mod client;
pub mod directory;
pub mod error;
pub mod forward;
pub mod headers;

mod connect;
mod forwarded;
mod upgrade;
