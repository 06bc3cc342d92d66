//! A connection with HTTP/1.1 requests.

use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use crate::adapters::net::connection::Silence;
use crate::edge::server::bell::Bell;
use crate::edge::server::handler::Handler;
use crate::edge::server::serving::alarm::{Alarm, REST};
use crate::edge::server::serving::protocol::Protocol;
use crate::edge::server::serving::service::service;
use crate::edge::server::watched::Watched;

/// What interrupts hyper.
enum Event {
    /// The connection is over, or has become another protocol.
    Ended(hyper::Result<()>),
    /// The connection should be parked, if it rests.
    Park,
    /// A stop is announced.
    Leave,
    /// The time of a drain is over.
    Cut,
    Silence(Silence),
}

/// Serves requests until the connection ends, or rests and is to be parked.
pub(super) async fn serve<H: Handler>(
    stream: Watched,
    protocol: &Protocol,
    handler: &Arc<H>,
    alarm: &mut Alarm,
) -> Option<Watched> {
    let connection = Arc::clone(stream.connection());
    let mut watch = connection.watch();
    let mut leaving = watch.is_leaving();
    let builder = if leaving { &protocol.last } else { &protocol.http1 };
    let mut http = builder.serve_connection(TokioIo::new(stream), service(&connection, handler)).with_upgrades();
    let mut leave = pin!(watch.leaving());
    let mut watch = connection.watch();
    let mut cut = pin!(watch.cut());
    let mut pressed = pin!(protocol.crowd.pressed());
    let (mut leave_bell, mut cut_bell, mut press_bell) = (Bell::default(), Bell::default(), Bell::default());
    let mut finishing = leaving;
    let before = connection.begun();
    alarm.tick();
    loop {
        let event = poll_fn(|cx| {
            if let Poll::Ready(ended) = Pin::new(&mut http).poll(cx) {
                return Poll::Ready(Event::Ended(ended));
            }
            if (leaving || protocol.crowd.is_crowded()) && connection.rests(before) {
                return Poll::Ready(Event::Park);
            }
            if leaving && !finishing && connection.is_busy() {
                return Poll::Ready(Event::Leave);
            }
            if !leaving && leave_bell.poll(leave.as_mut(), cx).is_ready() {
                leaving = true;
                return Poll::Ready(Event::Leave);
            }
            if cut_bell.poll(cut.as_mut(), cx).is_ready() {
                return Poll::Ready(Event::Cut);
            }
            if press_bell.poll(pressed.as_mut(), cx).is_ready() {
                pressed.set(protocol.crowd.pressed());
                press_bell.reset();
                return Poll::Ready(Event::Park);
            }
            alarm.poll_tick(&connection, cx).map(Event::Silence)
        })
        .await;
        let rests = connection.rests(before);
        match event {
            Event::Ended(ended) => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "caller's connection ended");
                }
                return None;
            }
            Event::Cut | Event::Silence(Silence::Stuck) => return None,
            Event::Park | Event::Leave | Event::Silence(Silence::Idle) if rests => break,
            Event::Silence(Silence::Until(_)) if rests && connection.quiet_since() + REST <= Instant::now() => break,
            Event::Silence(Silence::Idle) if finishing => return None,
            // hyper closes after the present answer, and says so if the answer has not begun.
            Event::Leave if connection.is_busy() => {}
            Event::Silence(Silence::Idle) => {}
            Event::Park | Event::Leave | Event::Silence(Silence::Until(_)) => continue,
        }
        finishing = true;
        Pin::new(&mut http).graceful_shutdown();
    }
    let parts = http.into_parts()?;
    let mut stream = parts.io.into_inner();
    if stream.hold(&parts.read_buf) {
        return Some(stream);
    }
    // hyper, too, closes a connection with a body that nobody read.
    stream.close().await;
    None
}
