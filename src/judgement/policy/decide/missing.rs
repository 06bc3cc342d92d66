//! What a permission lacks, in words that lead to a fix.

use super::context::DecisionContext;
use super::reach::Reach;
use crate::judgement::policy::model::Audience;
use crate::judgement::policy::permission::Permission;
use crate::judgement::policy::provenance::Provenance;
use crate::words::refusal::similar::did_you_mean;
use crate::words::refusal::{Reason, Refusal};

/// The request and the audience whose permissions do not cover it.
pub(super) struct Missing<'a> {
    pub(super) context: &'a DecisionContext<'a>,
    pub(super) audience: &'a Audience,
}

impl Missing<'_> {
    /// The refusal that says what the permission at `position` lacks.
    pub(super) fn refusal(&self, reach: Reach, position: usize) -> Refusal {
        let request = self.context.request;
        let place = place(position);
        let (reason, text) = match reach {
            Reach::Client => {
                let clients = self.audience.permissions.iter().flat_map(|permission| permission.clients.written());
                let meant = did_you_mean(request.client, clients);
                (Reason::ClientNotPermitted, format!("add a permission with clients: [{}]{meant}", request.client))
            }
            Reach::Issuer => (Reason::IssuerNotPermitted, self.issuer_missing(position)),
            Reach::Holder => (
                Reason::SubjectTokenAudience,
                format!(
                    "the client is neither in aud nor azp of the subject token: add the client that it was issued \
                     to to subjectClients of {place}, which must mint"
                ),
            ),
            Reach::Exchanged => (
                Reason::SubjectTokenOurs,
                format!(
                    "Cambio signed the subject token for another audience, by what its owner wrote: add \
                     exchangedTokens: true to {place}, which must mint"
                ),
            ),
            Reach::SubjectToken => (
                Reason::SubjectTokenTypeNotPermitted,
                format!("add {} to subjectTokens of {place}", request.subject_token.name()),
            ),
            Reach::RequestedToken => (
                Reason::RequestedTokenTypeNotPermitted,
                format!("add {} to requestedTokens of {place}", request.requested_token.name()),
            ),
            Reach::Impersonation => (
                Reason::ImpersonationNotPermitted,
                format!(
                    "add a permission with impersonation for client {}, with issuance: mint and, under roles, source: \
                     directory: {place} is about no impersonation",
                    request.client
                ),
            ),
            Reach::ImpersonationSession => (
                Reason::SubjectTokenImpersonated,
                format!(
                    "act of the subject token names who impersonates the user in this session: add \
                     impersonationSessions: true to {place}"
                ),
            ),
            Reach::MayAct => (
                Reason::MayActViolated,
                format!(
                    "the subject token has no may_act, which the dialect needs: let the realm write may_act with client_id \
                     into the token, or write delegation.withoutMayAct: true into {place}"
                ),
            ),
            Reach::Delegated => (
                Reason::SubjectTokenDelegated,
                format!("the subject token has act: add delegation to {place}, which must not forward"),
            ),
            Reach::ActorRequired => (Reason::ActorRequired, format!("{place} says delegation.actor: required")),
            Reach::Actor => (Reason::ActorNotPermitted, self.actor_missing(position)),
            Reach::TooDeep => (
                Reason::DelegationTooDeep,
                format!(
                    "the new token would have {} actors: raise delegation.depth of {place}",
                    self.context.delegated.depth
                ),
            ),
            Reach::Expired | Reach::Covers => (Reason::PermissionExpired, self.expired(position)),
        };
        self.audience.refuse(reason, &text)
    }

    /// The permission at a position, which counts from 1.
    fn permission(&self, position: usize) -> Option<&Permission> {
        self.audience.permissions.get(position.saturating_sub(1))
    }

    fn expired(&self, position: usize) -> String {
        let place = place(position);
        let day = self
            .permission(position)
            .and_then(|one| one.expires)
            .map(|day| format!(", which is {day}"))
            .unwrap_or_default();
        format!("renew expires of {place}{day}")
    }

    /// The issuer's name alone is not enough if the permission's issuance can't exchange such tokens.
    fn issuer_missing(&self, position: usize) -> String {
        let issuer = self.context.request.issuer;
        let place = place(position);
        let permission = self.permission(position);
        let issuance = permission.map_or(self.audience.issuance, |one| self.audience.issuance_of(one));
        if self.context.can_be_exchanged_with(issuance) {
            return format!("add {issuer} to issuers of {place}");
        }
        if self.context.request.provenance == Provenance::CambioForForeign {
            return format!(
                "{place} has issuance: {}, which can't exchange a token that Cambio minted: add a \
                 permission with issuers: [{issuer}] and issuance: mint",
                issuance.as_str()
            );
        }
        let (tokens, ways) = if self.context.request.provenance.is_of_realm() {
            ("foreign tokens", "forward, reissue or mint")
        } else {
            ("the realm's own tokens", "translate or mint")
        };
        format!(
            "{place} has issuance: {}, which exchanges {tokens} only: add a permission with issuers: \
             [{issuer}] and issuance: {ways}",
            issuance.as_str()
        )
    }

    /// Why the permission does not cover the actor.
    fn actor_missing(&self, position: usize) -> String {
        let place = place(position);
        let permission = self.permission(position);
        let rule = permission.and_then(|permission| permission.delegation.as_ref());
        match (rule, self.context.request.actor) {
            (Some(rule), _) if !rule.takes_actors() => {
                format!("{place} says delegation.actor: forbidden")
            }
            (Some(rule), Some(actor)) if !rule.issuers.contains(actor.issuer) => {
                format!("add {} to delegation.issuers of {place}", actor.issuer)
            }
            (Some(_), Some(actor))
                if actor.provenance.is_by_cambio() && permission.is_some_and(|permission| !permission.exchanged) =>
            {
                format!("Cambio signed the actor token: add exchangedTokens: true to {place}")
            }
            (Some(_), _) => {
                format!("the subject token has no may_act, and {place} does not say delegation.withoutMayAct")
            }
            (None, _) => format!("add delegation to {place}"),
        }
    }
}

/// A permission as `cambio check` names it: counted from 0.
pub(super) fn place(position: usize) -> String {
    format!("permissions[{}]", position.saturating_sub(1))
}
