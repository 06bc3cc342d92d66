//! WebSocket tunnels: after a 101 bytes are copied in both directions until one end closes.

use std::sync::Arc;

use http::header::{CONNECTION, UPGRADE};
use http::{Extensions, HeaderValue, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

use crate::adapters::net::body::Body;
use crate::adapters::net::connection::Connection;
use crate::adapters::upstream::error::UpstreamError;
use crate::adapters::upstream::headers;

/// The caller's side of an upgrade, if hyper offers one.
pub(crate) fn of_caller(extensions: &mut Extensions) -> Option<OnUpgrade> {
    extensions.remove::<OnUpgrade>()
}

/// Answers 101 and starts the tunnel. A half-close passes through. The tunnel counts as a connection and ends at a
/// drain's deadline.
pub(crate) fn tunnel(
    mut response: Response<Body>,
    caller: Option<OnUpgrade>,
    connection: &Arc<Connection>,
) -> Result<Response<Body>, UpstreamError> {
    let Some((caller, upstream)) = caller.zip(response.extensions_mut().remove::<OnUpgrade>()) else {
        return Err(UpstreamError::Garbage("101 without a WebSocket upgrade in the request".to_owned()));
    };
    if !headers::is_websocket(response.headers()) {
        return Err(UpstreamError::Garbage("101 to another protocol than WebSocket".to_owned()));
    }
    headers::strip_hop_by_hop(response.headers_mut());
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
    connection.upgrade();
    let connection = Arc::clone(connection);
    tokio::spawn(async move {
        let mut watch = connection.watch();
        tokio::select! {
            () = copy(caller, upstream) => {}
            () = watch.cut() => {}
        }
        drop(connection);
    });
    Ok(response)
}

async fn copy(caller: OnUpgrade, upstream: OnUpgrade) {
    let ends = tokio::try_join!(caller, upstream);
    let Ok((caller, upstream)) = ends.inspect_err(|error| tracing::debug!(%error, "upgrade failed")) else {
        return;
    };
    if let Err(error) = copy_bidirectional(&mut TokioIo::new(caller), &mut TokioIo::new(upstream)).await {
        tracing::debug!(%error, "tunnel broke");
    }
}
