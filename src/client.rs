//! Stage 2: who asks.

pub mod credentials;

use crate::exchange::parse::Parsed;

/// An exchange whose client is known, or will be by the time that an answer is given.
#[derive(Clone, Debug)]
pub struct Authenticated {
    parsed: Parsed,
}

impl Authenticated {
    /// The identity provider judges the client's credentials when the exchange is sent to it, and answers with an error
    /// if they are wrong. The client that policy judges is the one that is sent, so a success proves that it is who it
    /// says. An assertion can be spent only once, so it is not spent here.
    pub fn by_upstream(parsed: Parsed) -> Self {
        Self { parsed }
    }

    /// The request.
    pub fn parsed(&self) -> &Parsed {
        &self.parsed
    }

    /// The client.
    pub fn client_id(&self) -> &str {
        self.parsed.credentials().client_id()
    }
}
