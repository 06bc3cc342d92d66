//! What answers the listener's requests.

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
