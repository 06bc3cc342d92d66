//! A connection without an HTTP state.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use crate::adapters::net::connection::{Connection, Silence};
use crate::edge::server::crowd::Waiting;
use crate::edge::server::serving::alarm::Alarm;
use crate::edge::server::serving::protocol::Protocol;
use crate::edge::server::watched::Watched;

/// After the drain has begun, a new connection may take this long for its first request: its caller connected before the
/// listener closed.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// Why a connection is no longer parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waking {
    /// There is something for an HTTP state.
    Request,
    /// The connection was idle for too long, or a drain has begun: the caller should be told.
    Late,
    /// The caller has closed or is too slow, or the place is needed.
    Over,
}

/// Waits for the next request head.
pub(super) async fn wait(stream: &mut Watched, protocol: &Protocol, alarm: &mut Alarm) -> Waking {
    let mut waiting = None;
    let mut watch = stream.connection().watch();
    let mut draining = pin!(watch.draining());
    let mut drained = false;
    poll_fn(|cx| {
        // First: a request that has come is answered, whatever else has happened.
        match stream.poll_arrival(cx) {
            Poll::Ready(Ok(true)) => return Poll::Ready(Waking::Request),
            Poll::Ready(_) => return Poll::Ready(Waking::Over),
            Poll::Pending => {}
        }
        let connection = stream.connection();
        let (kind, since) = state(connection);
        let (entered, ticket) = waiting.get_or_insert_with(|| {
            let peer = connection.facts().peer.ip();
            (kind, protocol.crowd.enter(kind, since, peer))
        });
        if *entered != kind {
            (*entered, *ticket) = (kind, protocol.crowd.enter(kind, since, connection.facts().peer.ip()));
        }
        if ticket.poll_called(cx).is_ready() {
            return Poll::Ready(Waking::Over);
        }
        drained = drained || draining.as_mut().poll(cx).is_ready();
        let until = match kind {
            Waiting::Idle if drained => return Poll::Ready(Waking::Late),
            // A head that has begun has its usual limit.
            Waiting::Unheard if drained && !connection.is_in_head() => Some(since + FIRST_REQUEST),
            _ => None,
        };
        alarm.poll_limit(connection, until, cx).map(|silence| match silence {
            Silence::Stuck => Waking::Over,
            Silence::Idle | Silence::Until(_) => Waking::Late,
        })
    })
    .await
}

fn state(connection: &Connection) -> (Waiting, Instant) {
    let idle = connection.has_served() && !connection.is_in_head();
    (if idle { Waiting::Idle } else { Waiting::Unheard }, connection.quiet_since())
}
