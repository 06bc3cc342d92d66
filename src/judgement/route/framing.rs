//! Framing, Host and request target: what nginx rejects and hyper lets through, refused before anything is routed.

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

use crate::words::refusal::{Reason, Refusal};

/// Refuses a head that another server could frame, or address, differently.
pub fn framing(head: &Parts) -> Result<(), Refusal> {
    if head.method == Method::CONNECT {
        return Err(Refusal::new(Reason::MethodNotAllowed, "CONNECT"));
    }
    check(head).map_err(|detail| Refusal::new(Reason::FramingRefused, detail))
}

fn check(head: &Parts) -> Result<(), &'static str> {
    let length = single(&head.headers, &CONTENT_LENGTH, "more than one Content-Length")?;
    let coding = single(&head.headers, &TRANSFER_ENCODING, "more than one Transfer-Encoding")?;
    if length.is_some_and(|value| value.is_empty() || !value.as_bytes().iter().all(u8::is_ascii_digit)) {
        return Err("Content-Length is not a number");
    }
    if let Some(coding) = coding {
        if length.is_some() {
            return Err("Content-Length and Transfer-Encoding");
        }
        if head.version != Version::HTTP_11 {
            return Err("Transfer-Encoding in another version than HTTP/1.1");
        }
        if !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err("Transfer-Encoding is not chunked");
        }
    }
    if !head.uri.path().starts_with('/') {
        return Err("the request target is no path");
    }
    check_host(head)
}

fn check_host(head: &Parts) -> Result<(), &'static str> {
    let host = single(&head.headers, &HOST, "more than one Host")?;
    let host = host.map(|value| Authority::parse(value.as_bytes()).ok_or("Host is malformed")).transpose()?;
    if head.uri.scheme_str().is_some_and(|scheme| scheme != "http" && scheme != "https") {
        return Err("the request target has another scheme than http and https");
    }
    let target = head.uri.authority().map(|authority| {
        Authority::parse(authority.as_str().as_bytes()).ok_or("the authority of the request target is malformed")
    });
    match (host, target.transpose()?) {
        (Some(host), Some(target)) if !host.is_same(&target, head.uri.scheme_str()) => {
            Err("Host and the request target differ")
        }
        // RFC 9112 section 3.2: Host is required even beside an absolute-form target.
        (None, _) if head.version == Version::HTTP_11 => Err("Host is missing"),
        (None, None) if head.version >= Version::HTTP_2 => Err("neither :authority nor Host"),
        _ => Ok(()),
    }
}

/// The value of a field that may stand once; `twice` is the error if it stands more often.
fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    twice: &'static str,
) -> Result<Option<&'a HeaderValue>, &'static str> {
    let Some(first) = headers.get(name) else { return Ok(None) };
    if headers.get_all(name).iter().nth(1).is_some() { Err(twice) } else { Ok(Some(first)) }
}

/// Host and port; userinfo and anything that is no host name or address is not accepted.
struct Authority<'a> {
    host: &'a str,
    port: Option<u16>,
}

