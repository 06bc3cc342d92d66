//! The origins under which callers reach a realm. The configuration lists them: `Host` is only the caller's word.

use http::request::Parts;

use crate::adapters::net::connection::Connection;
use crate::adapters::net::url::{PublicAddress, UrlError};
use crate::adapters::upstream::forwarded::PublicOrigin;
use crate::adapters::upstream::headers;
use crate::judgement::token::dpop::htu::Htu;

/// A realm's origins, that of the issuer first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicOrigins {
    issuer: PublicOrigin,
    others: Vec<PublicOrigin>,
}

impl PublicOrigins {
    /// The origin of `issuer`, and others.
    ///
    /// # Errors
    /// One is no `http` or `https` URL.
    pub fn new(issuer: &str, others: &[String]) -> Result<Self, UrlError> {
        let origin = |url: &str| {
            PublicAddress::of(url).map(|address| PublicOrigin { secure: address.proto == "https", host: address.host })
        };
        Ok(Self { issuer: origin(issuer)?, others: others.iter().map(|url| origin(url)).collect::<Result<_, _>>()? })
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &PublicOrigin> {
        std::iter::once(&self.issuer).chain(&self.others)
    }

    /// The origin under which the caller reached Cambio, if it is one of these; else the issuer's.
    pub fn of(&self, head: &Parts, connection: &Connection) -> &PublicOrigin {
        if self.others.is_empty() {
            return &self.issuer;
        }
        let named = headers::named_origin(head, connection).and_then(|origin| url(&origin, ""));
        self.others.iter().find(|origin| named.is_some() && url(origin, "") == named).unwrap_or(&self.issuer)
    }

    /// The URLs of a path at all origins.
    pub fn urls(&self, path: &str) -> Vec<Htu> {
        self.all().filter_map(|origin| url(origin, path)).collect()
    }

    /// The hosts of all origins, with the ports that the configuration writes.
    pub fn hosts(&self) -> Vec<&str> {
        self.all().filter_map(|origin| origin.host.to_str().ok()).collect()
    }
}

fn url(origin: &PublicOrigin, path: &str) -> Option<Htu> {
    Htu::parse(&format!("{}://{}{path}", origin.scheme(), origin.host.to_str().ok()?))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;
    use crate::adapters::drain;
    use crate::adapters::net::connection::ConnectionFacts;

    #[test]
    fn a_caller_chooses_among_the_configured_origins_only() {
        let others = ["https://sso.internal:8443".to_owned(), "http://sso.plain".to_owned()];
        let origins = PublicOrigins::new("http://sso.example.org/realms/corp", &others).unwrap();
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
        for (name, trusted, headers, expected) in [
            ("the issuer's", false, vec![("host", "sso.example.org")], "http://sso.example.org"),
            ("another", false, vec![("host", "SSO.plain:80")], "http://sso.plain"),
            ("a foreign one", false, vec![("host", "evil.example")], "http://sso.example.org"),
            ("another scheme", false, vec![("host", "sso.internal:8443")], "http://sso.example.org"),
            (
                "a caller's headers",
                false,
                vec![("host", "a"), ("x-forwarded-host", "sso.internal:8443"), ("x-forwarded-proto", "https")],
                "http://sso.example.org",
            ),
            (
                "a listed proxy's headers",
                true,
                vec![("host", "a"), ("x-forwarded-host", "sso.internal:8443"), ("x-forwarded-proto", "https")],
                "https://sso.internal:8443",
            ),
            ("none", false, vec![], "http://sso.example.org"),
        ] {
            let connection =
                Connection::new(ConnectionFacts::new(local, local, false, trusted), drain::channel().1, ());
            let mut request = http::Request::builder();
            for (name, value) in headers {
                request = request.header(name, value);
            }
            let head = request.body(()).unwrap().into_parts().0;
            let origin = origins.of(&head, &connection);
            assert_eq!(format!("{}://{}", origin.scheme(), origin.host.to_str().unwrap()), expected, "{name}");
        }
        assert_eq!(origins.hosts(), ["sso.example.org", "sso.internal:8443", "sso.plain"]);
        assert_eq!(origins.urls("/a").len(), 3);
    }
}
