//! The proxy over real sockets: a caller, Cambio's server and client in between, an upstream.

mod drain;
mod early;
mod forwarding;
mod framing;
pub(crate) mod harness;
mod limits;
mod parked;
mod reuse;
mod slow;
mod streaming;
mod tls;
mod turns;
mod websocket;
