//! The identity provider: connection pool, TLS, time limits. Knows no policy.

pub mod forward;
pub mod headers;
