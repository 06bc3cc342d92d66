//! Whether an address leads back to one of Cambio's own listeners.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use http::Uri;

/// The addresses of a URL's host that are known without a resolver: an address itself, and this machine by its name
/// `localhost` (RFC 6761 section 6.3).
pub fn known_addresses(url: &Uri) -> Vec<SocketAddr> {
    let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("https") { 443 } else { 80 });
    if let Ok(ip) = host.parse::<IpAddr>() {
        return vec![SocketAddr::new(ip, port)];
    }
    let host = host.to_ascii_lowercase();
    if host == "localhost" || host.ends_with(".localhost") {
        return vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()];
    }
    Vec::new()
}

/// Whether a connection to `target` reaches a listener of this machine with the address `listener`.
pub fn leads_to(target: SocketAddr, listener: SocketAddr) -> bool {
    let (to, at) = (target.ip().to_canonical(), listener.ip().to_canonical());
    if target.port() == 0 || target.port() != listener.port() {
        return false;
    }
    // A listener on `[::]` takes IPv4 connections, too.
    let same_family = to.is_ipv4() == at.is_ipv4() || at == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    if at.is_unspecified() {
        return same_family && is_of_this_machine(to);
    }
    // A connection to an unspecified address goes to the loopback address.
    to == at || to.is_unspecified() && at.is_loopback() && same_family
}

/// Whether an address belongs to this machine: then a socket can have it.
fn is_of_this_machine(ip: IpAddr) -> bool {
    ip.is_loopback() || ip.is_unspecified() || UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_leads_back_is_recognised() {
        // An address of this machine's, if it has another than loopback; nothing is sent.
        let own = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
            socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr()).map(|address| address.ip().to_string())
        });
        let own = format!("http://{}:8080", own.unwrap_or_else(|_| "127.0.0.1".to_owned()));
        for (name, url, listener, expected) in [
            ("the listener", "http://127.0.0.1:8080", "127.0.0.1:8080", true),
            ("over TLS", "https://127.0.0.1:8080", "127.0.0.1:8080", true),
            ("another port", "http://127.0.0.1:8180", "127.0.0.1:8080", false),
            ("any port", "http://127.0.0.1:8080", "127.0.0.1:0", false),
            ("another loopback address", "http://127.0.0.2:8080", "127.0.0.1:8080", false),
            ("by name", "http://localhost:8080", "127.0.0.1:8080", true),
            ("by name, IPv6", "http://LocalHost.:8080", "[::1]:8080", true),
            ("by a name below", "http://sso.localhost:8080", "127.0.0.1:8080", true),
            ("another name", "http://idp:8080", "0.0.0.0:8080", false),
            ("every address", "http://127.0.0.1:8080", "0.0.0.0:8080", true),
            ("every address, another loopback address", "http://127.9.9.9:8080", "0.0.0.0:8080", true),
            ("every address of both families", "http://127.0.0.1:8080", "[::]:8080", true),
            ("every IPv4 address", "http://[::1]:8080", "0.0.0.0:8080", false),
            ("to the unspecified address", "http://0.0.0.0:8080", "0.0.0.0:8080", true),
            ("to the unspecified address of loopback", "http://0.0.0.0:8080", "127.0.0.1:8080", true),
            ("to the unspecified address, elsewhere", "http://0.0.0.0:8080", "192.0.2.1:8080", false),
            ("mapped", "http://[::ffff:127.0.0.1]:8080", "127.0.0.1:8080", true),
            ("an interface of this machine", &own, "0.0.0.0:8080", true),
            ("another machine", "http://192.0.2.1:8080", "0.0.0.0:8080", false),
            ("the default port", "http://127.0.0.1", "0.0.0.0:80", true),
            ("the default port of TLS", "https://127.0.0.1", "0.0.0.0:443", true),
        ] {
            let listener: SocketAddr = listener.parse().unwrap();
            let targets = known_addresses(&url.parse().unwrap());
            assert_eq!(targets.into_iter().any(|target| leads_to(target, listener)), expected, "{name}");
        }
    }
}
