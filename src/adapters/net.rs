//! Bodies and the connections that they travel on.

pub mod body;
pub mod connection;
pub(crate) mod pool;
pub(crate) mod transport;
