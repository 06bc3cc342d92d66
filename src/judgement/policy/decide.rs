//! The decision about a request, from what the audiences' files say.
//!
//! A request is denied unless permitted. The permissions of an audience add up. A permission applies if it covers the
//! client, the subject token's issuer and type and the requested type, has not expired, and its condition is true. The
//! permissions that apply permit the union of their scopes, which must contain every requested scope. So adding a
//! permission never takes away what was allowed, and removing one never allows more. A condition that can't be evaluated
//! permits nothing and harms no other permission. The module `choose` says how the answer is made and which demands the
//! subject token must meet.
//!
//! The subject token's statements about delegation are checked before any permission. For delegation, a permission must
//! allow the actor and the earlier actors. For impersonation, only permissions with impersonation apply.
//!
//! If a request names several audiences, each must allow the request, and the one token satisfies all of them: it has the
//! shortest lifetime, the realm roles, scopes and claims that all of them allow, and each audience's own roles.

mod choose;
mod context;
mod evaluate;
mod merge;
mod missing;
mod reach;

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use self::choose::choose;
use self::context::DecisionContext;
use self::evaluate::{AudienceOffer, Evaluation};
use self::merge::{Terms, merge};
pub use self::reach::refreshable;
use crate::judgement::policy::contract::Contract;
use crate::judgement::policy::delegation::Delegated;
use crate::judgement::policy::model::{Audience, Demands, Policy};
use crate::judgement::policy::provenance::Provenance;
use crate::judgement::policy::request::ExchangeRequest;
use crate::judgement::policy::scopes::OFFLINE;
use crate::judgement::policy::subject;
use crate::words::oauth::names::Names;
use crate::words::oauth::scope::Scope;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};

/// An allowed request.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// What the answer must look like.
    pub contract: Contract,
    /// The audiences in the requested order, each once.
    pub audiences: Vec<String>,
    /// The permissions that applied: audience and position in its file, from 1.
    pub permissions: Vec<(String, usize)>,
    /// What must be found out about the subject token before the answer is made.
    pub demands: Demands,
    /// Whether the request is for a refresh token beside the access token.
    pub refresh: bool,
    /// How long after this exchange refresh tokens may be good.
    pub refresh_lifetime: SignedDuration,
}

/// Decides a request in a realm. If [`ExchangeRequest::drop_offline`] is set and the scope [`OFFLINE`] is not permitted, or
/// only with more demands on the subject token, the request is decided as if it had not asked for that scope.
pub fn decide(
    policy: &Policy,
    realm: &str,
    request: &ExchangeRequest<'_>,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    let audiences = targets(policy, realm, request)?;
    let delegated = Delegated::of(request)?;
    let held = held(&audiences, request);
    let context = DecisionContext {
        request,
        realm,
        scope: request.scope.filter(|scope| !scope.is_empty()),
        scopes: &[],
        held: held.as_ref(),
        delegated: &delegated,
        today: now.to_zoned_datetime(TimeZone::UTC).date(),
    };
    let decided = decide_scope(policy, &audiences, context);
    let Some(offline) = context.scope.filter(|asked| request.drop_offline && asked.contains(OFFLINE)) else {
        return decided;
    };
    // Asking for the scope refuses nothing and demands nothing that would be allowed or unneeded without it.
    let rest = offline.filtered(|token| token != OFFLINE);
    match (decided, decide_scope(policy, &audiences, DecisionContext { scope: Some(&rest), ..context })) {
        (Ok(with), Ok(without)) if with.demands.within(without.demands) => Ok(with),
        (Ok(with), Err(_)) => Ok(with),
        (_, without) => without,
    }
}

