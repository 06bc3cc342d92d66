//! How a governed request ends: with a token, or without one.

use http::{Response, response};

use crate::adapters::net::body::Body;
use crate::judgement::issue::Conformed;
use crate::judgement::issue::refresh::Session;
use crate::words::refusal::Refusal;

/// A token that meets its contract.
pub(super) struct IssuedAnswer {
    /// The head of the answer.
    pub(super) head: response::Parts,
    /// The answer.
    pub(super) conformed: Conformed,
    /// If a refresh token was requested: the session for later refreshes at the identity provider.
    pub(super) session: Option<Session>,
}

/// The end of a governed request that is not allowed.
pub enum Stop {
    /// Cambio refuses.
    Refused(Refusal),
    /// The identity provider refuses.
    Upstream(Box<UpstreamRefusal>),
}

/// A refusal of the identity provider.
pub struct UpstreamRefusal {
    /// The caller's answer.
    pub response: Response<Body>,
    /// Whether the identity provider accepts the client, but not its token or session (`invalid_grant`).
    pub is_of_grant: bool,
    /// The cause, for the audit log.
    pub refusal: Refusal,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
