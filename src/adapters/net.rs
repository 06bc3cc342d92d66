//! Bodies, the connections that they travel on, and the requests that Cambio makes itself.

pub mod body;
pub mod budget;
pub mod coding;
pub mod connection;
pub(crate) mod dial;
pub(crate) mod names;
pub mod outgoing;
pub(crate) mod pool;
pub(crate) mod progress;
pub mod proxied;
pub(crate) mod transport;
pub mod turns;
pub(crate) mod unread;
pub mod url;
pub mod via;
pub(crate) mod wire;