impl<'a> Authority<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let end = match text.strip_prefix('[') {
            Some(address) => {
                let end = address.find(']')?;
                address.get(..end)?.parse::<std::net::Ipv6Addr>().ok()?;
                end + 2
            }
            None => text.find(':').unwrap_or(text.len()),
        };
        let (host, rest) = text.split_at_checked(end)?;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if host.is_empty() || !(host.starts_with('[') || host.bytes().all(is_name)) {
            return None;
        }
        let port = match rest.strip_prefix(':') {
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(port.parse().ok()?),
            None if rest.is_empty() => None,
            _ => return None,
        };
        Some(Self { host, port })
    }

    fn is_same(&self, other: &Authority<'_>, scheme: Option<&str>) -> bool {
        let default = match scheme {
            Some("http") => Some(80),
            Some("https") => Some(443),
            _ => None,
        };
        self.host.eq_ignore_ascii_case(other.host) && self.port.or(default) == other.port.or(default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(version: Version, method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().version(version).method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn refuses_what_servers_frame_or_address_differently() {
        const H: (&str, &str) = ("host", "sso.example.org");
        const CL: (&str, &str) = ("content-length", "3");
        const TE: (&str, &str) = ("transfer-encoding", "chunked");
        for (name, target, headers, ok) in [
            ("plain", "/", vec![H], true),
            ("length", "/", vec![H, CL], true),
            ("chunked", "/", vec![H, ("transfer-encoding", "Chunked")], true),
            ("port", "/", vec![("host", "sso.example.org:8443")], true),
            ("IPv4", "/", vec![("host", "127.0.0.1:80")], true),
            ("IPv6", "/", vec![("host", "[::1]:80")], true),
            ("underscore", "/", vec![("host", "my_idp")], true),
            ("length and chunked", "/", vec![H, CL, TE], false),
            ("two lengths", "/", vec![H, CL, CL], false),
            ("list of lengths", "/", vec![H, ("content-length", "3, 3")], false),
            ("signed length", "/", vec![H, ("content-length", "+3")], false),
            ("empty length", "/", vec![H, ("content-length", "")], false),
            ("gzip, chunked", "/", vec![H, ("transfer-encoding", "gzip, chunked")], false),
            ("chunked, chunked", "/", vec![H, ("transfer-encoding", "chunked, chunked")], false),
            ("chunked twice", "/", vec![H, TE, TE], false),
            ("identity", "/", vec![H, ("transfer-encoding", "identity")], false),
            ("no Host", "/", vec![], false),
            ("two Hosts", "/", vec![H, H], false),
            ("empty Host", "/", vec![("host", "")], false),
            ("userinfo in Host", "/", vec![("host", "a@sso.example.org")], false),
            ("path in Host", "/", vec![("host", "sso.example.org/x")], false),
            ("space in Host", "/", vec![("host", "sso example")], false),
            ("two names in Host", "/", vec![("host", "a,b")], false),
            ("port is no number", "/", vec![("host", "a:b")], false),
            ("port is too large", "/", vec![("host", "a:65536")], false),
            ("unclosed IPv6", "/", vec![("host", "[::1")], false),
            ("junk after IPv6", "/", vec![("host", "[::1]x")], false),
            ("asterisk", "*", vec![H], false),
            ("absolute", "http://sso.example.org/", vec![H], true),
            ("absolute, other case", "http://SSO.example.org/", vec![H], true),
            ("absolute, default port", "http://sso.example.org:80/", vec![H], true),
            ("absolute, no Host", "http://sso.example.org/", vec![], false),
            ("absolute, other host", "http://evil.example/", vec![H], false),
            ("absolute, other port", "http://sso.example.org:81/", vec![H], false),
            ("absolute, userinfo", "http://a@sso.example.org/", vec![H], false),
            ("absolute, other scheme", "ftp://sso.example.org/", vec![H], false),
        ] {
            let result = framing(&head(Version::HTTP_11, "OPTIONS", target, &headers));
            assert_eq!(
                result.map_err(|refusal| refusal.reason).err(),
                (!ok).then_some(Reason::FramingRefused),
                "{name}"
            );
        }
    }

    #[test]
    fn other_versions_have_their_own_rules() {
        for (name, version, target, headers, ok) in [
            ("1.0 without Host", Version::HTTP_10, "/", vec![], true),
            ("1.0 chunked", Version::HTTP_10, "/", vec![("transfer-encoding", "chunked")], false),
            ("2 with authority", Version::HTTP_2, "https://a/", vec![], true),
            ("2 with both", Version::HTTP_2, "https://a/", vec![("host", "a:443")], true),
            ("2 with two", Version::HTTP_2, "https://a/", vec![("host", "b")], false),
            ("2 with Host", Version::HTTP_2, "/", vec![("host", "b")], true),
            ("2 with neither", Version::HTTP_2, "/", vec![], false),
            ("2 chunked", Version::HTTP_2, "https://a/", vec![("transfer-encoding", "chunked")], false),
        ] {
            assert_eq!(framing(&head(version, "GET", target, &headers)).is_ok(), ok, "{name}");
        }
    }

    #[test]
    fn connect_is_not_allowed() {
        let refusal = framing(&head(Version::HTTP_11, "CONNECT", "a:80", &[("host", "a:80")])).unwrap_err();
        assert_eq!(refusal.reason, Reason::MethodNotAllowed);
    }
}
