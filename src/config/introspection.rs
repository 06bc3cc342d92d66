//! Whom Cambio asks whether a token is active (RFC 7662), and as whom.

use std::time::Duration;

use http::Uri;

use crate::secret::Secret;

/// An issuer's introspection endpoint.
#[derive(Clone, Debug)]
pub struct Introspection {
    /// Its URL.
    pub url: Uri,
    /// Cambio's own client there.
    pub client: OwnClient,
    /// How the client authenticates.
    pub method: SecretMethod,
    /// Longest time that an answer is used again; zero asks every time.
    pub cache_for: Duration,
}

/// A client that is Cambio itself.
#[derive(Clone, Debug)]
pub struct OwnClient {
    /// `client_id`
    pub id: String,
    /// `client_secret`
    pub secret: Secret,
}

/// How a client sends its secret (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretMethod {
    /// In the `Authorization` header.
    Basic,
    /// In the form.
    Post,
}
