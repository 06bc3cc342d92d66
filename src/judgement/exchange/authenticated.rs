//! An exchange together with what is known about its client.

use super::parse::Parsed;
use crate::judgement::client::verify::AuthenticatedClient;
use crate::words::refusal::{Reason, Refusal};

/// An exchange whose client is known, or will be by the time that an answer is given.
#[derive(Clone, Debug)]
pub struct Authenticated {
    parsed: Parsed,
    proof: Option<AuthenticatedClient>,
}

impl Authenticated {
    /// The identity provider judges the client's credentials when the exchange is sent to it, and answers with an error
    /// if they are wrong. The client that policy judges is the one that is sent, so a success proves that it is who it
    /// says. An assertion can be spent only once, so it is not spent here.
    pub fn by_upstream(parsed: Parsed) -> Self {
        Self { parsed, proof: None }
    }

    /// The client's credentials were judged before: whatever is issued may be issued without asking anybody.
    ///
    /// # Errors
    /// When the proof is about another client than the one that asks.
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

    /// Whether the client shows nothing that only it can know: anybody may call himself by its id.
    pub fn is_public(&self) -> bool {
        self.proof.as_ref().is_some_and(AuthenticatedClient::is_public)
    }

    /// The proof that the client is who it says; none if the identity provider is yet to judge.
    pub fn proof(&self) -> Option<&AuthenticatedClient> {
        self.proof.as_ref()
    }
}
