//! An HTTP/2 connection.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use hyper_util::rt::TokioIo;

use crate::adapters::net::connection::Silence;
use crate::edge::server::bell::Bell;
use crate::edge::server::crowd::{Ticket, Waiting};
use crate::edge::server::handler::Handler;
use crate::edge::server::serving::alarm::Alarm;
use crate::edge::server::serving::protocol::Protocol;
use crate::edge::server::serving::service::service;
use crate::edge::server::watched::Watched;

/// What interrupts hyper.
enum Event {
    Ended(hyper::Result<()>),
    /// A stop is announced, or the place is needed.
    Leave,
    /// The time of a drain is over.
    Cut,
    Silence(Silence),
}

/// Serves an HTTP/2 connection until it ends.
pub(super) async fn serve<H: Handler>(stream: Watched, protocol: &Protocol, handler: &Arc<H>, alarm: &mut Alarm) {
    let connection = Arc::clone(stream.connection());
    let http = protocol.http2.serve_connection(TokioIo::new(stream), service(&connection, handler));
    let mut http = pin!(http);
    let mut watch = connection.watch();
    let mut leave = pin!(watch.leaving());
    let mut watch = connection.watch();
    let mut cut = pin!(watch.cut());
    let mut pressed = pin!(protocol.crowd.pressed());
    let (mut leave_bell, mut cut_bell, mut press_bell) = (Bell::default(), Bell::default(), Bell::default());
    // The place can be given away while no stream is open.
    let mut ticket: Option<Ticket> = None;
    let enter = || protocol.crowd.enter(Waiting::Idle, connection.quiet_since(), connection.facts().peer.ip());
    let mut finishing = false;
    alarm.tick();
    loop {
        let event = poll_fn(|cx| {
            if let Poll::Ready(ended) = http.as_mut().poll(cx) {
                return Poll::Ready(Event::Ended(ended));
            }
            if connection.is_busy() {
                ticket = None;
            }
            if let Some(ticket) = &mut ticket
                && !finishing
                && ticket.poll_called(cx).is_ready()
            {
                return Poll::Ready(Event::Leave);
            }
            if !finishing && leave_bell.poll(leave.as_mut(), cx).is_ready() {
                return Poll::Ready(Event::Leave);
            }
            if cut_bell.poll(cut.as_mut(), cx).is_ready() {
                return Poll::Ready(Event::Cut);
            }
            if press_bell.poll(pressed.as_mut(), cx).is_ready() {
                pressed.set(protocol.crowd.pressed());
                press_bell.reset();
                cx.waker().wake_by_ref();
                if ticket.is_none() && connection.has_served() && !connection.is_busy() {
                    ticket = Some(enter());
                }
            }
            alarm.poll_tick(&connection, cx).map(Event::Silence)
        })
        .await;
        match event {
            Event::Ended(ended) => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "caller's connection ended");
                }
                return;
            }
            Event::Cut | Event::Silence(Silence::Stuck) => return,
            Event::Silence(_) if finishing && !connection.is_busy() => return,
            Event::Silence(Silence::Until(_)) => {
                if ticket.is_none() && !connection.is_busy() {
                    ticket = Some(enter());
                }
                continue;
            }
            Event::Leave | Event::Silence(Silence::Idle) => {}
        }
        // hyper sends GOAWAY and finishes the open streams. New ones that cross the GOAWAY have until the next tick.
        finishing = true;
        http.as_mut().graceful_shutdown();
        alarm.tick();
    }
}
