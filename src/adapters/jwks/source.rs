//! Where an issuer's keys come from.

use std::path::PathBuf;

use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Uri};

use crate::adapters::config::{KeySource, Realm, TrustedIssuer, Upstream};

/// Where an issuer's keys come from, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A JWK set.
    Url {
        /// Its `http` or `https` URL.
        url: Uri,
        /// The public address to ask for, if the server is reached by another one.
        public: Option<PublicAddress>,
    },
    /// An OpenID Connect Discovery document that says where the JWK set is.
    Discovery {
        /// Its `http` or `https` URL.
        url: Uri,
        /// What it must say that its `issuer` is.
        issuer: String,
    },
    /// A JWK set in a file, read again when it changes.
    File(PathBuf),
}

/// How the public reaches a server that we reach directly. Keycloak's answers follow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicAddress {
    /// `Host` and `X-Forwarded-Host`
    pub host: HeaderValue,
    /// `X-Forwarded-Proto`
    pub proto: HeaderValue,
}

/// The URL is not one that keys can be fetched from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not an http or https URL without credentials and fragment")]
pub struct SourceError(String);

impl Source {
    /// The keys of a realm of the upstream: asked for at the upstream, under the realm's public address.
    pub fn realm(upstream: &Upstream, realm: &Realm) -> Result<Self, SourceError> {
        let path = format!("{}/protocol/openid-connect/certs", realm.path);
        let wrong = || SourceError(path.clone());
        let url = Uri::builder()
            .scheme(upstream.scheme.clone())
            .authority(upstream.authority.clone())
            .path_and_query(PathAndQuery::try_from(path.as_str()).map_err(|_| wrong())?)
            .build()
            .map_err(|_| wrong())?;
        Ok(Self::Url { url, public: Some(PublicAddress::of(&realm.issuer)?) })
    }

    /// The keys of a foreign issuer.
    pub fn issuer(issuer: &TrustedIssuer) -> Result<Self, SourceError> {
        Ok(match &issuer.keys {
            KeySource::Discovery(url) => Self::Discovery { url: web(url)?, issuer: issuer.url.clone() },
            KeySource::Url(url) => Self::Url { url: web(url)?, public: None },
            KeySource::File(path) => Self::File(path.clone()),
        })
    }

    /// The keys of a client.
    pub fn client(url: &str) -> Result<Self, SourceError> {
        Ok(Self::Url { url: web(url)?, public: None })
    }

    /// Whether TLS is needed, as far as is known before a discovery document was read.
    pub(super) fn needs_tls(&self) -> bool {
        match self {
            Self::Url { url, .. } => url.scheme() == Some(&Scheme::HTTPS),
            Self::Discovery { .. } => true,
            Self::File(_) => false,
        }
    }
}

impl PublicAddress {
    /// The address in a URL, for instance the issuer's.
    pub fn of(url: &str) -> Result<Self, SourceError> {
        let uri = web(url)?;
        let header = |text: Option<&str>| text.and_then(|text| HeaderValue::from_str(text).ok());
        match (header(uri.authority().map(http::uri::Authority::as_str)), header(uri.scheme_str())) {
            (Some(host), Some(proto)) => Ok(Self { host, proto }),
            _ => Err(SourceError(url.to_owned())),
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Url { url, .. } | Self::Discovery { url, .. } => url.fmt(f),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// An absolute `http` or `https` URL without user information and fragment.
pub(super) fn web(url: &str) -> Result<Uri, SourceError> {
    let wrong = || SourceError(url.to_owned());
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    let plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    if scheme && plain && !url.contains('#') { Ok(uri) } else { Err(wrong()) }
}

/// Whether both have the same scheme, host and port (RFC 6454 section 5).
pub(super) fn same_origin(one: &Uri, other: &Uri) -> bool {
    let port = |uri: &Uri| {
        uri.port_u16().or(if uri.scheme() == Some(&Scheme::HTTPS) { Some(443) } else { Some(80) })
    };
    one.scheme() == other.scheme()
        && one.host().map(str::to_ascii_lowercase) == other.host().map(str::to_ascii_lowercase)
        && port(one) == port(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_http_or_https_without_credentials() {
        for (url, good) in [
            ("https://sso.example.org/keys", true),
            ("http://127.0.0.1:8180/keys?a=b", true),
            ("ftp://sso.example.org/keys", false),
            ("https://user@sso.example.org/keys", false),
            ("https://sso.example.org/keys#a", false),
            ("/keys", false),
            ("", false),
        ] {
            assert_eq!(web(url).is_ok(), good, "{url}");
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
            assert_eq!(same_origin(&web(one).unwrap(), &web(other).unwrap()), same, "{one} {other}");
        }
    }

    #[test]
    fn the_public_address_is_the_issuers() {
        let address = PublicAddress::of("https://sso.example.org:8443/realms/corp").unwrap();
        assert_eq!(address.host, "sso.example.org:8443");
        assert_eq!(address.proto, "https");
        assert!(PublicAddress::of("sso.example.org").is_err());
    }
}
