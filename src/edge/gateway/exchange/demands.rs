//! What a permission demands of the subject token besides its claims: `stillActive` and `oneTime`.

use crate::edge::gateway::case::Case;
use crate::judgement::permit::Permit;
use crate::judgement::token::presented::TokenRole;
use crate::words::refusal::{Reason, Refusal};

impl Case<'_> {
    /// Meets the demands of the permissions that apply. The subject token is spent last.
    ///
    /// # Errors
    /// A demand is not met, or the identity provider or the store can't tell.
    pub(super) async fn meet_demands(&self, permit: &Permit) -> Result<(), Refusal> {
        let (demands, validated) = (permit.decision().demands, permit.validated());
        if demands.still_active && validated.subject().provenance().is_by_cambio() {
            return Err(Refusal::new(
                Reason::SubjectTokenInactive,
                "stillActive: Cambio signed the token, and the identity provider can't say whether its session goes on: write a \
                 permission without stillActive for exchangedTokens",
            ));
        }
        if demands.still_active {
            let parsed = validated.authenticated().parsed();
            Box::pin(self.still_active(parsed.subject_token())).await?;
            let own = validated.actor().is_some_and(|actor| actor.issuer() == self.realm.config.name);
            if let Some((token, _)) = parsed.actor().filter(|_| own) {
                Box::pin(self.still_active(token)).await.map_err(|refusal| TokenRole::Actor.refusal(refusal))?;
            }
        }
        if demands.one_time {
            let subject = validated.subject();
            let leeway = self.generation.issuers.leeway(subject.issuer()).unwrap_or_default();
            Box::pin(self.spend_subject_token(subject.iss(), subject.token(), leeway)).await?;
        }
        Ok(())
    }
}
