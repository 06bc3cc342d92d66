//! The headers that are forwarded, in both directions.
//!
//! Hop-by-hop headers are removed (RFC 9110 section 7.6.1). Headers with which proxies describe the caller are
//! removed, too, unless a listed proxy sent them, because the identity provider may trust them.

mod identity;

use std::net::IpAddr;

use http::header::{
    CONNECTION, COOKIE, EXPECT, FORWARDED, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING,
    UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

use self::identity::{is_identity, likens};
use crate::adapters::net::connection::{Connection, ConnectionFacts, ListedProxies};
pub use crate::adapters::upstream::forwarded::PublicOrigin;
use crate::adapters::upstream::forwarded::{
    self, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PORT, X_FORWARDED_PROTO,
};

/// Headers that a `Connection` line can't remove, although RFC 9110 would allow it. Cambio's decision depends on them
/// (credentials, content, host), so the request must not arrive without them. `Via` ends loops.
const NOT_NOMINABLE: &[&str] = &[
    "authorization",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "dpop",
    "forwarded",
    "host",
    "origin",
    "set-cookie",
    "transfer-encoding",
    "via",
];

/// Names that no trailer has, besides those of [`NOT_NOMINABLE`], hop-by-hop headers and those about the caller.
const NO_TRAILERS: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-range",
    "expect",
    "range",
    "trailer",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

/// Whether the request asks for a WebSocket, the only upgrade that is forwarded (RFC 6455 section 4.1).
pub fn asks_for_websocket(head: &Parts) -> bool {
    head.method == Method::GET
        && head.version == Version::HTTP_11
        && is_websocket(&head.headers)
        && connection_options(&head.headers).any(|option| option.eq_ignore_ascii_case("upgrade"))
}

/// Whether `Upgrade` names WebSocket and nothing else.
pub(crate) fn is_websocket(headers: &HeaderMap) -> bool {
    headers.get(UPGRADE).is_some_and(|line| line.as_bytes().eq_ignore_ascii_case(b"websocket"))
        && headers.get_all(UPGRADE).iter().nth(1).is_none()
}

/// The origin under which the caller says that it reached Cambio: from a listed proxy's headers, else from `Host` and the
/// connection. `None` without a host (HTTP/1.0).
pub(crate) fn named_origin(head: &Parts, connection: &Connection) -> Option<PublicOrigin> {
    Some(forwarded::origin(&head.headers, &host(head)?, connection.facts()))
}

/// The address of the caller: a listed proxy's headers say it, else the connection.
pub fn caller(headers: &HeaderMap, connection: &Connection) -> IpAddr {
    forwarded::caller(headers, connection.facts())
}

/// The host that the request is for: the target's (HTTP/2, absolute form), else `Host` (RFC 9112 section 3.2.2).
pub(crate) fn host(head: &Parts) -> Option<HeaderValue> {
    match head.uri.authority() {
        None => head.headers.get(HOST).cloned(),
        Some(authority) => {
            let host = authority.as_str().rsplit('@').next().unwrap_or_default();
            // If both agree, as HTTP/1.1 requires, the clone only counts a reference.
            let line = head.headers.get(HOST).filter(|line| line.as_bytes() == host.as_bytes());
            line.cloned().or_else(|| HeaderValue::from_str(host).ok())
        }
    }
}

/// Prepares a caller's headers for the identity provider: removes hop-by-hop and untrusted ones, and sets the
/// forwarding headers. `host` becomes `Host`, and `public` the origin in the forwarding headers, instead of the caller's.
pub fn to_upstream(
    headers: &mut HeaderMap,
    host: &HeaderValue,
    public: Option<&PublicOrigin>,
    connection: &Connection,
) {
    let trailers = accepts_trailers(headers);
    strip_hop_by_hop(headers);
    headers.remove(EXPECT);
    strip_identity(headers, connection.facts());
    forwarded::set(headers, host, public, connection.facts());
    let mut hosts = headers.get_all(HOST).iter();
    if hosts.next() != Some(host) || hosts.next().is_some() {
        headers.insert(HOST, host.clone());
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
}

/// Joins the several lines in which HTTP/2 may send cookies (RFC 9113 section 8.2.3).
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(COOKIE).iter();
    if crumbs.next().is_none() || crumbs.next().is_none() {
        return;
    }
    let crumbs: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

/// Removes hop-by-hop headers, and those that `Connection` names.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let mut found = false;
    let mut connection = false;
    let mut nominates = false;
    for (name, value) in &*headers {
        match name.as_str() {
            "connection" => {
                connection = true;
                nominates |= !names_nothing(value);
            }
            name => found |= is_hop_by_hop(name),
        }
    }
    if connection && !nominates {
        headers.remove(CONNECTION);
    } else if connection {
        let options = connection_options(headers).filter(|option| is_nominable(option));
        let names: Vec<_> = options.filter_map(|option| HeaderName::from_bytes(option.as_bytes()).ok()).collect();
        headers.remove(CONNECTION);
        for name in names {
            headers.remove(name);
        }
    }
    if found {
        for name in [PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE] {
            headers.remove(name);
        }
        for name in ["http2-settings", "keep-alive", "proxy-connection"] {
            headers.remove(name);
        }
    }
}

/// Names are compared as text: their lengths mostly differ, and an array of names would be built for every header.
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "te" | "transfer-encoding"
            | "upgrade"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "http2-settings"
            | "keep-alive"
            | "proxy-connection"
    )
}