/// Decides a request for the context's scope. An empty scope asks for nothing, `None` for whatever is permitted.
fn decide_scope(policy: &Policy, audiences: &[&Audience], context: DecisionContext<'_>) -> Result<Decision, Refusal> {
    let scopes: Vec<String> = context.scope.into_iter().flat_map(Scope::iter).map(str::to_owned).collect();
    let context = DecisionContext { scopes: &scopes, ..context };
    let request = context.request;
    let mut offers = Vec::with_capacity(audiences.len());
    for audience in audiences {
        offers.push(Evaluation::new(&context, audience).offer()?);
    }
    let choice = choose(&scopes, &offers)?;
    if let Some(requested) = request.impersonate.filter(|requested| requested.protected) {
        let detail = format!("the user {} has a role of realms.{}.adminRoles", requested.subject, context.realm);
        return Err(Refusal::new(Reason::ImpersonationProtected, detail));
    }
    let subject = minted_subject(policy, request, &offers)?;
    let mut terms = Vec::with_capacity(offers.len());
    let mut permissions = Vec::new();
    for offer in &offers {
        let audience = offer.audience();
        let counted = offer.counted(choice.demands);
        permissions.extend(counted.map(|one| (audience.name.clone(), one.position)));
        terms.push(Terms {
            audience,
            scopes: offer.scopes(choice.demands),
            lifetime: offer.lifetime(choice.demands),
            roles: offer.evaluation.roles(choice.issuance)?,
            set: offer.evaluation.set()?,
        });
    }
    let refresh_lifetimes = audiences.iter().map(|audience| audience.token.refresh_lifetime);
    Ok(Decision {
        contract: merge(&context, choice.issuance, subject, terms)?,
        audiences: audiences.iter().map(|audience| audience.name.clone()).collect(),
        permissions,
        demands: choice.demands,
        refresh: request.requested_token == TokenType::RefreshToken,
        refresh_lifetime: refresh_lifetimes.min().unwrap_or(SignedDuration::ZERO),
    })
}

/// The scope of a subject token that the realm issued, if a permission has `scopes: ["*"]`. The scope is empty if it can't
/// be read, and for ID tokens: an exchange of an ID token must not give more than an exchange of the access token.
fn held(audiences: &[&Audience], request: &ExchangeRequest<'_>) -> Option<Scope> {
    let any = || audiences.iter().flat_map(|one| &one.permissions).any(|one| one.scopes == Names::Any);
    if request.provenance.is_foreign() || !any() {
        return None;
    }
    let text = request.claims.get("scope").filter(|_| request.subject_token != TokenType::IdToken);
    let text = text.and_then(Value::as_str).unwrap_or_default();
    Some(Scope::parse(text).unwrap_or_default())
}

/// The audiences meant by `audience` and `resource`. A resource that two files list means both of them.
fn targets<'p>(policy: &'p Policy, realm: &str, request: &ExchangeRequest<'_>) -> Result<Vec<&'p Audience>, Refusal> {
    let known = policy.realms.get(realm);
    let mut targets: Vec<&Audience> = Vec::new();
    let mut seen = BTreeSet::new();
    for name in request.audiences {
        let Some(audience) = known.and_then(|known| known.get(name)) else {
            return Err(Refusal::new(
                Reason::AudienceUnknown,
                format!("add a file with audience: {name} and realm: {realm} to the audiences folder"),
            ));
        };
        if seen.insert(audience.name.as_str()) {
            targets.push(audience);
        }
    }
    for resource in request.resources {
        let all = known.into_iter().flat_map(|known| known.values());
        let meant: Vec<_> = all.filter(|audience| audience.resources.contains(resource)).collect();
        if meant.is_empty() {
            return Err(Refusal::new(
                Reason::ResourceUnknown,
                format!("add {resource} to resources in the audiences file that it means"),
            ));
        }
        targets.extend(meant.into_iter().filter(|audience| seen.insert(audience.name.as_str())));
    }
    if targets.is_empty() {
        return Err(Refusal::new(Reason::AudienceMissing, "the request must name an audience or a resource"));
    }
    Ok(targets)
}

/// The `sub` of a token that would be minted. It is resolved whatever the issuance, so that another permission can't bring
/// a failure.
fn minted_subject(
    policy: &Policy,
    request: &ExchangeRequest<'_>,
    offers: &[AudienceOffer<'_>],
) -> Result<Option<String>, Refusal> {
    match offers.first() {
        Some(_) if request.provenance == Provenance::CambioForForeign => Ok(Some(request.subject.to_owned())),
        Some(offer) if request.provenance.is_foreign() => {
            let rule = offer.audience().token.subject;
            subject::minted(rule, request, policy.usernames.get(request.issuer)).map(Some)
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests;
