//! HTTP proxies on the way to foreign servers, and which servers are reached through one.
//!
//! The rules are Go's (`golang.org/x/net/http/httpproxy`), which most programs beside Cambio follow. hyper-util's matcher
//! knows no ports, no `*.` and no loopback, and ignores an address that it can't read.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};
use ipnet::IpNet;
use percent_encoding::percent_decode_str;

/// An HTTP proxy. `Debug` and `Display` show its address, never its credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Scheme, host and port, with the path `/`.
    address: Uri,
    authorization: Option<HeaderValue>,
}

/// The text is no proxy. The error does not repeat the text, which could hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the URL of an HTTP proxy, such as http://proxy.example.org:3128")]
pub struct NoProxyUrl;

/// Which proxy leads to which server. The default is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<Arc<Proxy>>,
    https: Option<Arc<Proxy>>,
    except: Vec<Exception>,
    /// Whether loopback is reached without a proxy.
    spares_loopback: bool,
}

/// Servers that are reached without a proxy: an entry of `NO_PROXY`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Exception {
    hosts: Hosts,
    /// `None`: every port.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    Network(IpNet),
    Address(IpAddr),
    /// Names that end with this text, which begins with a dot.
    Below(String),
    /// The name after the dot, and names that end with this text.
    Domain(String),
}

impl Proxy {
    /// Reads a URL with the scheme `http` or `https`. Its user information is the proxy's user name and password.
    ///
    /// # Errors
    /// The text is no such URL.
    pub fn parse(url: &str) -> Result<Self, NoProxyUrl> {
        let uri: Uri = url.parse().map_err(|_| NoProxyUrl)?;
        let authority = uri.authority().ok_or(NoProxyUrl)?;
        let (user, place) = match authority.as_str().rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority.as_str()),
        };
        let place: Authority = place.parse().map_err(|_| NoProxyUrl)?;
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        let has_port = place.as_str().len() == place.host().len() || place.port_u16().is_some_and(|port| port != 0);
        if !is_http || place.host().is_empty() || !has_port || uri.path() != "/" || uri.query().is_some() {
            return Err(NoProxyUrl);
        }
        let scheme = uri.scheme().cloned().unwrap_or(Scheme::HTTP);
        let address = Uri::builder().scheme(scheme).authority(place).path_and_query("/").build();
        Ok(Self { address: address.map_err(|_| NoProxyUrl)?, authorization: user.map(basic).transpose()? })
    }

    /// Scheme, host and port.
    pub fn address(&self) -> &Uri {
        &self.address
    }

    /// The value of `Proxy-Authorization`, if the proxy's URL has credentials.
    pub fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    /// Whether the connection to the proxy itself has TLS.
    pub fn has_tls(&self) -> bool {
        self.address.scheme() == Some(&Scheme::HTTPS)
    }
}

fn basic(user: &str) -> Result<HeaderValue, NoProxyUrl> {
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let decoded = |text| percent_decode_str(text).decode_utf8().map_err(|_| NoProxyUrl);
    let pair = format!("{}:{}", decoded(name)?, decoded(password)?);
    let mut header = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair))).map_err(|_| NoProxyUrl)?;
    header.set_sensitive(true);
    Ok(header)
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.address.authority().map_or("", Authority::as_str);
        write!(f, "{}://{place}", self.address.scheme_str().unwrap_or_default())
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

impl Proxies {
    /// One proxy for every server.
    pub fn always(proxy: Proxy) -> Self {
        let proxy = Some(Arc::new(proxy));
        Self { http: proxy.clone(), https: proxy, ..Self::default() }
    }

    /// A proxy for servers with plain http and one for servers with https, except for the hosts in `except`, which is
    /// written as in `NO_PROXY`, and for loopback.
    pub fn new(http: Option<Proxy>, https: Option<Proxy>, except: &str) -> Self {
        let entries = except.split(|c: char| c == ',' || c.is_ascii_whitespace());
        Self {
            http: http.map(Arc::new),
            https: https.map(Arc::new),
            except: entries.filter_map(Exception::read).collect(),
            spares_loopback: true,
        }
    }

    /// The proxy for a URL.
    pub fn of(&self, url: &Uri) -> Option<&Proxy> {
        let is_https = url.scheme() == Some(&Scheme::HTTPS);
        let proxy = if is_https { self.https.as_deref() } else { self.http.as_deref() }?;
        let port = url.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let host = url.host()?.to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        let address = address_of(host);
        let is_loopback = host == "localhost" || address.is_some_and(|address| address.is_loopback());
        if self.spares_loopback && is_loopback || self.except.iter().any(|one| one.is_for(host, address, port)) {
            return None;
        }
        Some(proxy)
    }

    /// Every proxy, with the scheme of the servers behind it.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &Proxy)> {
        let both = [("http", self.http.as_deref()), ("https", self.https.as_deref())];
        both.into_iter().filter_map(|(scheme, proxy)| Some((scheme, proxy?)))
    }
}

impl Exception {
    fn read(entry: &str) -> Option<Self> {
        let entry = entry.to_ascii_lowercase();
        if entry == "*" {
            return Some(Self { hosts: Hosts::All, port: None });
        }
        if let Ok(network) = entry.parse() {
            return Some(Self { hosts: Hosts::Network(network), port: None });
        }
        let (host, port) = match entry.rsplit_once(':') {
            // The colons of an IPv6 address without a port are its own.
            Some((host, port)) if address_of(&entry).is_none() => (host, Some(port.parse().ok()?)),
            _ => (entry.as_str(), None),
        };
        if let Some(address) = address_of(host) {
            return Some(Self { hosts: Hosts::Address(address), port });
        }
        let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
        let host = host.strip_suffix('.').unwrap_or(host);
        match host {
            "" => None,
            _ if host.starts_with('.') => Some(Self { hosts: Hosts::Below(host.to_owned()), port }),
            _ => Some(Self { hosts: Hosts::Domain(format!(".{host}")), port }),
        }
    }

    fn is_for(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        let is_host = match &self.hosts {
            Hosts::All => true,
            Hosts::Network(network) => address.is_some_and(|address| network.contains(&address)),
            Hosts::Address(one) => address == Some(*one),
            Hosts::Below(end) => address.is_none() && host.ends_with(end.as_str()),
            Hosts::Domain(end) => address.is_none() && (host.ends_with(end.as_str()) || host == &end[1..]),
        };
        is_host && self.port.is_none_or(|one| one == port)
    }
}

/// The address that a host is, with or without brackets.
fn address_of(host: &str) -> Option<IpAddr> {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests;