/// Whether `Connection` has one of its two usual values.
fn names_nothing(connection: &HeaderValue) -> bool {
    let value = connection.as_bytes();
    value.eq_ignore_ascii_case(b"keep-alive") || value.eq_ignore_ascii_case(b"close")
}

fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(CONNECTION).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|option| !option.is_empty())
}

fn is_nominable(option: &str) -> bool {
    let starts = |prefix: &str| option.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    // These options name no headers.
    !["close", "keep-alive", "upgrade", "te"].iter().any(|word| option.eq_ignore_ascii_case(word))
        && !NOT_NOMINABLE.iter().any(|name| option.eq_ignore_ascii_case(name))
        && !starts("x-forwarded-")
}

fn accepts_trailers(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(TE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|coding| coding.trim().eq_ignore_ascii_case("trailers"))
}

/// Removes headers that only a listed proxy may send, except those that [`forwarded::set`] replaces later. Spellings
/// with `_` are removed even if a listed proxy sent them, because CGI-like servers can't tell them from the real ones. Only
/// a spelling that the configuration has passes.
fn strip_identity(headers: &mut HeaderMap, facts: &ConnectionFacts) {
    let (trusted, proxies) = (facts.trusted, &*facts.proxies);
    let goes = |name: &HeaderName| {
        let text = name.as_str();
        if disguises_framing(text) {
            return true;
        }
        if trusted && (!text.contains('_') || proxies.sends(name)) {
            return false;
        }
        (is_identity(text) || proxies.sends_like(text)) && !is_replaced(name)
    };
    if headers.keys().any(goes) {
        let names: Vec<_> = headers.keys().filter(|name| goes(name)).cloned().collect();
        for name in names {
            headers.remove(name);
        }
    }
}

/// Whether [`forwarded::set`] replaces the header.
fn is_replaced(name: &HeaderName) -> bool {
    [FORWARDED, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PORT, X_FORWARDED_PROTO].contains(name)
}

/// Whether a request's trailer is removed, whoever sent it: a server that merges trailers into the head (RFC 9110 section
/// 6.5.1) would read it as a header that Cambio judged, removed or replaced there.
pub(crate) fn is_no_trailer(name: &HeaderName, proxies: &ListedProxies) -> bool {
    let text = name.as_str();
    let dashed = text.replace('_', "-");
    NO_TRAILERS.contains(&dashed.as_str())
        || NOT_NOMINABLE.contains(&dashed.as_str())
        || is_hop_by_hop(&dashed)
        || is_identity(text)
        || proxies.sends_like(text)
}

/// Whether a server that takes `_` for `-` would read the header as framing or media type, which Cambio did not check.
fn disguises_framing(name: &str) -> bool {
    matches!(name, "content_encoding" | "content_length" | "content_type" | "transfer_encoding")
}

impl ListedProxies {
    /// Whether the configuration names this header, in this spelling.
    fn sends(&self, name: &HeaderName) -> bool {
        self.own_headers().any(|own| own == name)
    }

    /// Whether some server could take this name for a header that the configuration names.
    fn sends_like(&self, name: &str) -> bool {
        self.own_headers().any(|own| likens(own.as_str(), name))
    }
}

#[cfg(test)]
mod tests;
