//! The forwarding headers `X-Forwarded-*` and `Forwarded` (RFC 7239), which always agree with each other.
//!
//! Cambio trusts the headers of a listed proxy, `X-Forwarded-*` before `Forwarded`. If a request has both, `Forwarded`
//! is made anew from `X-Forwarded-*`: otherwise a caller could smuggle one of them through a proxy that sets only the
//! other.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::adapters::net::connection::ConnectionFacts;

pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(crate) const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
pub(crate) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

const HTTP: HeaderValue = HeaderValue::from_static("http");
const HTTPS: HeaderValue = HeaderValue::from_static("https");
const PORT_80: HeaderValue = HeaderValue::from_static("80");
const PORT_443: HeaderValue = HeaderValue::from_static("443");

/// The origin of a URL under which callers reach Cambio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicOrigin {
    /// Whether the scheme is `https`, else `http`.
    pub secure: bool,
    /// Host and port as the caller or the configuration wrote them.
    pub host: HeaderValue,
}

impl PublicOrigin {
    /// `http` or `https`
    pub fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }
}

/// The origin of a request: from a listed proxy's headers, else from `host` and the connection.
pub(crate) fn origin(headers: &HeaderMap, host: &HeaderValue, facts: &ConnectionFacts) -> PublicOrigin {
    let mut origin = PublicOrigin { secure: facts.tls, host: host.clone() };
    if !facts.trusted {
        return origin;
    }
    let (proto, public_host) = if headers.contains_key(&X_FORWARDED_PROTO) || headers.contains_key(&X_FORWARDED_HOST) {
        (first(headers, &X_FORWARDED_PROTO), first(headers, &X_FORWARDED_HOST))
    } else {
        (element(headers, "proto"), element(headers, "host"))
    };
    match proto {
        Some(proto) if proto.eq_ignore_ascii_case("https") => origin.secure = true,
        Some(proto) if proto.eq_ignore_ascii_case("http") => origin.secure = false,
        _ => {}
    }
    if let Some(public_host) = public_host.and_then(|host| HeaderValue::from_str(host).ok()) {
        origin.host = public_host;
    }
    origin
}

/// Replaces all forwarding headers with Cambio's own. `public` is the origin that they name; without one, the origin
/// under which the caller reached Cambio.
pub(crate) fn set(headers: &mut HeaderMap, host: &HeaderValue, public: Option<&PublicOrigin>, facts: &ConnectionFacts) {
    let chain = if facts.trusted { chain(headers) } else { None };
    let port = (facts.trusted && public.is_none()).then(|| first(headers, &X_FORWARDED_PORT).and_then(port)).flatten();
    let origin = public.cloned().unwrap_or_else(|| origin(headers, host, facts));
    let port = port.unwrap_or_else(|| port_of(&origin, facts));
    headers.insert(http::header::FORWARDED, forwarded(chain.as_deref(), &origin, facts));
    headers.insert(X_FORWARDED_FOR, forwarded_for(chain, facts));
    headers.insert(X_FORWARDED_PROTO, if origin.secure { HTTPS } else { HTTP });
    headers.insert(X_FORWARDED_HOST, origin.host);
    headers.insert(X_FORWARDED_PORT, port);
}

fn forwarded_for(chain: Option<String>, facts: &ConnectionFacts) -> HeaderValue {
    let Some(mut chain) = chain else { return facts.forwarded_for.clone() };
    let _ = write!(chain, ", {}", facts.peer.ip());
    HeaderValue::from_str(&chain).unwrap_or_else(|_| facts.forwarded_for.clone())
}

