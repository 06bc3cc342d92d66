//! The proxy over real sockets: a caller, Cambio's server and client in between, an upstream.

mod drain;
mod forwarding;
mod framing;
mod harness;
mod limits;
mod streaming;
mod tls;
mod websocket;
