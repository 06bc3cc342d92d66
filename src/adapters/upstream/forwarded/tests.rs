use std::sync::Arc;

use super::*;
use crate::adapters::net::connection::ListedProxies;

fn facts(trusted: bool) -> ConnectionFacts {
    ConnectionFacts::new("192.0.2.7:4711".parse().unwrap(), "192.0.2.1:8080".parse().unwrap(), false, trusted)
}

fn after(inbound: &[(&'static str, &'static str)], trusted: bool) -> [String; 5] {
    let mut headers = HeaderMap::new();
    for (name, value) in inbound {
        headers.append(*name, HeaderValue::from_static(value));
    }
    set(&mut headers, &HeaderValue::from_static("sso.example.org:8080"), None, &facts(trusted));
    ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "forwarded"].map(|name| {
        assert_eq!(headers.get_all(name).iter().count(), 1, "{name}");
        headers[name].to_str().unwrap().to_owned()
    })
}

#[test]
fn says_what_it_may() {
    let own = "for=192.0.2.7;host=\"sso.example.org:8080\";proto=http";
    let spoofed: &[_] = &[
        ("x-forwarded-for", "1.1.1.1"),
        ("x-forwarded-for", "2.2.2.2"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil"),
        ("x-forwarded-port", "1"),
        ("forwarded", "for=3.3.3.3;host=evil"),
    ];
    let cases: [(_, &[_], _, [_; 5]); 6] = [
        ("bare", &[], false, ["192.0.2.7", "http", "sso.example.org:8080", "8080", own]),
        ("spoofed", spoofed, false, ["192.0.2.7", "http", "sso.example.org:8080", "8080", own]),
        ("trusted, bare", &[], true, ["192.0.2.7", "http", "sso.example.org:8080", "8080", own]),
        (
            "trusted, X-Forwarded wins over a smuggled Forwarded",
            &[
                ("x-forwarded-for", "10.0.0.1, 2001:db8::1"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "sso.example.org"),
                ("forwarded", "for=3.3.3.3;host=evil"),
            ],
            true,
            [
                "10.0.0.1, 2001:db8::1, 192.0.2.7",
                "https",
                "sso.example.org",
                "443",
                "for=10.0.0.1;host=\"sso.example.org\";proto=https, for=\"[2001:db8::1]\", for=192.0.2.7",
            ],
        ),
        (
            "trusted, Forwarded only",
            &[("forwarded", "for=\"[2001:db8::1]:80\";proto=https;host=\"sso.example.org:8443\", for=10.0.0.2")],
            true,
            [
                "2001:db8::1, 10.0.0.2, 192.0.2.7",
                "https",
                "sso.example.org:8443",
                "8443",
                "for=\"[2001:db8::1]\";host=\"sso.example.org:8443\";proto=https, for=10.0.0.2, for=192.0.2.7",
            ],
        ),
        (
            "trusted, rubbish is dropped",
            &[("x-forwarded-for", "unknown, <script>"), ("x-forwarded-proto", "gopher"), ("x-forwarded-port", "x")],
            true,
            ["192.0.2.7", "http", "sso.example.org:8080", "8080", own],
        ),
    ];
    for (name, inbound, trusted, expected) in cases {
        assert_eq!(after(inbound, trusted), expected, "{name}");
    }
}

#[test]
fn another_host_on_the_same_connection_gets_its_own() {
    let facts = facts(false);
    for host in ["a.example", "b.example", "a.example"] {
        let mut headers = HeaderMap::new();
        set(&mut headers, &HeaderValue::from_str(host).unwrap(), None, &facts);
        assert_eq!(headers["forwarded"], format!("for=192.0.2.7;host=\"{host}\";proto=http"));
    }
}

#[test]
fn the_caller_is_the_last_hop_that_is_no_listed_proxy() {
    let proxies = Arc::new(ListedProxies {
        networks: vec!["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        ..ListedProxies::default()
    });
    let peer = "192.0.2.7";
    let cases: [(_, &[(&str, &str)], _, _); 14] = [
        ("nothing", &[], true, peer),
        ("untrusted", &[("x-forwarded-for", "198.51.100.1")], false, peer),
        ("one hop", &[("x-forwarded-for", "198.51.100.1")], true, "198.51.100.1"),
        ("a forged hop before", &[("x-forwarded-for", "1.1.1.1, 198.51.100.1")], true, "198.51.100.1"),
        ("through two proxies", &[("x-forwarded-for", "1.1.1.1,198.51.100.1, 192.0.2.8")], true, "198.51.100.1"),
        ("two lines", &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "198.51.100.1")], true, "198.51.100.1"),
        ("with a port", &[("x-forwarded-for", "198.51.100.1:4711")], true, "198.51.100.1"),
        ("IPv6 with a port", &[("x-forwarded-for", "[2001:db9::1]:4711")], true, "2001:db9::1"),
        ("IPv4 in IPv6", &[("x-forwarded-for", "::ffff:198.51.100.1")], true, "198.51.100.1"),
        ("proxies only", &[("x-forwarded-for", "192.0.2.9, 2001:db8::8")], true, "192.0.2.9"),
        ("a hop without an address", &[("x-forwarded-for", "1.1.1.1, unknown, 192.0.2.8")], true, "192.0.2.8"),
        ("an empty hop", &[("x-forwarded-for", "1.1.1.1,")], true, peer),
        (
            "Forwarded",
            &[("forwarded", "for=1.1.1.1, proto=https;For=\"[2001:db9::1]:80\";by=x, for=192.0.2.8")],
            true,
            "2001:db9::1",
        ),
        (
            "X-Forwarded-For first",
            &[("forwarded", "for=1.1.1.1"), ("x-forwarded-for", "198.51.100.1")],
            true,
            "198.51.100.1",
        ),
    ];
    for (name, inbound, trusted, expected) in cases {
        let mut headers = HeaderMap::new();
        for (name, value) in inbound {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let facts = facts(trusted).with_proxies(&proxies);
        assert_eq!(caller(&headers, &facts).to_string(), expected, "{name}");
    }
}

#[test]
fn a_connection_keeps_no_part_of_a_request() {
    // hyper's values share the buffer of the whole head.
    let buffer = bytes::Bytes::from(b"sso.example.org, and the rest of a head".to_vec());
    let host = HeaderValue::from_maybe_shared(buffer.slice(..15)).unwrap();
    let facts = facts(false);
    set(&mut HeaderMap::new(), &host, None, &facts);
    drop(host);
    assert_eq!(facts.forwarded.get().unwrap().0, "sso.example.org");
    assert!(buffer.is_unique());
}
