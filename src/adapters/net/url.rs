//! URLs of Cambio's own requests, and the public address in their headers.

use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

/// The address under which the public reaches a server that Cambio reaches directly. Keycloak builds its answers from
/// this address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicAddress {
    /// `Host` and `X-Forwarded-Host`
    pub host: HeaderValue,
    /// `X-Forwarded-Proto`
    pub proto: HeaderValue,
    /// `X-Forwarded-Port`
    port: HeaderValue,
    /// `Forwarded`
    forwarded: HeaderValue,
}

/// Cambio can't send requests to this text as a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not an http or https URL without credentials and fragment")]
pub struct UrlError(String);

impl PublicAddress {
    /// The address in a URL, for instance the issuer's.
    pub fn of(url: &str) -> Result<Self, UrlError> {
        let uri = absolute(url)?;
        let (Some(host), Some(proto)) = (uri.authority().map(Authority::as_str), uri.scheme_str()) else {
            return Err(UrlError::new(url));
        };
        let header = |text: &str| HeaderValue::from_str(text).map_err(|_| UrlError::new(url));
        Ok(Self {
            host: header(host)?,
            proto: header(proto)?,
            port: HeaderValue::from(port_of(&uri)),
            // RFC 7239 section 4.
            forwarded: header(&format!("host=\"{host}\";proto={proto}"))?,
        })
    }

    /// Puts the address into the headers of a request that Cambio makes itself: the forwarding headers that callers'
    /// requests have, except the caller's address, because there is no caller. Keycloak reads `Forwarded` or
    /// `X-Forwarded-*`, as its `--proxy-headers` says.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        headers.insert(http::header::HOST, self.host.clone());
        headers.insert(HeaderName::from_static("x-forwarded-host"), self.host.clone());
        headers.insert(HeaderName::from_static("x-forwarded-port"), self.port.clone());
        headers.insert(HeaderName::from_static("x-forwarded-proto"), self.proto.clone());
        headers.insert(http::header::FORWARDED, self.forwarded.clone());
    }
}

impl UrlError {
    /// An error that repeats the text.
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// An absolute `http` or `https` URL without user information and fragment.
pub(crate) fn absolute(url: &str) -> Result<Uri, UrlError> {
    let wrong = || UrlError::new(url);
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    let plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    if scheme && plain && !url.contains('#') { Ok(uri) } else { Err(wrong()) }
}

/// The host of a URL as a resolver wants it: `::1` for `[::1]`.
pub(crate) fn bare_host(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// The port of a URL, else that of its scheme.
pub(crate) fn port_of(url: &Uri) -> u16 {
    url.port_u16().unwrap_or(if url.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 })
}

/// Whether both have the same scheme, host and port (RFC 6454 section 5).
pub(crate) fn same_origin(one: &Uri, other: &Uri) -> bool {
    one.scheme() == other.scheme()
        && one.host().map(str::to_ascii_lowercase) == other.host().map(str::to_ascii_lowercase)
        && port_of(one) == port_of(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_http_or_https_without_credentials() {
        for (url, good) in [
            ("https://sso.example.org/keys", true),
            ("http://127.0.0.1:8180/keys?a=b", true),
            ("ftp://sso.example.org/keys", false),
            ("https://user@sso.example.org/keys", false),
            ("https://sso.example.org/keys#a", false),
            ("/keys", false),
            ("", false),
        ] {
            assert_eq!(absolute(url).is_ok(), good, "{url}");
        }
    }

    #[test]
    fn origins() {
        for (one, other, same) in [
            ("https://a/x", "https://a/y", true),
            ("https://a/", "https://A:443/", true),
            ("http://a/", "http://a:80/", true),
            ("http://a/", "https://a/", false),
            ("http://a:8080/", "http://a:8081/", false),
            ("http://a/", "http://b/", false),
        ] {
            assert_eq!(same_origin(&absolute(one).unwrap(), &absolute(other).unwrap()), same, "{one} {other}");
        }
    }

    #[test]
    fn the_public_address_is_the_issuers() {
        let address = PublicAddress::of("https://sso.example.org:8443/realms/corp").unwrap();
        assert_eq!(address.host, "sso.example.org:8443");
        assert_eq!(address.proto, "https");
        assert!(PublicAddress::of("sso.example.org").is_err());
    }

    #[test]
    fn requests_of_cambio_say_where_the_public_finds_the_server() {
        for (url, host, port, proto) in [
            ("https://sso.example.org/realms/corp", "sso.example.org", "443", "https"),
            ("http://sso.example.org/realms/corp", "sso.example.org", "80", "http"),
            ("https://sso.example.org:8443/realms/corp", "sso.example.org:8443", "8443", "https"),
            ("https://[2001:db8::1]:8443/realms/corp", "[2001:db8::1]:8443", "8443", "https"),
        ] {
            let mut headers = HeaderMap::new();
            PublicAddress::of(url).unwrap().write(&mut headers);
            assert_eq!(headers["host"], host, "{url}");
            assert_eq!(headers["x-forwarded-host"], host, "{url}");
            assert_eq!(headers["x-forwarded-port"], port, "{url}");
            assert_eq!(headers["x-forwarded-proto"], proto, "{url}");
            assert_eq!(headers["forwarded"], format!("host=\"{host}\";proto={proto}"), "{url}");
        }
    }
}
