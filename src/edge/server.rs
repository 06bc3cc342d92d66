//! The listener that callers use: HTTP/1.1 and HTTP/2 on one port, with or without TLS.

pub mod handler;
pub mod head_scanner;
pub mod listener;
pub mod tls;

mod bell;
pub(crate) mod charge;
mod crowd;
mod proxy_protocol;
mod serving;
mod streams;
mod watched;

pub use crate::adapters::net::connection::{Connection, ConnectionFacts, Limits};
pub use crate::edge::server::handler::Handler;
pub use crate::edge::server::listener::{Server, bind};

#[cfg(test)]
mod tests;
