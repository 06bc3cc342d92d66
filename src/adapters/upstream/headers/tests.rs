use std::sync::Arc;

use super::*;
use crate::adapters::drain;

fn sent(inbound: &[(&'static str, &'static str)], trusted: bool) -> Vec<String> {
    let facts = ConnectionFacts::new("192.0.2.7:1".parse().unwrap(), "192.0.2.1:80".parse().unwrap(), false, trusted);
    let connection = Connection::new(facts, drain::channel().1, ());
    let mut headers: HeaderMap = HeaderMap::new();
    for (name, value) in inbound {
        headers.append(*name, HeaderValue::from_static(value));
    }
    to_upstream(&mut headers, &HeaderValue::from_static("sso.example.org"), None, &connection);
    let ours = ["forwarded", "host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto"];
    let mut lines: Vec<_> = headers
        .iter()
        .filter(|(name, _)| !ours.contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort();
    lines
}

#[test]
fn hop_by_hop_headers_end_here() {
    let cases: [(&str, &[_], &[&str]); 11] = [
        ("nothing", &[("accept", "*/*"), ("traceparent", "00-1-1-00")], &["accept: */*", "traceparent: 00-1-1-00"]),
        ("keep-alive", &[("connection", "keep-alive"), ("keep-alive", "5")], &[]),
        ("named", &[("connection", "close, X-Hop"), ("x-hop", "1"), ("x-end", "2")], &["x-end: 2"]),
        ("two lines", &[("connection", "a"), ("connection", "b"), ("a", "1"), ("b", "1"), ("c", "1")], &["c: 1"]),
        (
            "credentials can't be stripped",
            &[("connection", "Authorization, cookie, DPoP"), ("authorization", "a"), ("cookie", "b"), ("dpop", "c")],
            &["authorization: a", "cookie: b", "dpop: c"],
        ),
        ("trailers", &[("te", "gzip, trailers"), ("connection", "TE")], &["connection: te", "te: trailers"]),
        ("other TE", &[("te", "gzip")], &[]),
        ("h2c", &[("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c"), ("http2-settings", "AA")], &[]),
        ("proxy", &[("proxy-connection", "x"), ("proxy-authorization", "x")], &[]),
        ("expectation", &[("expect", "100-continue")], &[]),
        ("framing", &[("transfer-encoding", "chunked"), ("trailer", "x-sum")], &["trailer: x-sum"]),
    ];
    for (name, inbound, expected) in cases {
        assert_eq!(sent(inbound, false), expected, "{name}");
    }
}

#[test]
fn identity_headers_need_trust() {
    let inbound: &[_] = &[
        ("x-real-ip", "1"),
        ("x_forwarded_for", "1"),
        ("transfer_encoding", "chunked"),
        ("content_length", "1"),
        ("x-forwarded_host", "1"),
        ("x_real_ip", "1"),
        ("x-forwarded-prefix", "/a"),
        ("x-forwarded-user", "admin"),
        ("x-forwarded-client-cert", "1"),
        ("ssl_client_cert", "1"),
        ("x-original-url", "/b"),
        ("x-request-id", "7"),
        ("x-csrf_token", "8"),
    ];
    assert_eq!(sent(inbound, false), ["x-csrf_token: 8", "x-request-id: 7"]);
    assert_eq!(
        sent(inbound, true),
        [
            "x-csrf_token: 8",
            "x-forwarded-client-cert: 1",
            "x-forwarded-prefix: /a",
            "x-forwarded-user: admin",
            "x-original-url: /b",
            "x-real-ip: 1",
            "x-request-id: 7",
        ]
    );
}

#[test]
fn headers_that_the_configuration_names_need_trust_and_their_spelling() {
    let names = [
        "my-client-cert",
        "my_client_cert",
        "my-client_cert",
        "client-cert",
        "client-cert-chain",
        "ssl_client_cert",
        "ssl-client-cert",
        "x_caller",
        "x-caller",
        "other_name",
    ];
    let passed = |trusted: bool| {
        let proxies = Arc::new(ListedProxies {
            certificate_header: Some(HeaderName::from_static("my-client-cert")),
            identity_headers: vec![HeaderName::from_static("ssl_client_cert"), HeaderName::from_static("x_caller")],
            ..ListedProxies::default()
        });
        for name in names.iter().take(9) {
            assert!(is_no_trailer(&HeaderName::from_static(name), &proxies), "{name}");
        }
        let facts =
            ConnectionFacts::new("192.0.2.7:1".parse().unwrap(), "192.0.2.1:80".parse().unwrap(), false, trusted)
                .with_proxies(&proxies);
        let connection = Connection::new(facts, drain::channel().1, ());
        let mut headers: HeaderMap =
            names.into_iter().map(|name| (HeaderName::from_static(name), HeaderValue::from_static("x"))).collect();
        to_upstream(&mut headers, &HeaderValue::from_static("sso.example.org"), None, &connection);
        names.into_iter().filter(|name| headers.contains_key(*name)).collect::<Vec<_>>()
    };
    assert_eq!(passed(false), ["other_name"]);
    assert_eq!(
        passed(true),
        [
            "my-client-cert",
            "client-cert",
            "client-cert-chain",
            "ssl_client_cert",
            "ssl-client-cert",
            "x_caller",
            "x-caller",
            "other_name"
        ]
    );
}

#[test]
fn cookies_become_one_line() {
    for (name, crumbs, joined) in [
        ("none", &[][..], None),
        ("one", &["a=1"][..], Some("a=1")),
        ("three", &["a=1", "b=2", "c=3"][..], Some("a=1; b=2; c=3")),
    ] {
        let mut headers: HeaderMap = crumbs.iter().map(|crumb| (COOKIE, HeaderValue::from_static(crumb))).collect();
        join_cookies(&mut headers);
        assert_eq!(headers.get(COOKIE).map(|line| line.to_str().unwrap()), joined, "{name}");
        assert_eq!(headers.len(), usize::from(joined.is_some()), "{name}");
    }
}

#[test]
fn only_a_plain_websocket_request_upgrades() {
    let cases: [(_, _, _, &[(&str, &str)], _); 6] = [
        ("yes", "GET", Version::HTTP_11, &[("upgrade", "WebSocket"), ("connection", "keep-alive, Upgrade")], true),
        ("POST", "POST", Version::HTTP_11, &[("upgrade", "websocket"), ("connection", "upgrade")], false),
        ("HTTP/1.0", "GET", Version::HTTP_10, &[("upgrade", "websocket"), ("connection", "upgrade")], false),
        ("no Connection", "GET", Version::HTTP_11, &[("upgrade", "websocket")], false),
        ("h2c", "GET", Version::HTTP_11, &[("upgrade", "h2c"), ("connection", "upgrade")], false),
        ("both", "GET", Version::HTTP_11, &[("upgrade", "websocket, h2c"), ("connection", "upgrade")], false),
    ];
    for (name, method, version, headers, expected) in cases {
        let mut request = http::Request::builder().method(method).version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        assert_eq!(asks_for_websocket(&request.body(()).unwrap().into_parts().0), expected, "{name}");
    }
}
