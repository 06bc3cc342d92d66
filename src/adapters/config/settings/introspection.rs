//! Introspection endpoints (RFC 7662) and Cambio's own clients there.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};

use crate::words::oauth::form;
use crate::words::secret::Secret;

/// An issuer's introspection endpoint.
#[derive(Clone, Debug)]
pub struct Introspection {
    /// Its URL.
    pub url: Uri,
    /// Cambio's own client there.
    pub client: OwnClient,
    /// How the client authenticates.
    pub method: SecretMethod,
    /// Longest time that Cambio uses an answer again; zero means that it asks every time.
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

impl OwnClient {
    /// The header for `client_secret_basic`: id and secret, each form-encoded (RFC 6749 section 2.3.1).
    pub fn basic(&self) -> HeaderValue {
        let pair = format!("{}:{}", form::encode(&self.id), form::encode(self.secret.expose()));
        // Base64 is always a header value.
        let mut header = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))
            .unwrap_or_else(|_| HeaderValue::from_static("Basic"));
        header.set_sensitive(true);
        header
    }
}

/// How a client sends its secret (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretMethod {
    /// In the `Authorization` header.
    Basic,
    /// In the form.
    Post,
}
