//! hyper's view of the handler.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::{HttpService, service_fn};

use crate::adapters::net::body::{Body, BodyError};
use crate::adapters::net::connection::Connection;
use crate::edge::server::handler::Handler;
use crate::edge::server::streams;

/// Counts the handler's requests as in flight.
pub(super) fn service<H: Handler>(
    connection: &Arc<Connection>,
    handler: &Arc<H>,
) -> impl HttpService<Incoming, ResBody = Counted, Error = Infallible, Future: Send> + use<H> {
    let (connection, handler) = (Arc::clone(connection), Arc::clone(handler));
    service_fn(move |request: Request<Incoming>| {
        // The request counts from here, not from the first poll, because HTTP/2 polls in another task.
        let flight = Flight::new(Arc::clone(&connection));
        let handler = Arc::clone(&handler);
        async move {
            let response = handler.handle(request, &flight.0).await;
            Ok::<Response<Counted>, Infallible>(response.map(|body| Counted { body, _flight: flight }))
        }
    })
}

/// A request in flight, until its answer's body is dropped.
struct Flight(Arc<Connection>);

impl Flight {
    fn new(connection: Arc<Connection>) -> Self {
        connection.request_began();
        Self(connection)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.request_ended();
    }
}

/// An answer's body that keeps its request in flight.
pub(super) struct Counted {
    body: Body,
    _flight: Flight,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = Pin::new(&mut self.get_mut().body).poll_frame(cx);
        streams::note(&frame);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
