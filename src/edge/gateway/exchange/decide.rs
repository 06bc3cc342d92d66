//! The decision about a request whose tokens were checked.

use super::refresh::OpenedRefresh;
use crate::edge::gateway::case::Case;
use crate::judgement::dialect::{self, claims::DialectInput};
use crate::judgement::exchange::grant::Grant;
use crate::judgement::permit::{Circumstances, Permit};
use crate::judgement::token::Validated;
use crate::judgement::token::presented::TokenRole;
use crate::words::refusal::{Reason, Refusal};

impl Case<'_> {
    /// Decides a request according to the permissions of the audiences' owners.
    ///
    /// # Errors
    /// The dialect, policy or the owner of the audience does not allow the request.
    pub(super) async fn decide(
        &mut self,
        validated: Validated,
        refresh: Option<&OpenedRefresh>,
    ) -> Result<Permit, Refusal> {
        let permit = match refresh {
            Some(refresh) => self.decide_again(validated, refresh)?,
            None => self.decide_first(validated).await?,
        };
        self.record.permitted(&permit);
        permit.check_issuance()?;
        Ok(permit)
    }

    async fn decide_first(&mut self, validated: Validated) -> Result<Permit, Refusal> {
        self.check_dialect_claims(&validated)?;
        self.record.validated(&validated);
        let target = match validated.authenticated().parsed().requested_subject() {
            None => None,
            // Rare, so it is boxed.
            Some(wanted) => Some(Box::pin(self.impersonated(validated.authenticated(), wanted)).await?),
        };
        let impersonate = target.as_ref().map(super::impersonation::Target::as_impersonated);
        let circumstances = Circumstances { impersonate, ..self.realm.circumstances() };
        let (policy, now) = (&self.generation.config.policy, self.services.now());
        Permit::decide(validated, policy, &circumstances, now)
    }

    /// Checks the claims of an exchange's subject token that the dialect's page demands. No page is about assertions.
    fn check_dialect_claims(&self, validated: &Validated) -> Result<(), Refusal> {
        let parsed = validated.authenticated().parsed();
        if parsed.grant() != Grant::TokenExchange {
            return Ok(());
        }
        let rules = self.realm.config.dialect.rules();
        let hosts = if rules.audience_is_host { self.realm.origins.hosts() } else { Vec::new() };
        let input = DialectInput {
            claims: validated.subject().claims(),
            hosts: &hosts,
            subject_issuer: parsed.subject_issuer(),
        };
        dialect::claims::check(rules, &input)
    }

    /// Meets the demands of the permissions that apply: `stillActive` and `oneTime`. This comes when the client is
    /// proven and the new token is made, before the token leaves. The subject token is spent last. A refresh has a
    /// subject token that met the demands in its exchange.
    ///
    /// # Errors
    /// A demand is not met, or the identity provider or the store does not answer. The new token is dropped.
    pub(super) async fn meet_demands(&self, permit: &Permit, refresh: Option<&OpenedRefresh>) -> Result<(), Refusal> {
        if refresh.is_some() {
            return Ok(());
        }
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
