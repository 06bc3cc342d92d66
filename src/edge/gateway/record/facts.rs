//! Adds facts about a request to its audit line.

use std::sync::Arc;

use http::StatusCode;

use super::AuditRecord;
use crate::adapters::audit::{DETAIL, ImpersonationRecord, SUBJECT, clip, first};
use crate::adapters::metrics::AudienceMetrics;
use crate::judgement::client::credentials::Credentials;
use crate::judgement::exchange::parse::Parsed;
use crate::judgement::exchange::refresh::Refresh;
use crate::judgement::issue::IssuedFacts;
use crate::judgement::permit::Permit;
use crate::judgement::permit::renewal::Renewal;
use crate::judgement::policy::roles::RoleNames;
use crate::judgement::token::Validated;
use crate::judgement::token::checked::CheckedToken;
use crate::words::oauth::urn::TokenType;

impl AuditRecord<'_> {
    /// The client and the scope of a refresh.
    pub fn refreshing(&mut self, refresh: &Refresh) {
        self.client(refresh.credentials());
        self.line.scope_requested = refresh.scope().map(|scope| clip(&scope.to_string()));
    }

    /// The refresh token that was used or issued.
    pub fn family(&mut self, renewal: &Renewal) {
        self.line.refresh_family = Some(renewal.family().to_owned());
        self.line.refresh_generation = Some(renewal.generation());
    }

    /// The refresh token was used before, and `refreshTokens.reuse` permits that.
    pub fn used_again(&mut self) {
        self.note("used again within refreshTokens.reuse");
    }

    /// The exchange that is refreshed.
    pub fn renewing(&mut self, renewal: &Renewal) {
        self.line.subject = Some(first(renewal.subject_id(), SUBJECT));
        self.line.subject_issuer = Some(renewal.subject_issuer().to_owned());
        self.line.subject_token_type = renewal.subject_kind().map(TokenType::name);
        self.line.actor = renewal.actor_id().map(clip);
        self.line.actor_issuer = renewal.actor_issuer().map(str::to_owned);
        self.line.audience = renewal.audiences().to_vec();
    }

    /// The token that is revoked.
    pub fn revoked(&mut self, subject: &str, jti: &str, kid: Option<&str>) {
        self.line.subject = Some(first(subject, SUBJECT));
        self.line.issued_jti = Some(jti.to_owned());
        self.line.issued_kid = kid.map(str::to_owned);
    }

    /// The client, not yet authenticated.
    pub fn client(&mut self, credentials: &Credentials) {
        self.line.client = Some(clip(credentials.client_id()));
        self.line.client_authentication = Some(credentials.method().name());
    }

    /// The parameters of the request.
    pub fn parsed(&mut self, parsed: &Parsed) {
        self.client(parsed.credentials());
        let line = &mut self.line;
        line.subject_token_type = Some(parsed.subject_token_type().name());
        line.subject_token_sha256 = Some(parsed.subject_token().sha256());
        if let Some((token, kind)) = parsed.actor() {
            line.actor_token_type = Some(kind.name());
            line.actor_token_sha256 = Some(token.sha256());
        }
        line.impersonation =
            parsed.requested_subject().map(|name| ImpersonationRecord { requested: clip(name), subject: None });
        line.audience = parsed.audiences().iter().map(|name| clip(name)).collect();
        line.resource = parsed.resources().iter().map(|name| clip(name)).collect();
        line.scope_requested = parsed.scope().map(|scope| clip(&scope.to_string()));
        line.requested_token_type = Some(parsed.requested().name());
    }

    /// The audiences that the request is for, as far as a file is about them.
    pub fn aims_at(&mut self, audiences: Vec<Arc<AudienceMetrics>>) {
        self.audiences = audiences;
    }

    /// The checked subject and actor.
    pub fn validated(&mut self, validated: &Validated) {
        self.line.subject = Some(first(validated.subject().subject(), SUBJECT));
        if let Some(note) = validated.subject().note() {
            self.note(note);
        }
        self.line.subject_issuer = Some(validated.subject().issuer().to_owned());
        if let Some(actor) = validated.actor() {
            self.line.actor = Some(clip(actor.subject()));
            self.line.actor_issuer = Some(actor.issuer().to_owned());
            self.line.actor_client = actor.client().map(clip);
            if let Some(note) = actor.note() {
                self.note(&format!("the actor token: {note}"));
            }
        }
    }

    /// Adds something to the detail that the line must say whatever the outcome is.
    pub(super) fn note(&mut self, note: &str) {
        if !self.line.detail.is_empty() {
            self.line.detail.push_str("; ");
        }
        self.line.detail.push_str(&first(note, DETAIL));
    }

    /// The `sub` of the impersonated user.
    pub fn impersonates(&mut self, subject: &str) {
        if let Some(impersonation) = &mut self.line.impersonation {
            impersonation.subject = Some(subject.to_owned());
        }
    }

    /// The decision.
    pub fn permitted(&mut self, permit: &Permit) {
        self.line.issuance = Some(permit.issuance().as_str());
        self.issuance = Some(permit.issuance());
        self.line.actor_client = permit.validated().actor().and_then(CheckedToken::client).map(clip);
        self.line.audience = permit.audiences().to_vec();
        self.line.permissions = permit.decision().applied().collect();
        let act = permit.contract().act.as_ref();
        let chain = std::iter::successors(act, |actor| actor.get("act"));
        self.line.actors = chain.filter_map(|actor| actor.get("sub")?.as_str()).map(clip).collect();
    }

    /// The status of the identity provider's answer.
    pub fn upstream_status(&mut self, status: StatusCode) {
        self.line.upstream_status = Some(status.as_u16());
    }

    /// The contents of the new token.
    pub fn issued(&mut self, facts: &IssuedFacts) {
        let line = &mut self.line;
        line.roles_before = Some(roles(&facts.roles_before));
        line.roles_granted = Some(roles(&facts.roles_granted));
        line.scope_granted = Some(facts.scope_granted.to_string());
        line.claims_dropped.clone_from(&facts.dropped_claims);
        line.members_dropped.clone_from(&facts.dropped_members);
        line.lifetime_seconds = Some(facts.lifetime);
        line.issued_jti.clone_from(&facts.jti);
        line.issued_kid = Some(facts.kid.clone());
    }
}

/// Role names as an audit line shows them.
fn roles(roles: &RoleNames) -> serde_json::Value {
    serde_json::json!({ "realm": roles.realm, "clients": roles.clients })
}
