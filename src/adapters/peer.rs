//! What counts as one peer.

use std::net::IpAddr;

use ipnet::IpNet;

/// An IPv4 address, or the /64 network of an IPv6 address, because one host can have all of its addresses.
pub fn network(peer: IpAddr) -> IpNet {
    let (peer, length) = match peer.to_canonical() {
        v6 @ IpAddr::V6(_) => (v6, 64),
        v4 @ IpAddr::V4(_) => (v4, 32),
    };
    IpNet::new(peer, length).map_or_else(|_| peer.into(), |network| network.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_is_one_peer() {
        for (name, one, other, are_one) in [
            ("IPv4", "192.0.2.1", "192.0.2.1", true),
            ("neighbours", "192.0.2.1", "192.0.2.2", false),
            ("IPv4 in IPv6", "192.0.2.1", "::ffff:192.0.2.1", true),
            ("neighbours in IPv6", "::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
            ("the first and the last of a /64", "2001:db8:1:2::", "2001:db8:1:2:ffff:ffff:ffff:ffff", true),
            ("two /64", "2001:db8:1:2::1", "2001:db8:1:3::1", false),
        ] {
            let peers = [one, other].map(|peer| network(peer.parse().unwrap()));
            assert_eq!(peers[0] == peers[1], are_one, "{name}");
        }
    }
}
