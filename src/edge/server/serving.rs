//! One connection, from its first byte to its end: requests, time limits, drain.

use std::convert::Infallible;
use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Request;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::adapters::net::body::{Body, BodyError};
use crate::adapters::net::connection::{Connection, Limits, Silence};
use crate::adapters::net::transport::Transport;
use crate::edge::server::bell::Bell;
use crate::edge::server::handler::Handler;
use crate::edge::server::watched::Watched;

/// Serves a connection until it ends, or until a time limit or a drain cuts it.
pub(crate) async fn serve<H: Handler>(
    transport: Transport,
    connection: Arc<Connection>,
    builder: &auto::Builder<TokioExecutor>,
    handler: &Arc<H>,
    limits: Limits,
) {
    let service = service_fn(|request: Request<Incoming>| {
        // The request counts from here, not from the first poll, because HTTP/2 polls in another task.
        let flight = Flight::new(Arc::clone(&connection));
        let handler = Arc::clone(handler);
        async move {
            let response = handler.handle(request, &flight.0).await;
            Ok::<_, Infallible>(response.map(|body| Counted { body, _flight: flight }))
        }
    });
    let io = TokioIo::new(Watched::new(transport, Arc::clone(&connection)));
    let mut http = pin!(builder.serve_connection_with_upgrades(io, service));
    let mut watch = connection.watch();
    let mut drain = pin!(watch.draining());
    let mut drain_bell = Bell::default();
    let mut watch = connection.watch();
    let mut cut = pin!(watch.cut());
    let mut alarm = Alarm::new(&connection, limits);
    let mut finishing = false;
    loop {
        tokio::select! {
            biased;
            ended = http.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "caller's connection ended");
                }
                return;
            }
            // hyper closes an idle HTTP/1 connection at once, and a busy one after the present answer. On HTTP/2 it
            // sends GOAWAY and finishes the open streams.
            () = poll_fn(|cx| match drain_bell.answer(cx) {
                Some(waker) => drain.as_mut().poll(&mut Context::from_waker(waker)),
                None => Poll::Pending,
            }), if !finishing => {
                finishing = true;
                http.as_mut().graceful_shutdown();
            }
            () = cut.as_mut(), if finishing => return,
            silence = poll_fn(|cx| alarm.poll(cx)) => {
                if silence == Silence::Stuck || finishing {
                    return;
                }
                finishing = true;
                http.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Fires when a connection has been silent for too long. A connection has one timer, which is moved when it fires or
/// when a head arrives in pieces, so that a request costs no timer work.
struct Alarm<'a> {
    connection: &'a Connection,
    limits: Limits,
    sleep: Pin<Box<Sleep>>,
    bell: Bell,
    for_head: bool,
}

impl<'a> Alarm<'a> {
    fn new(connection: &'a Connection, limits: Limits) -> Self {
        let sleep = Box::pin(sleep_until(Instant::now() + limits.header.min(limits.idle)));
        Self { connection, limits, sleep, bell: Bell::default(), for_head: false }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Silence> {
        let in_head = self.connection.is_in_head();
        if in_head && !self.for_head {
            self.sleep.as_mut().reset(Instant::now() + self.limits.header);
            self.bell.reset();
        }
        self.for_head = in_head;
        let Some(waker) = self.bell.answer(cx) else { return Poll::Pending };
        let cx = &mut Context::from_waker(waker);
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            let now = Instant::now();
            match self.connection.silence(self.limits, now) {
                // Never later than the next moment at which an idle limit could expire.
                Silence::Until(later) => self.sleep.as_mut().reset(later.min(now + self.limits.idle)),
                silence => {
                    self.sleep.as_mut().reset(now + self.limits.header);
                    self.bell.reset();
                    return Poll::Ready(silence);
                }
            }
        }
    }
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
struct Counted {
    body: Body,
    _flight: Flight,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
