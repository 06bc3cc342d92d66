//! What answers the listener's requests.

use std::future::Future;
use std::sync::Arc;

use http::header::RETRY_AFTER;
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
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

    /// Answers a request for which there is no memory.
    fn overloaded(&self, head: Parts, connection: &Arc<Connection>) -> impl Future<Output = Response<Body>> + Send {
        let _ = (head, connection);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        std::future::ready(response)
    }
}
