//! The decision about a request with checked tokens: for a permit, or for a preview.

use jiff::Timestamp;
use serde_json::Value;

use super::circumstances::Circumstances;
use crate::judgement::dialect::TokenCustoms;
use crate::judgement::exchange::grant::Grant;
use crate::judgement::policy::decide::{Decision, decide};
use crate::judgement::policy::model::{Issuance, Policy};
use crate::judgement::policy::request::{Actor, ExchangeRequest, WantedScope};
use crate::judgement::policy::scopes::OFFLINE;
use crate::judgement::token::Validated;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};

/// Decides a request with checked tokens against what the audiences' owners permit.
pub(super) fn decided(
    validated: &Validated,
    policy: &Policy,
    circumstances: &Circumstances<'_>,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    let (binding, realm) = (validated.subject().binding().claim(), circumstances.realm);
    if validated.authenticated().parsed().requested_subject().is_some() != circumstances.impersonate.is_some() {
        return Err(Refusal::new(Reason::Internal, "who is to be impersonated was not looked up"));
    }
    let scope = validated.scope().map_or(WantedScope::Any, WantedScope::Exactly);
    let request = request(validated, scope, binding.as_ref(), circumstances);
    let mut decided = decide(policy, realm, &request, now);
    if validated.authenticated().parsed().prefers_refresh() {
        let request = ExchangeRequest { requested_token: TokenType::RefreshToken, ..request };
        let refresh = decide(policy, realm, &request, now);
        decided = match (refresh, decided) {
            // Keycloak gives the scope, but no refresh token with it.
            (Ok(refresh), Ok(plain)) if !circumstances.refreshes && is_offline_upstream(&refresh) => Ok(plain),
            (refresh, plain) => with_refresh(refresh, plain),
        };
    }
    decided
}

/// Whether Cambio can issue what was decided.
pub(super) fn check_issuance(validated: &Validated, decision: &Decision) -> Result<(), Refusal> {
    let issuance = decision.contract.issuance;
    if issuance == Issuance::Mint {
        return Ok(());
    }
    if validated.subject().provenance().is_by_cambio() {
        let detail = format!("write issuance: mint for it, not {}", issuance.as_str());
        return Err(Refusal::new(Reason::SubjectTokenOurs, detail));
    }
    if validated.authenticated().parsed().grant() == Grant::ApiAccess {
        let (audiences, issuance) = (decision.audiences.join(", "), issuance.as_str());
        let detail = format!("api-access needs issuance: mint in the file of {audiences}, not {issuance}");
        return Err(Refusal::new(Reason::ClientNotPermitted, detail));
    }
    Ok(())
}

/// The decision with a refresh token, unless the refresh token would make an allowed request fail, add a demand, or let a
/// session go on that has ended.
fn with_refresh(refresh: Result<Decision, Refusal>, plain: Result<Decision, Refusal>) -> Result<Decision, Refusal> {
    // A refresh would keep an ended session alive.
    let ends = |one: &Decision| one.contract.issuance == Issuance::Mint && one.demands.still_active;
    match (refresh, plain) {
        (Ok(refresh), Ok(plain)) if ends(&refresh) || !refresh.demands.within(plain.demands) => Ok(plain),
        (Ok(refresh), plain) if plain.is_ok() || !ends(&refresh) => Ok(refresh),
        (Err(refusal), Err(plain)) if plain.reason == Reason::RequestedTokenTypeNotPermitted => Err(refusal),
        (_, plain) => plain,
    }
}

/// Whether a refresh token is asked of the identity provider together with `offline_access`.
fn is_offline_upstream(decision: &Decision) -> bool {
    let scope = decision.contract.scope_requested.as_ref();
    decision.contract.issuance != Issuance::Mint && scope.is_some_and(|scope| scope.contains(OFFLINE))
}

/// The request as policy sees it.
pub(super) fn request<'a>(
    validated: &'a Validated,
    scope: WantedScope<'a>,
    binding: Option<&'a Value>,
    circumstances: &Circumstances<'a>,
) -> ExchangeRequest<'a> {
    let (parsed, subject) = (validated.authenticated().parsed(), validated.subject());
    ExchangeRequest {
        client: parsed.credentials().client_id(),
        issuer: subject.issuer(),
        provenance: subject.provenance(),
        subject_token: subject.kind(),
        requested_token: parsed.requested(),
        audiences: parsed.audiences(),
        resources: validated.resources(),
        scope,
        claims: subject.claims(),
        subject: subject.subject(),
        tenant: subject.tenant(),
        held: subject.held_by_client(),
        subject_expires: subject.expires(),
        binding,
        realm_issuer: circumstances.realm_issuer,
        actor: validated.actor().map(|actor| Actor {
            issuer: actor.issuer(),
            iss: actor.iss(),
            claims: actor.claims(),
            subject: actor.subject(),
            tenant: actor.tenant(),
            client: actor.client(),
            held: actor.held_by_client(),
            provenance: actor.provenance(),
            expires: actor.expires(),
        }),
        impersonate: circumstances.impersonate,
        carried: circumstances.carried,
        defaults: circumstances.defaults,
        customs: TokenCustoms {
            // The dialects' pages are about exchanges, and not about other issuers' assertions.
            needs_may_act: circumstances.customs.needs_may_act
                && (parsed.grant() == Grant::TokenExchange || !validated.subject().provenance().is_foreign()),
            ..circumstances.customs
        },
        drop_offline: circumstances.drop_offline,
        pairwise: circumstances.pairwise,
    }
}
