//! An exchange with its client.

use super::parse::Parsed;
use crate::judgement::client::verify::AuthenticatedClient;
use crate::words::refusal::{Reason, Refusal};

/// An exchange whose client is authenticated, or will be before Cambio answers.
#[derive(Clone, Debug)]
pub struct Authenticated {
    parsed: Parsed,
    proof: Option<AuthenticatedClient>,
}

impl Authenticated {
    /// The identity provider judges the client's credentials when it gets the exchange, and answers wrong credentials
    /// with an error. Cambio sends the client that policy judged, so a success authenticates this client. An
    /// assertion can be spent only once, so Cambio does not spend it.
    pub fn by_upstream(parsed: Parsed) -> Self {
        Self { parsed, proof: None }
    }

    /// The client's credentials were judged before: Cambio may issue without asking the identity provider.
    ///
    /// # Errors
    /// The proof is about another client than the request.
    pub fn proven(parsed: Parsed, proof: AuthenticatedClient) -> Result<Self, Refusal> {
        if proof.client_id() != parsed.credentials().client_id() {
            return Err(Refusal::new(Reason::ClientUnauthenticated, "the proof is about another client"));
        }
        Ok(Self { parsed, proof: Some(proof) })
    }

    /// The request.
    pub fn parsed(&self) -> &Parsed {
        &self.parsed
    }

    /// The client.
    pub fn client_id(&self) -> &str {
        self.parsed.credentials().client_id()
    }

    /// Whether the client is public: any caller may use its id.
    pub fn is_public(&self) -> bool {
        self.proof.as_ref().is_some_and(AuthenticatedClient::is_public)
    }

    /// The proof that the client is who it says. `None` if the identity provider will judge the client.
    pub fn proof(&self) -> Option<&AuthenticatedClient> {
        self.proof.as_ref()
    }
}
