//! Why the demo could not go on.

use std::net::SocketAddr;

use crate::edge::gateway::setup_error::StartError;
use crate::tools::demo::server::IdpError;

/// The demo could not be set up, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// The identity provider did not start.
    #[error("the demo's identity provider: {0}")]
    Idp(#[from] IdpError),
    /// Cambio did not start.
    #[error("{0}")]
    Start(#[from] StartError),
    /// No signing key could be made.
    #[error("a signing key: {0}")]
    Key(String),
    /// A file could not be written or read, or the output is closed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A request got no answer.
    #[error("a request to {0} got no answer: {1}")]
    NoAnswer(SocketAddr, String),
    /// Something that should happen within seconds did not.
    #[error("{0} did not happen in time")]
    Late(&'static str),
}
