//! One connection, from its first byte to its end.
//!
//! A connection without a request in flight has no HTTP state: it is parked. When a request head has come, hyper serves
//! the connection until it has been idle for a moment.

mod alarm;
mod http1;
mod http2;
mod parked;
mod protocol;
mod service;

use std::sync::Arc;

use crate::adapters::net::connection::Connection;
use crate::adapters::net::transport::Transport;
use crate::edge::server::handler::Handler;
use crate::edge::server::serving::alarm::Alarm;
use crate::edge::server::serving::parked::Waking;
pub(crate) use crate::edge::server::serving::protocol::Protocol;
use crate::edge::server::watched::Watched;

/// Serves a connection until it ends, or until a time limit or a drain cuts it.
pub(crate) async fn serve<H: Handler>(
    transport: Transport,
    connection: Arc<Connection>,
    protocol: &Protocol,
    handler: &Arc<H>,
) {
    let mut alarm = Alarm::new(protocol.limits);
    let mut stream = Watched::new(transport, connection);
    // The futures are boxed, because an idle connection must not have room for them.
    loop {
        match parked::wait(&mut stream, protocol, &mut alarm).await {
            Waking::Request => {}
            Waking::Late => return Box::pin(stream.close()).await,
            Waking::Over => return,
        }
        let _awake = protocol.crowd.awake();
        if stream.is_http2() {
            return Box::pin(http2::serve(stream, protocol, handler, &mut alarm)).await;
        }
        let Some(idle) = Box::pin(http1::serve(stream, protocol, handler, &mut alarm)).await else { return };
        stream = idle;
    }
}
