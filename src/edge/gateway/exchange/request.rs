//! A governed request as it comes out of classification.

use crate::judgement::exchange::api_access::ApiAccess;
use crate::judgement::exchange::grant::Grant;
use crate::words::oauth::form::Form;

/// A grant that is judged.
pub enum GovernedRequest {
    /// A token exchange (RFC 8693) or a JWT authorization grant (RFC 7523).
    Exchange(Grant, Form),
    /// A token for a client's own service account.
    ApiAccess(ApiAccess),
    /// The refresh of an exchange with a refresh token that Cambio issued (RFC 6749 section 6).
    Refresh(Form),
}

impl GovernedRequest {
    /// The grant; `None` for a refresh.
    pub fn grant(&self) -> Option<Grant> {
        match self {
            Self::Exchange(grant, _) => Some(*grant),
            Self::ApiAccess(_) => Some(Grant::ApiAccess),
            Self::Refresh(_) => None,
        }
    }
}
