//! Why a governed request ends without a token.

use http::Response;

use crate::adapters::net::body::Body;
use crate::words::refusal::Refusal;

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
    /// The cause, for the audit log.
    pub refusal: Refusal,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
