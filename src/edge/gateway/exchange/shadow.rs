//! The judgement of an exchange that the identity provider has performed already.

use super::outcome::Stop;
use crate::edge::gateway::case::Case;
use crate::judgement::exchange::grant::Grant;
use crate::judgement::exchange::parse::parse;
use crate::judgement::permit::Permit;
use crate::judgement::token::dpop::ProofTarget;
use crate::words::oauth::form::Form;
use crate::words::refusal::Refusal;

impl Case<'_> {
    /// Decides an exchange like [`super::govern`], and issues nothing. `oneTime` uses nothing up, and nobody is asked about
    /// `stillActive`.
    ///
    /// # Errors
    /// Cambio would have refused the exchange before a token was issued, or could not have judged it.
    pub async fn shadow(&mut self, grant: Grant, form: Form) -> Result<Permit, Refusal> {
        let parsed = parse(grant, form, &self.head, &self.realm.accepts)?;
        self.parsed(&parsed);
        self.meet_accepted_client(parsed.credentials()).await?;
        let client = self.authenticated(parsed)?;
        let sender = self.sender(client.parsed().subject_token(), ProofTarget::TokenEndpoint).await?;
        let checked = self.tokens(client, None, &sender).await.map_err(refusal)?;
        self.decide(checked, None).await
    }
}

/// The cause of a stop.
fn refusal(stop: Stop) -> Refusal {
    match stop {
        Stop::Refused(refusal) => refusal,
        Stop::Upstream(refused) => refused.refusal,
    }
}
