//! What is proven about the client of a governed request.

use crate::judgement::client::credentials::{Credentials, CredentialsMethod};
use crate::judgement::client::verify::AuthenticatedClient;

/// The client of a request, and what is proven about it. Before the client is proven, nothing is used up, no other
/// issuer is asked, and no answer depends on a token or on a policy.
pub enum CaseClient {
    /// No credentials were read.
    Unread,
    /// The credentials are not proven. The identity provider will judge them when it gets the client's own request.
    Unproven(Box<Credentials>),
    /// The credentials are proven.
    Proven(AuthenticatedClient),
    /// The identity provider has answered the client's own request, so it has accepted the credentials.
    Accepted,
}

impl CaseClient {
    /// Whether anybody could have sent the request.
    pub fn is_unproven(&self) -> bool {
        matches!(self, Self::Unproven(_))
    }

    /// Whether the credentials are proven or accepted.
    pub fn is_proven(&self) -> bool {
        matches!(self, Self::Proven(_) | Self::Accepted)
    }

    /// The proof that Cambio has of the client.
    pub fn proof(&self) -> Option<&AuthenticatedClient> {
        match self {
            Self::Proven(proof) => Some(proof),
            Self::Unread | Self::Unproven(_) | Self::Accepted => None,
        }
    }

    /// The identity provider has answered the client's own request.
    pub fn accept(&mut self) {
        if self.is_unproven() {
            *self = Self::Accepted;
        }
    }

    /// Whether the credentials are an assertion that the identity provider has seen already: it accepts an assertion
    /// once.
    pub fn is_spent(&self, credentials: &Credentials) -> bool {
        credentials.method() == CredentialsMethod::Assertion
            && self.proof().is_some_and(AuthenticatedClient::is_by_upstream)
    }
}
