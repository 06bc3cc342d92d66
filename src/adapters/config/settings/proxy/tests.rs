use super::*;

fn proxies(except: &str) -> Proxies {
    Proxies::new(Proxy::parse("http://plain:1").ok(), Proxy::parse("https://u:p%40ss@tls:2/").ok(), except)
}

#[test]
fn a_proxy_is_a_url_that_shows_no_credentials() {
    for (text, shown, authorization) in [
        ("http://proxy:3128", Some("http://proxy:3128"), None),
        ("https://proxy", Some("https://proxy"), None),
        ("http://proxy:3128/", Some("http://proxy:3128"), None),
        ("http://[::1]:3128", Some("http://[::1]:3128"), None),
        ("http://u:p@proxy:3128", Some("http://proxy:3128"), Some("Basic dTpw")),
        ("http://u@proxy", Some("http://proxy"), Some("Basic dTo=")),
        ("http://u:a%3Ab%40c@proxy", Some("http://proxy"), Some("Basic dTphOmJAYw==")),
        ("http://u:%FF@proxy", None, None),
        ("socks5://proxy:1080", None, None),
        ("proxy:3128", None, None),
        ("proxy", None, None),
        ("http://", None, None),
        ("http://proxy:0", None, None),
        ("http://proxy:99999", None, None),
        ("http://proxy:", None, None),
        ("http://proxy/path", None, None),
        ("http://proxy?a=b", None, None),
        ("none", None, None),
        ("", None, None),
    ] {
        let proxy = Proxy::parse(text);
        assert_eq!(proxy.as_ref().ok().map(ToString::to_string).as_deref(), shown, "{text}");
        let Ok(proxy) = proxy else { continue };
        assert_eq!(proxy.authorization().map(|value| value.to_str().unwrap()), authorization, "{text}");
        let debug = format!("{proxy:?} {:?}", Proxies::always(proxy.clone()));
        assert!(!debug.contains("dTp") && !debug.contains('@') && !debug.contains("Basic"), "{debug}");
    }
}

#[test]
fn the_scheme_of_the_server_chooses_the_proxy() {
    for (url, expected) in [
        ("http://a.example/x", Some("http://plain:1")),
        ("https://a.example/x", Some("https://tls:2")),
        ("https://10.0.0.1/x", Some("https://tls:2")),
        ("http://localhost/x", None),
        ("http://LOCALHOST:8080/x", None),
        ("https://127.8.9.1/x", None),
        ("https://[::1]:8443/x", None),
        ("https://[::ffff:127.0.0.1]/x", None),
        ("https://localhost.example/x", Some("https://tls:2")),
    ] {
        let url = url.parse().unwrap();
        assert_eq!(proxies("").of(&url).map(ToString::to_string).as_deref(), expected, "{url}");
        assert!(Proxies::default().of(&url).is_none(), "{url}");
        assert!(Proxies::always(Proxy::parse("http://p:1").unwrap()).of(&url).is_some(), "{url}: a written proxy");
    }
    let https_only = Proxies::new(None, Proxy::parse("http://p:1").ok(), "");
    assert!(https_only.of(&"http://a.example".parse().unwrap()).is_none());
}

#[test]
fn no_proxy_has_the_rules_of_go() {
    for (except, url, direct) in [
        ("*", "https://a.example", true),
        ("a.example", "https://a.example", true),
        ("a.example", "https://b.a.example", true),
        ("a.example", "https://A.EXAMPLE", true),
        ("A.Example", "https://a.example.", true),
        ("a.example", "https://na.example", false),
        ("a.example", "https://a.example.org", false),
        (".a.example", "https://a.example", false),
        (".a.example", "https://b.a.example", true),
        ("*.a.example", "https://b.a.example", true),
        ("*.a.example", "https://a.example", false),
        ("a.*.example", "https://a.b.example", false),
        ("a.example:443", "https://a.example", true),
        ("a.example:443", "https://a.example:8443", false),
        ("a.example:8443", "https://a.example:8443", true),
        ("a.example:80", "http://a.example", true),
        ("10.0.0.0/8", "https://10.1.2.3", true),
        ("10.0.0.0/8", "https://11.1.2.3", false),
        ("10.0.0.0/8", "https://10.example", false),
        ("10.1.2.3", "https://10.1.2.3:8443", true),
        ("10.1.2.3:443", "https://10.1.2.3:8443", false),
        ("10.1.2.3", "https://[::ffff:10.1.2.3]", true),
        ("2001:db8::/32", "https://[2001:db8::1]", true),
        ("2001:db8::1", "https://[2001:db8::1]:8443", true),
        ("[2001:db8::1]:443", "https://[2001:db8::1]:8443", false),
        ("[2001:db8::1]:443", "https://[2001:db8::1]", true),
        ("[2001:db8::1]", "https://[2001:db8::1]", true),
        (".svc", "https://kubernetes.default.svc", true),
        ("x, .svc ,y", "https://kubernetes.default.svc", true),
        ("x .svc", "https://kubernetes.default.svc", true),
        ("", "https://a.example", false),
        (",,", "https://a.example", false),
        (".", "https://a.example", false),
        ("a.example:b", "https://a.example", false),
        (":443", "https://a.example", false),
    ] {
        let url = url.parse().unwrap();
        assert_eq!(proxies(except).of(&url).is_none(), direct, "{except}: {url}");
    }
}
