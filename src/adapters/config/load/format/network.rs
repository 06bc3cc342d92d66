//! Addresses, URLs, paths and headers.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderName, Uri};
use ipnet::IpNet;

use crate::adapters::config::load::misfit::{Misfit, alone, quoted};

pub(super) fn socket_address(text: &str) -> Result<(), Misfit> {
    let wants = "is not an address with a port, such as 0.0.0.0:8080 or [::]:8080 (an IP address, no host name)";
    quoted(text.parse::<SocketAddr>().is_ok(), wants)
}

/// A network; an address alone is the network of that one address.
pub(in crate::adapters::config::load) fn network_of(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

pub(super) fn network(text: &str) -> Result<(), Misfit> {
    match network_of(text) {
        None => quoted(false, "is not a network, such as 10.0.0.0/8"),
        Some(network) => {
            let right = network.trunc();
            quoted(right == network, &format!("has bits set behind its prefix; write {right}"))
        }
    }
}

/// An `http` or `https` URL without credentials and fragment; a query only if `query` allows one. No message quotes the
/// URL: it could contain a password.
pub(super) fn url(text: &str, query: bool) -> Result<Uri, Misfit> {
    let message = match text.parse::<Uri>() {
        _ if text.contains('#') => "the URL has a fragment (#)",
        Err(_) => "must be a URL, such as https://sso.example.org/realms/corp",
        Ok(uri) if !matches!(uri.scheme_str(), Some("http" | "https")) => "the URL must begin with http:// or https://",
        Ok(uri) if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) => {
            "the URL has credentials in it"
        }
        Ok(uri) if uri.host().is_none_or(str::is_empty) => "the URL has no host",
        Ok(uri) if uri.authority().is_some_and(|a| a.as_str().ends_with(':') || bad_port(a)) => {
            "the URL's port is not a number from 1 to 65535"
        }
        Ok(uri) if !query && uri.query().is_some() => "the URL has a query (?)",
        Ok(uri) => return Ok(uri),
    };
    Err(Misfit::Alone(message.to_owned()))
}

fn bad_port(authority: &http::uri::Authority) -> bool {
    // `Authority` keeps a port that is too large as text and then has no `port_u16`.
    let text = authority.as_str();
    let after_host = text.rsplit_once(']').map_or(text, |(_, rest)| rest);
    after_host.contains(':') && authority.port_u16().is_none_or(|port| port == 0)
}

pub(super) fn origin(text: &str) -> Result<(), Misfit> {
    let path_free = url(text, false)?.path() == "/" && !text.ends_with('/');
    alone(path_free, "the URL must end after host and port: no path, no trailing slash")
}

/// A path that has one spelling only: the route compares it byte by byte.
pub(in crate::adapters::config::load) fn is_canonical(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| {
        rest.split('/').all(|segment| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'~');
            !matches!(segment, "" | "." | "..") && segment.bytes().all(plain)
        })
    })
}

/// What a path that is not canonical lacks.
pub(in crate::adapters::config::load) const CANONICAL: &str = "the realm's path must be like /realms/corp: no trailing slash, no empty segment, no \
    escapes; set `path` if the issuer has another";

pub(super) fn url_path(text: &str) -> Result<(), Misfit> {
    alone(is_canonical(text), CANONICAL)
}

pub(super) fn path_segment(text: &str) -> Result<(), Misfit> {
    let fits = !text.contains('/') && is_canonical(&format!("/{text}"));
    alone(fits, "must be one segment of a path, such as mySubRealm: no slash, no escapes")
}

/// Headers that mean something else to Cambio or to the servers behind it.
const OTHER_HEADERS: [&str; 12] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "dpop",
    "forwarded",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
    "client-cert-chain",
];

pub(super) fn certificate_header(text: &str) -> Result<(), Misfit> {
    let lower = text.to_ascii_lowercase();
    let taken = lower.starts_with("x-forwarded-") || OTHER_HEADERS.contains(&lower.as_str());
    quoted(
        lower.parse::<HeaderName>().is_ok() && !lower.contains('_') && !taken,
        "is not the name of a header of its own, such as Client-Cert or X-SSL-Client-Cert, without `_`",
    )
}

pub(super) fn absolute_uri(text: &str) -> Result<(), Misfit> {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    let letters = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    let printable = text.bytes().all(|b| b.is_ascii_graphic());
    quoted(
        !scheme.is_empty() && letters && printable && !text.contains('#'),
        "is not an absolute URI without fragment (RFC 8693 section 2.1)",
    )
}
