//! Why Cambio does not start, or a reload does not take effect.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::adapters::config::Problem;
use crate::adapters::metrics::MetricsError;
use crate::adapters::net::url::UrlError;
use crate::adapters::tls::TlsError;

/// Why Cambio did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is not in order; every problem is listed.
    #[error("the configuration has {} problem{}:\n{}", .0.len(), if .0.len() == 1 { "" } else { "s" }, .0.iter().map(|p| format!("  {p}")).collect::<Vec<_>>().join("\n"))]
    Config(Vec<Problem>),
    /// The files could not be checked, because of a mistake in Cambio.
    #[error("the check of the configuration broke off")]
    Check,
    /// An address can't be listened on.
    #[error("{key}: can't listen on {address}: {error}")]
    Bind {
        /// The key in the configuration.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// The operating system's error.
        error: std::io::Error,
    },
    /// A file can't be opened.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        error: std::io::Error,
    },
    /// A thread can't be started.
    #[error("can't start a thread: {error}")]
    Thread {
        /// The operating system's error.
        error: std::io::Error,
    },
    /// TLS can't be set up, towards callers, the identity provider or an issuer.
    #[error("{0}")]
    Tls(String),
    /// The authorities of callers' certificates can't be read.
    #[error(transparent)]
    Peers(#[from] TlsError),
    /// Cambio can't send requests to a URL of the configuration.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// There is no key of `DPoP` nonces.
    #[error("{0}")]
    Nonce(String),
    /// A metric could not be registered.
    #[error("{0}")]
    Metrics(#[from] MetricsError),
}

impl StartError {
    /// What is named `what` can't be set up.
    pub fn tls(what: impl Display, error: impl Display) -> Self {
        Self::Tls(format!("{what}: {error}"))
    }
}
