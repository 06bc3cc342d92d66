//! The decision about a request, from what the audiences' files say.
//!
//! A request is denied unless permitted. The permissions of an audience add up. A permission applies if it covers the
//! client, the subject token's issuer and type and the requested type, has not expired, and its condition is true. The
//! permissions that apply permit the union of their scopes, which must contain every requested scope. So adding a
//! permission never takes away what was allowed, and removing one never allows more. A condition that can't be evaluated
//! permits nothing and harms no other permission. The module `choose` says how the answer is made and which demands the
//! subject token must meet.
//!
//! Expressions see the scope that is granted, not the scope that is requested. The module `largest` says what is granted if
//! the request names no scope.
//!
//! The subject token's statements about delegation are checked before any permission. For delegation, a permission must
//! allow the actor and the earlier actors. For impersonation, only permissions with impersonation apply.
//!
//! If a request names several audiences, each must allow the request, and the one token satisfies all of them: it has the
//! shortest lifetime, the realm roles, scopes and claims that all of them allow, and each audience's own roles.

mod choose;
mod context;
mod evaluate;
mod largest;
mod merge;
mod missing;
mod reach;
pub mod trace;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use self::choose::Choice;
use self::context::{DecisionContext, GrantedScope};
use self::evaluate::{AudienceOffer, Evaluation};
use self::largest::largest;
use self::merge::{Terms, merge};
pub use self::reach::refreshable;
use crate::judgement::expression::StepBudget;
use crate::judgement::policy::contract::Contract;
use crate::judgement::policy::delegation::Delegated;
use crate::judgement::policy::model::{Audience, Demands, Issuance, MAX_FOREIGN_REFRESH, Policy};
use crate::judgement::policy::provenance::Provenance;
use crate::judgement::policy::request::{ExchangeRequest, WantedScope};
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

impl Decision {
    /// The permissions that applied, each as audience and place in its file: `back-end-api permissions[0]`.
    pub fn applied(&self) -> impl Iterator<Item = String> {
        let permissions = self.permissions.iter();
        permissions.map(|(audience, position)| format!("{audience} {}", missing::place(*position)))
    }
}

/// Decides a request in a realm. If [`ExchangeRequest::drop_offline`] is set and the scope [`OFFLINE`] is not permitted, or
/// only with more demands on the subject token, the request is decided as if it had not asked for that scope.
///
/// Where the identity provider will say which scope is granted ([`WantedScope::Any`], issuances other than `mint`), the
/// contract states no scope yet: the request is decided again for the scope of the answer.
pub fn decide(
    policy: &Policy,
    realm: &str,
    request: &ExchangeRequest<'_>,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    let audiences = targets(policy, realm, request)?;
    let delegated = Delegated::of(request)?;
    let held = held(&audiences, request);
    let budget = StepBudget::default();
    let context = DecisionContext {
        request,
        budget: &budget,
        realm,
        held: held.as_ref(),
        delegated: &delegated,
        today: now.to_zoned_datetime(TimeZone::UTC).date(),
    };
    let evaluations = audiences.iter().map(|audience| Evaluation::new(&context, audience)).collect();
    let judge = Judge { policy, context: &context, evaluations };
    match request.scope {
        WantedScope::Exactly(scope) if !scope.is_empty() => judge.asked(scope),
        WantedScope::AtMost(scope) => judge.at_most(scope),
        WantedScope::Exactly(_) | WantedScope::Any => judge.any(),
    }
}

/// A request, and the permissions of its audiences that cover it.
struct Judge<'a> {
    policy: &'a Policy,
    context: &'a DecisionContext<'a>,
    evaluations: Vec<Evaluation<'a>>,
}

