//! What is missing, and in which permission it would have to stand.

use super::{Judge, Reach, takes};
use crate::judgement::policy::provenance::Provenance;
use crate::words::refusal::{Reason, Refusal};

impl Judge<'_> {
    /// What the furthest permission is short of.
    pub(super) fn short_of(&self, reach: Reach, position: usize) -> Refusal {
        let request = self.request;
        match reach {
            Reach::Client => self.refuse(
                Reason::ClientNotPermitted,
                &format!("add a permission with clients: [{}]", request.client),
            ),
            Reach::Issuer => self.refuse(Reason::IssuerNotPermitted, &self.issuer_missing(position)),
            Reach::Holder => self.refuse(
                Reason::SubjectTokenAudience,
                &format!(
                    "the client is neither in aud nor azp of the subject token: add the client that it was issued to to \
                     subjectClients of permission {position}, which must mint"
                ),
            ),
            Reach::Exchanged => self.refuse(
                Reason::SubjectTokenOurs,
                &format!(
                    "Cambio signed the subject token for another audience, by what its owner wrote: add exchangedTokens: \
                     true to permission {position}, which must mint"
                ),
            ),
            Reach::SubjectToken => self.refuse(
                Reason::SubjectTokenTypeNotPermitted,
                &format!("add {} to subjectTokens of permission {position}", request.subject_token.name()),
            ),
            Reach::RequestedToken => self.refuse(
                Reason::RequestedTokenTypeNotPermitted,
                &format!(
                    "add {} to requestedTokens of permission {position}",
                    request.requested_token.name()
                ),
            ),
            Reach::Impersonation => self.refuse(
                Reason::ImpersonationNotPermitted,
                &format!(
                    "add a permission with impersonation for client {}, with issuance: mint and, under roles, source: \
                     directory: permission {position} is about no impersonation",
                    request.client
                ),
            ),
            Reach::Delegated => self.refuse(
                Reason::SubjectTokenDelegated,
                &format!("the subject token has act: add delegation to permission {position}, which must not forward"),
            ),
            Reach::ActorRequired => self
                .refuse(Reason::ActorRequired, &format!("permission {position} says delegation.actor: required")),
            Reach::Actor => self.refuse(Reason::ActorNotPermitted, &self.actor_missing(position)),
            Reach::TooDeep => self.refuse(
                Reason::DelegationTooDeep,
                &format!(
                    "the new token would have {} actors: raise delegation.depth of permission {position}",
                    self.asked.delegated.depth
                ),
            ),
            Reach::Expired | Reach::Covers => {
                self.refuse(Reason::PermissionExpired, &format!("renew expires of permission {position}"))
            }
        }
    }

    /// Adding a name is not enough where the permission's issuance does not exchange such tokens.
    fn issuer_missing(&self, position: usize) -> String {
        let issuer = self.request.issuer;
        let permission = self.audience.permissions.get(position.saturating_sub(1));
        let issuance = permission.map_or(self.audience.issuance, |one| self.audience.issuance_of(one));
        if takes(issuance, self.request) {
            return format!("add {issuer} to issuers of permission {position}");
        }
        if self.request.provenance == Provenance::CambioForForeign {
            return format!(
                "permission {position} has issuance: {}, which can't exchange a token that Cambio minted: add a \
                 permission with issuers: [{issuer}] and issuance: mint",
                issuance.as_str()
            );
        }
        let (tokens, ways) = if self.request.provenance.is_of_realm() {
            ("foreign tokens", "forward, reissue or mint")
        } else {
            ("the realm's own tokens", "translate or mint")
        };
        format!(
            "permission {position} has issuance: {}, which exchanges {tokens} only: add a permission with issuers: \
             [{issuer}] and issuance: {ways}",
            issuance.as_str()
        )
    }

    /// What keeps the actor out.
    fn actor_missing(&self, position: usize) -> String {
        let permission = self.audience.permissions.get(position.saturating_sub(1));
        let rule = permission.and_then(|permission| permission.delegation.as_ref());
        match (rule, self.request.actor) {
            (Some(rule), _) if !rule.takes_actors() => {
                format!("permission {position} says delegation.actor: forbidden")
            }
            (Some(rule), Some(actor)) if !rule.issuers.contains(actor.issuer) => {
                format!("add {} to delegation.issuers of permission {position}", actor.issuer)
            }
            (Some(_), Some(actor))
                if actor.provenance.is_by_cambio()
                    && permission.is_some_and(|permission| !permission.exchanged) =>
            {
                format!("Cambio signed the actor token: add exchangedTokens: true to permission {position}")
            }
            (Some(_), _) => format!(
                "the subject token has no may_act, and permission {position} does not say delegation.withoutMayAct"
            ),
            (None, _) => format!("add delegation to permission {position}"),
        }
    }
}
