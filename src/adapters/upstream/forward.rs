//! The plain proxy: forwards a caller's request and its answer unchanged, WebSocket tunnels included.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, Version};
use http_body::Body as _;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

use crate::adapters::net::body::Body;
use crate::adapters::net::connection::Connection;
use crate::adapters::net::turns::Requester;
use crate::adapters::net::unread::MustRead;
use crate::adapters::upstream::client::{TunnelTurn, UpstreamClient};
use crate::adapters::upstream::error::UpstreamError;
use crate::adapters::upstream::forwarded::PublicOrigin;
use crate::adapters::upstream::headers;

/// Sends a request upstream and streams the answer back. Path and query keep their bytes, `Host` its value. The body
/// may differ from the caller's; the framing headers follow its length. A request that Cambio makes for a realm goes under
/// the realm's `public` origin instead of the caller's `Host`.
///
/// hyper answers `Expect: 100-continue` when the body is read; the header is not forwarded. A WebSocket upgrade becomes
/// a tunnel with its own task. Any other `Upgrade` is ignored, as RFC 9110 section 7.8 allows
/// (docs/decisions/0001-h2c-upgrade-is-ignored.md). Informational answers other than 101 end here, because hyper can't
/// send them to a caller.
pub async fn pass(
    upstream: &UpstreamClient,
    request: Request<Body>,
    public: Option<&PublicOrigin>,
    connection: &Arc<Connection>,
) -> Result<Response<Body>, UpstreamError> {
    let (mut head, body) = request.into_parts();
    let websocket = headers::asks_for_websocket(&head);
    let caller = if websocket { head.extensions.remove::<OnUpgrade>() } else { None };

    if head.version == Version::HTTP_2 {
        headers::join_cookies(&mut head.headers);
    }
    let host = public.map(|origin| origin.host.clone()).or_else(|| headers::host(&head));
    let asker = Requester::caller(headers::caller(&head.headers, connection));
    let host = host.unwrap_or_else(|| upstream.host().clone());
    headers::to_upstream(&mut head.headers, &host, public, connection);
    upstream.via().add(&mut head.headers, head.version);
    to_origin_form(&mut head.uri);
    head.version = Version::HTTP_11;
    if caller.is_some() {
        head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        head.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    let proxies = Arc::clone(&connection.facts().proxies);
    let body = body.without_trailers(move |name| headers::is_no_trailer(name, &proxies));
    frame(&mut head.headers, &body);
    // Extensions belong to the caller's side (an upgrade that is not used, for instance).
    head.extensions = http::Extensions::new();

    let mut response = upstream.send(Request::from_parts(head, body), asker).await?;
    *response.version_mut() = Version::HTTP_11;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return tunnel(response, caller, connection, upstream.idle_timeout());
    }
    headers::strip_hop_by_hop(response.headers_mut());
    if matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        // RFC 9110 section 8.6: a 204 has no Content-Length, and for a 304 hyper knows no length.
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    Ok(response)
}

/// Makes the framing headers agree with the body. hyper sends an existing `Content-Length` even if the body has another
/// length, and omits the body of a GET or HEAD whose length is not known.
fn frame(headers: &mut HeaderMap, body: &Body) {
    let Some(length) = body.size_hint().exact() else {
        headers.remove(CONTENT_LENGTH);
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        return;
    };
    let said = headers.get(CONTENT_LENGTH).map(|said| said.to_str().ok().and_then(|said| said.parse::<u64>().ok()));
    if said.is_some_and(|said| said != Some(length)) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// Reduces a target to path and query, byte for byte (RFC 9112 section 3.2.1).
fn to_origin_form(uri: &mut Uri) {
    if uri.authority().is_none() && uri.scheme().is_none() {
        return;
    }
    let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    *uri = Uri::from(path);
}

/// Answers 101 and starts the tunnel. A half-close is forwarded. The tunnel counts as a connection, and ends at a
/// drain's deadline, or when a side has taken nothing for `idle`; silence does not end it.
fn tunnel(
    mut response: Response<Body>,
    caller: Option<OnUpgrade>,
    connection: &Arc<Connection>,
    idle: Duration,
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
    let turn = response.extensions_mut().remove::<TunnelTurn>();
    let connection = Arc::clone(connection);
    tokio::spawn(async move {
        let mut watch = connection.watch();
        tokio::select! {
            () = copy(caller, upstream, idle) => {}
            () = watch.cut() => {}
        }
        drop((connection, turn));
    });
    Ok(response)
}

async fn copy(caller: OnUpgrade, upstream: OnUpgrade, idle: Duration) {
    let ends = tokio::try_join!(caller, upstream);
    let Ok((caller, upstream)) = ends.inspect_err(|error| tracing::debug!(%error, "upgrade failed")) else {
        return;
    };
    let [mut caller, mut upstream] = [caller, upstream].map(|end| MustRead::new(TokioIo::new(end), idle));
    if let Err(error) = copy_bidirectional(&mut caller, &mut upstream).await {
        tracing::debug!(%error, "tunnel broke");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_framed_by_its_own_length() {
        let with_trailers = || Body::full_with_trailers("abc", Some(HeaderMap::new()));
        let cases = [
            ("as said", Some("3"), Body::full("abc"), Some("3"), None),
            ("not said", None, Body::full("abc"), None, None),
            ("replaced", Some("900"), Body::full("abc"), Some("3"), None),
            ("taken away", Some("900"), Body::empty(), Some("0"), None),
            ("none", None, Body::empty(), None, None),
            ("with trailers", Some("3"), with_trailers(), None, Some("chunked")),
        ];
        for (name, said, body, length, coding) in cases {
            let said = said.map(|said| (CONTENT_LENGTH, HeaderValue::from_static(said)));
            let mut headers = HeaderMap::from_iter(said);
            frame(&mut headers, &body);
            assert_eq!(headers.get(CONTENT_LENGTH).map(HeaderValue::as_bytes), length.map(str::as_bytes), "{name}");
            assert_eq!(headers.get(TRANSFER_ENCODING).map(HeaderValue::as_bytes), coding.map(str::as_bytes), "{name}");
        }
    }

    #[test]
    fn targets_keep_their_bytes() {
        let cases = [
            ("origin form", "/a//b/../%2e%2E/c?x=%zz&&y", "/a//b/../%2e%2E/c?x=%zz&&y"),
            ("absolute form", "http://h:80/a//b/../%2e?", "/a//b/../%2e?"),
            ("absolute form without a path", "https://h", "/"),
        ];
        for (name, target, expected) in cases {
            let mut uri: Uri = target.parse().unwrap();
            to_origin_form(&mut uri);
            assert_eq!(uri.to_string(), expected, "{name}");
        }
    }
}
