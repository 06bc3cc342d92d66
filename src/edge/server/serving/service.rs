//! hyper's view of the handler.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::{HttpService, service_fn};

use crate::adapters::net::body::{Body, BodyError};
use crate::adapters::net::connection::Connection;
use crate::edge::server::charge::Charge;
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
        let flight = Flight::new(Arc::clone(&connection), &request);
        let handler = Arc::clone(&handler);
        async move {
            let version = request.version();
            let response = match flight.charge {
                Some(_) => handler.handle(request, &flight.connection).await,
                None => Box::pin(handler.overloaded(request.into_parts().0, &flight.connection)).await,
            };
            let outlives = version == Version::HTTP_2;
            let rest = |body| Counted { rest: Some(Rest { body, flight }), outlives };
            Ok::<Response<Counted>, Infallible>(response.map(rest))
        }
    })
}

/// A request in flight, until its answer has been sent.
struct Flight {
    connection: Arc<Connection>,
    /// What the request counts in the budget; `None` if there is no memory for the request.
    charge: Option<Charge>,
}

impl Flight {
    fn new(connection: Arc<Connection>, request: &Request<Incoming>) -> Self {
        let others = connection.request_began();
        let charge = Charge::of(request, &connection, others);
        Self { connection, charge }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.connection.request_ended();
        if let Some(charge) = self.charge.take() {
            charge.end(&self.connection.facts().budget);
        }
    }
}

/// An answer's body that keeps its request in flight.
pub(super) struct Counted {
    rest: Option<Rest>,
    /// Whether the request is in flight until the last piece has been sent. HTTP/2 keeps pieces that the caller does not take;
    /// HTTP/1 has one answer at a time.
    outlives: bool,
}

struct Rest {
    body: Body,
    flight: Flight,
}

/// The last piece of an answer, with what its request holds.
struct LastPiece {
    data: Bytes,
    rest: Rest,
}

impl LastPiece {
    fn new(data: Bytes, rest: Rest) -> Self {
        rest.flight.connection.last_piece_given();
        Self { data, rest }
    }
}

impl Drop for LastPiece {
    fn drop(&mut self) {
        self.rest.flight.connection.last_piece_sent();
    }
}

impl AsRef<[u8]> for LastPiece {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let Some(rest) = &mut this.rest else { return Poll::Ready(None) };
        let frame = Pin::new(&mut rest.body).poll_frame(cx);
        streams::note(&frame);
        let frame = ready!(frame);
        let is_last = this.outlives && rest.body.is_end_stream();
        Poll::Ready(match frame {
            Some(Ok(frame)) if is_last && frame.is_data() => {
                let rest = this.rest.take();
                Some(Ok(frame.map_data(|data| match rest {
                    Some(rest) => Bytes::from_owner(LastPiece::new(data, rest)),
                    None => data,
                })))
            }
            frame => frame,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.rest.as_ref().is_none_or(|rest| rest.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), |rest| rest.body.size_hint())
    }
}