fn forwarded(chain: Option<&str>, origin: &PublicOrigin, facts: &ConnectionFacts) -> HeaderValue {
    if let (None, Some((host, value))) = (chain, facts.forwarded.get())
        && *host == origin.host
        && origin.secure == facts.tls
    {
        return value.clone();
    }
    let mut text = String::with_capacity(96);
    let nodes = chain.into_iter().flat_map(|chain| chain.split(", "));
    let mut nodes =
        nodes.map(|node| if node.contains(':') { format!("for=\"[{node}]\"") } else { format!("for={node}") });
    let first = nodes.next();
    text.push_str(first.as_deref().unwrap_or(&facts.forwarded_node));
    if let Ok(host) = origin.host.to_str()
        && !host.contains(['"', '\\'])
    {
        let _ = write!(text, ";host=\"{host}\"");
    }
    let _ = write!(text, ";proto={}", origin.scheme());
    for node in nodes {
        let _ = write!(text, ", {node}");
    }
    if first.is_some() {
        let _ = write!(text, ", {}", facts.forwarded_node);
    }
    let value = HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("for=unknown"));
    if chain.is_none() && origin.secure == facts.tls {
        // A copy: the value from the request would keep hyper's whole buffer for as long as the connection is open.
        if let Ok(host) = HeaderValue::from_bytes(origin.host.as_bytes()) {
            let _ = facts.forwarded.set((host, value.clone()));
        }
    }
    value
}

/// The address of the caller: the last address in a listed proxy's headers that is not the address of a listed proxy, else
/// the peer's. Everything before it is the caller's word.
pub(crate) fn caller(headers: &HeaderMap, facts: &ConnectionFacts) -> IpAddr {
    let peer = facts.peer.ip();
    if !facts.trusted {
        return peer;
    }
    let x_forwarded = headers.contains_key(&X_FORWARDED_FOR);
    let name = if x_forwarded { &X_FORWARDED_FOR } else { &http::header::FORWARDED };
    let mut last = peer;
    for line in headers.get_all(name).iter().rev() {
        // A hop that names no address hides the hops before it.
        let Ok(line) = line.to_str() else { return last };
        for hop in line.rsplit(',') {
            let hop = if x_forwarded { Some(hop) } else { hop.split(';').find_map(|pair| parameter(pair, "for")) };
            let Some(address) = hop.and_then(address) else { return last };
            last = address;
            if !facts.proxies.contain(address) {
                return last;
            }
        }
    }
    last
}

/// The addresses before the peer, from a trusted peer's headers, joined with `, `. Whatever is no address is dropped.
fn chain(headers: &HeaderMap) -> Option<String> {
    let mut addresses = Vec::new();
    if headers.contains_key(&X_FORWARDED_FOR) {
        let lines = headers.get_all(&X_FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok());
        addresses.extend(lines.flat_map(|line| line.split(',')).filter_map(address));
    } else {
        let lines = headers.get_all(http::header::FORWARDED).iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split([',', ';']));
        addresses.extend(pairs.filter_map(|pair| parameter(pair, "for")).filter_map(address));
    }
    let addresses: Vec<_> = addresses.iter().map(IpAddr::to_string).collect();
    (!addresses.is_empty()).then(|| addresses.join(", "))
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80` as the bare address.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let ip = text
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()))
        .or_else(|_| text.trim_start_matches('[').trim_end_matches(']').parse());
    ip.ok().map(|ip| ip.to_canonical())
}

/// The first member of a list header.
fn first<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let value = headers.get(name)?.to_str().ok()?.split(',').next()?.trim();
    (!value.is_empty()).then_some(value)
}

/// A parameter of the first element of `Forwarded`.
fn element<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let line = headers.get(http::header::FORWARDED)?.to_str().ok()?;
    line.split(',').next()?.split(';').find_map(|pair| parameter(pair, name))
}

fn parameter<'a>(pair: &'a str, name: &str) -> Option<&'a str> {
    let (key, value) = pair.trim().split_once('=')?;
    key.eq_ignore_ascii_case(name).then(|| value.trim_matches('"'))
}

fn port(text: &str) -> Option<HeaderValue> {
    text.parse::<u16>().ok().map(HeaderValue::from)
}

/// The port in the public host, else that of the scheme.
fn port_of(origin: &PublicOrigin, facts: &ConnectionFacts) -> HeaderValue {
    let host = origin.host.as_bytes();
    let digits = host.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let at = host.len() - digits;
    if digits > 0 && at > 0 && host.get(at - 1) == Some(&b':') {
        let text = host.get(at..).unwrap_or_default();
        if text == facts.local_port.as_bytes() {
            return facts.local_port.clone();
        }
        if let Some(port) = std::str::from_utf8(text).ok().and_then(port) {
            return port;
        }
    }
    if origin.secure { PORT_443 } else { PORT_80 }
}

#[cfg(test)]
mod tests;