impl Judge<'_> {
    /// Decides a request that asks for a scope.
    fn asked(&self, scope: &Scope) -> Result<Decision, Refusal> {
        let decided = self.exactly(scope);
        if !self.context.request.drop_offline || !scope.contains(OFFLINE) {
            return decided;
        }
        // Asking for the scope refuses nothing and demands nothing that would be allowed or unneeded without it.
        let rest = scope.filtered(|token| token != OFFLINE);
        match (decided, self.exactly(&rest)) {
            (Ok(with), Ok(without)) if with.demands.within(without.demands) => Ok(with),
            (Ok(with), Err(_)) => Ok(with),
            (_, without) => without,
        }
    }

    /// Decides a request that asks for no scope. What is minted has as much of the subject token's scope as is permitted, and
    /// the default scopes of permissions that apply.
    fn any(&self) -> Result<Decision, Refusal> {
        let offers = self.offers(GrantedScope::Open)?;
        let own = scope_to_mint(self.context.request);
        let mut refusal = None;
        for choice in choose::choices(&[], &offers) {
            if choice.issuance != Issuance::Mint {
                return self.decision(&offers, &choice, GrantedScope::Open, None);
            }
            let defaults = offers.iter().flat_map(|offer| offer.default_scopes(choice.demands));
            let available: Scope = own.iter().chain(defaults).map(str::to_owned).collect();
            let scope = largest(&offers, &choice, &available);
            // A default scope harms no request that is allowed without it.
            match scope.or_else(|| largest(&offers, &choice, &own)) {
                Some(scope) => return self.exactly(&scope),
                None => refusal = refusal.or_else(|| Some(self.none_holds(&offers, &choice, &available))),
            }
        }
        Err(refusal.unwrap_or_else(|| choose::conflict(&offers)))
    }

    /// Why no permission holds for its own scopes.
    fn none_holds(&self, offers: &[AudienceOffer<'_, '_>], choice: &Choice, available: &Scope) -> Refusal {
        let permitted = |token: &str| offers.iter().all(|offer| offer.scopes(choice.demands).contains(token));
        self.exactly(&available.filtered(permitted)).err().unwrap_or_else(|| {
            let detail = "the request has no scope, and no permission holds for its own scopes alone: ask for a scope";
            Refusal::new(Reason::ConditionNotMet, detail)
        })
    }

    /// Decides for all of a scope, or else for as much of it as is permitted together.
    fn at_most(&self, available: &Scope) -> Result<Decision, Refusal> {
        let refusal = match self.exactly(available) {
            Ok(decision) => return Ok(decision),
            Err(refusal) => refusal,
        };
        let offers = self.offers(GrantedScope::Open)?;
        let scope = choose::choices(&[], &offers).find_map(|choice| largest(&offers, &choice, available));
        scope.map_or(Err(refusal), |scope| self.exactly(&scope))
    }

    /// Decides for exactly this scope: every expression sees it.
    fn exactly(&self, scope: &Scope) -> Result<Decision, Refusal> {
        let tokens: Vec<String> = scope.iter().map(str::to_owned).collect();
        let granted = GrantedScope::Exactly(&tokens);
        let offers = self.offers(granted)?;
        let choice = choose::choose(&tokens, &offers)?;
        self.decision(&offers, &choice, granted, Some(scope.clone()))
    }

    fn offers(&self, scope: GrantedScope<'_>) -> Result<Vec<AudienceOffer<'_, '_>>, Refusal> {
        self.evaluations.iter().map(|evaluation| evaluation.offer(scope)).collect()
    }

    fn decision(
        &self,
        offers: &[AudienceOffer<'_, '_>],
        choice: &Choice,
        granted: GrantedScope<'_>,
        scope: Option<Scope>,
    ) -> Result<Decision, Refusal> {
        let request = self.context.request;
        if let Some(requested) = request.impersonate.filter(|requested| requested.protected) {
            let detail = format!(
                "the user {} has a role of realms.{}.adminRoles, or administers others by fine-grained permissions",
                requested.subject, self.context.realm
            );
            return Err(Refusal::new(Reason::ImpersonationProtected, detail));
        }
        let subject = minted_subject(self.policy, request, offers)?;
        let mut terms = Vec::with_capacity(offers.len());
        let mut permissions = Vec::new();
        for offer in offers {
            let (audience, evaluation) = (offer.audience(), offer.evaluation);
            let expressions = evaluation.expressions(granted);
            let counted = offer.counted(choice.demands);
            permissions.extend(counted.map(|one| (audience.name.clone(), one.position)));
            terms.push(Terms {
                audience,
                scopes: offer.scopes(choice.demands),
                lifetime: offer.lifetime(choice.demands),
                roles: evaluation.roles(choice.issuance, &expressions)?,
                set: evaluation.set(&expressions)?,
                may_act: evaluation.may_act(&expressions)?,
                id_tokens: offer.gives_id_tokens(choice.demands),
            });
        }
        let audiences = || offers.iter().map(AudienceOffer::audience);
        let longest_refresh = if request.provenance.is_foreign() { MAX_FOREIGN_REFRESH } else { SignedDuration::MAX };
        let refresh_lifetimes = audiences().map(|audience| audience.token.refresh_lifetime);
        Ok(Decision {
            contract: merge(self.context, choice.issuance, subject, scope, terms)?,
            audiences: audiences().map(|audience| audience.name.clone()).collect(),
            permissions,
            demands: choice.demands,
            refresh: request.requested_token == TokenType::RefreshToken,
            refresh_lifetime: refresh_lifetimes.min().unwrap_or(SignedDuration::ZERO).min(longest_refresh),
        })
    }
}

/// The scope that a minted token can have if the request names none: that of the realm's own subject token. The scope of a
/// foreign token has another meaning.
fn scope_to_mint(request: &ExchangeRequest<'_>) -> Scope {
    let text = request.claims.get("scope").and_then(Value::as_str).filter(|_| !request.provenance.is_foreign());
    text.and_then(|text| Scope::parse(text).ok()).unwrap_or_default()
}

/// The scope of a subject token that the realm issued, if a permission has `scopes: ["*"]`. The scope is empty if it can't
/// be read, and for ID tokens: an exchange of an ID token must not give more than an exchange of the access token.
fn held(audiences: &[&Audience], request: &ExchangeRequest<'_>) -> Option<Scope> {
    let of_client = || audiences.iter().flat_map(|one| one.permissions.of_client(request.client));
    let any = || of_client().any(|(_, one)| one.scopes == Names::Any);
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
            let names = known.into_iter().flat_map(|known| known.keys()).map(String::as_str);
            return Err(policy.broken.no_audience(realm, name, names));
        };
        if seen.insert(audience.name.as_str()) {
            targets.push(audience);
        }
    }
    for resource in request.resources {
        let meant = known.map(|known| known.of_resource(resource)).unwrap_or_default();
        if meant.is_empty() {
            return Err(policy.broken.no_resource(realm, resource));
        }
        let meant = meant.iter().map(Arc::as_ref);
        targets.extend(meant.filter(|audience| seen.insert(audience.name.as_str())));
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
    offers: &[AudienceOffer<'_, '_>],
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
