//! What the listener needs: a handler of requests and an observer of connections.

use std::future::Future;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;

use crate::adapters::net::body::Body;
use crate::adapters::net::connection::Connection;

/// Answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. The future is dropped when the caller hangs up.
    fn handle(
        &self,
        request: Request<Incoming>,
        connection: &Arc<Connection>,
    ) -> impl Future<Output = Response<Body>> + Send;
}

/// Counts connections.
pub trait ConnectionObserver: Send + Sync + 'static {
    /// A connection was accepted.
    fn opened(&self);
    /// A connection ended, its tunnel included.
    fn closed(&self);
    /// A TLS handshake failed or took too long.
    fn handshake_failed(&self);
    /// New certificate files were put to use (`true`) or rejected (`false`).
    fn certificate_reloaded(&self, used: bool);
}

/// Counts nothing.
#[derive(Clone, Copy, Debug)]
pub struct UnobservedConnections;

impl ConnectionObserver for UnobservedConnections {
    fn opened(&self) {}
    fn closed(&self) {}
    fn handshake_failed(&self) {}
    fn certificate_reloaded(&self, _used: bool) {}
}
