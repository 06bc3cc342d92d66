//! Where an issuer's keys come from.

use std::path::PathBuf;

use http::Uri;
use http::uri::{PathAndQuery, Scheme};

use crate::adapters::config::{KeySource, Realm, TrustedIssuer, Upstream};
use crate::adapters::net::url::{PublicAddress, UrlError, absolute};

/// A checked source of an issuer's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A JWK set.
    Url {
        /// Its `http` or `https` URL.
        url: Uri,
        /// The public address for the request's headers, if the server is reached under another one.
        public: Option<PublicAddress>,
    },
    /// An OpenID Connect Discovery document that says where the JWK set is.
    Discovery {
        /// Its `http` or `https` URL.
        url: Uri,
        /// The `issuer` that the document must name.
        issuer: String,
    },
    /// A JWK set in a file, read again when it changes.
    File(PathBuf),
}

impl Source {
    /// The keys of a realm, from the identity provider, under the realm's public address.
    pub fn realm(upstream: &Upstream, realm: &Realm) -> Result<Self, UrlError> {
        let path = realm.place().jwks();
        let wrong = || UrlError::new(&path);
        let url = Uri::builder()
            .scheme(upstream.scheme.clone())
            .authority(upstream.authority.clone())
            .path_and_query(PathAndQuery::try_from(&*path).map_err(|_| wrong())?)
            .build()
            .map_err(|_| wrong())?;
        Ok(Self::Url { url, public: Some(PublicAddress::of(&realm.issuer)?) })
    }

    /// The keys of a foreign issuer.
    pub fn issuer(issuer: &TrustedIssuer) -> Result<Self, UrlError> {
        Ok(match &issuer.keys {
            KeySource::Discovery(url) => Self::Discovery { url: absolute(url)?, issuer: issuer.url.clone() },
            KeySource::Url(url) => Self::Url { url: absolute(url)?, public: None },
            KeySource::File(path) => Self::File(path.clone()),
            KeySource::Shared(_) => return Err(UrlError::new("a shared secret")),
        })
    }

    /// The keys of a client.
    pub fn client(url: &str) -> Result<Self, UrlError> {
        Ok(Self::Url { url: absolute(url)?, public: None })
    }

    /// The URL that the configuration names.
    pub(super) fn origin(&self) -> Option<&Uri> {
        match self {
            Self::Url { url, .. } | Self::Discovery { url, .. } => Some(url),
            Self::File(_) => None,
        }
    }

    /// Whether TLS may be needed. Before a discovery document is read, its `jwks_uri` is not known.
    pub(super) fn needs_tls(&self) -> bool {
        match self {
            Self::Url { url, .. } => url.scheme() == Some(&Scheme::HTTPS),
            Self::Discovery { .. } => true,
            Self::File(_) => false,
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
