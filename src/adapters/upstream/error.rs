//! Why the identity provider can't be reached, or does not answer.

use std::io;
use std::time::Duration;

use crate::adapters::net::body::{BodyError, is_malformed};
use crate::adapters::tls::TlsError;
use crate::words::refusal::Reason;

/// Why the client could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamSetupError {
    /// Trust, certificate or key can't be set up.
    #[error("upstream TLS: {0}")]
    Tls(#[from] TlsError),
    /// The host is no name that a certificate can carry.
    #[error("upstream.url: {0}")]
    Name(#[from] rustls::pki_types::InvalidDnsNameError),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection.
    #[error("can't connect to the identity provider: {0}")]
    Connect(#[source] io::Error),
    /// No connection, because the process may open no further file.
    #[error("no file descriptor is left for a connection to the identity provider")]
    NoDescriptor,
    /// All connections were in use (`upstream.maxConnections`).
    #[error("all connections to the identity provider were in use for {} ms", .0.as_millis())]
    Busy(Duration),
    /// The identity provider is Cambio itself.
    #[error("upstream.url leads back to Cambio: its answer is 508 (Loop Detected)")]
    Loop,
    /// No connection within `upstream.connectTimeout`.
    #[error("no connection to the identity provider within {} ms", .0.as_millis())]
    ConnectTimeout(Duration),
    /// No head of an answer within `upstream.responseTimeout`.
    #[error("no answer from the identity provider within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The connection broke before the head of the answer.
    #[error("the identity provider broke the connection: {0}")]
    Broken(#[source] hyper::Error),
    /// The answer's head is no valid HTTP, or does not fit the request.
    #[error("the identity provider's answer can't be read: {0}")]
    Garbage(String),
    /// The caller's body broke off, so that there is no request.
    #[error("the caller's body broke off: {0}")]
    Caller(#[source] hyper::Error),
    /// The caller's body came too slowly.
    #[error("the caller's body came too slowly")]
    CallerSlow,
    /// The framing of the caller's body is malformed.
    #[error("the framing of the caller's body is malformed")]
    CallerFraming,
}

impl UpstreamError {
    /// The reason for metrics and audit.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Connect(_) | Self::NoDescriptor | Self::ConnectTimeout(_) | Self::Broken(_) => {
                Reason::UpstreamUnavailable
            }
            Self::Busy(_) => Reason::UpstreamBusy,
            Self::Timeout(_) => Reason::UpstreamTimeout,
            Self::Garbage(_) | Self::Loop => Reason::UpstreamGarbage,
            Self::Caller(_) => Reason::CallerGone,
            Self::CallerSlow => Reason::BodyTimeout,
            Self::CallerFraming => Reason::FramingRefused,
        }
    }

    /// Whether the caller is at fault, and not the identity provider.
    pub fn is_callers(&self) -> bool {
        matches!(self, Self::Caller(_) | Self::CallerSlow | Self::CallerFraming)
    }

    /// hyper's error for a request that was given to a connection.
    pub(super) fn sent(error: hyper::Error) -> Self {
        if error.is_user() && is_malformed(&error) {
            Self::CallerFraming
        } else if error.is_user() && is_slow(&error) {
            Self::CallerSlow
        } else if error.is_user() {
            Self::Caller(error)
        } else if error.is_parse() {
            Self::Garbage(error.to_string())
        } else {
            Self::Broken(error)
        }
    }
}

/// Whether a request ended because its body came too slowly.
fn is_slow(error: &hyper::Error) -> bool {
    let body = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<BodyError>());
    matches!(body, Some(BodyError::Idle(_)))
}
