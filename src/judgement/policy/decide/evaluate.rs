//! Which permissions of one audience apply to a request.

use std::cell::OnceCell;

use jiff::SignedDuration;
use serde_json::{Map, Value};

use super::context::DecisionContext;
use super::missing::Missing;
use super::reach::{Reach, reach};
use crate::judgement::expression::{Expression, Other, Scene, Variables};
use crate::judgement::policy::model::{Audience, Demands, Issuance, Permission};
use crate::judgement::policy::roles::terms::{RoleSubject, RoleTerms};
use crate::judgement::policy::scopes::{OFFLINE, Offer, Scopes};
use crate::words::refusal::{Reason, Refusal};

/// A permission that applies.
#[derive(Clone, Copy, Debug)]
pub(super) struct ApplicablePermission<'a> {
    /// Position in the audience's file, from 1.
    pub(super) position: usize,
    /// The permitted scopes.
    pub(super) scopes: Offer<'a>,
    /// How the answer is made.
    pub(super) issuance: Issuance,
    /// What else the subject token must meet.
    pub(super) demands: Demands,
    /// The longest lifetime of the new token.
    pub(super) lifetime: Option<SignedDuration>,
}

/// An audience and its permissions that apply. Together they cover every requested scope.
pub(super) struct AudienceOffer<'a> {
    pub(super) evaluation: Evaluation<'a>,
    pub(super) permissions: Vec<ApplicablePermission<'a>>,
}

/// One audience and one request.
pub(super) struct Evaluation<'a> {
    context: &'a DecisionContext<'a>,
    audience: &'a Audience,
    /// The variables of expressions about the subject token; made for the first expression.
    scene: OnceCell<Scene<'a>>,
    /// The variables of expressions about an impersonated user.
    impersonated: OnceCell<Scene<'a>>,
}

/// Why the conditions of a permission do not hold.
struct Unmet {
    reason: Reason,
    text: String,
}

impl<'a> AudienceOffer<'a> {
    /// The audience.
    pub(super) fn audience(&self) -> &'a Audience {
        self.evaluation.audience
    }

    /// The permissions that count under these demands.
    pub(super) fn counted(&self, demands: Demands) -> impl Iterator<Item = &ApplicablePermission<'a>> {
        self.permissions.iter().filter(move |one| one.demands.within(demands))
    }

    /// Whether the permissions that count cover every scope.
    pub(super) fn covers(&self, scopes: &[String], demands: Demands) -> bool {
        scopes.iter().all(|scope| self.counted(demands).any(|one| one.scopes.contains(scope)))
    }

    /// The scopes of the permissions that count, together.
    pub(super) fn scopes(&self, demands: Demands) -> Scopes {
        self.counted(demands).fold(Scopes::none(), |all, one| all.union(&one.scopes.scopes()))
    }

    /// The longest lifetime that one of the permissions that count allows.
    pub(super) fn lifetime(&self, demands: Demands) -> SignedDuration {
        let usual = self.audience().token.lifetime;
        self.counted(demands).map(|one| one.lifetime.unwrap_or(usual)).max().unwrap_or(usual)
    }
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(context: &'a DecisionContext<'a>, audience: &'a Audience) -> Self {
        Self { context, audience, scene: OnceCell::new(), impersonated: OnceCell::new() }
    }

    /// The permissions that apply, which together cover every requested scope.
    pub(super) fn offer(self) -> Result<AudienceOffer<'a>, Refusal> {
        let mut applied = Vec::new();
        let mut possible: Vec<Offer<'a>> = Vec::new();
        let mut unmet: Option<Unmet> = None;
        let (mut furthest, mut position_of_furthest) = (Reach::Client, 0);
        for (permission, position) in self.audience.permissions.iter().zip(1..) {
            let reach = reach(self.context, self.audience, permission);
            if position_of_furthest == 0 || furthest < reach {
                (furthest, position_of_furthest) = (reach, position);
            }
            if reach < Reach::Covers {
                continue;
            }
            let scopes = Offer::new(&permission.scopes, self.context.held);
            possible.push(scopes);
            match self.check_conditions(permission, position) {
                Ok(()) => applied.push(ApplicablePermission {
                    position,
                    scopes,
                    issuance: self.audience.issuance_of(permission),
                    demands: permission.demands,
                    lifetime: permission.lifetime,
                }),
                Err(new) => {
                    if unmet.as_ref().is_none_or(|old| new.says_more_than(old)) {
                        unmet = Some(new);
                    }
                }
            }
        }
        let beyond =
            self.uncovered(|scope| applied.iter().any(|one: &ApplicablePermission<'_>| one.scopes.contains(scope)));
        if !applied.is_empty() && beyond.is_empty() {
            return Ok(AudienceOffer { evaluation: self, permissions: applied });
        }
        if furthest < Reach::Covers {
            let missing = Missing { context: self.context, audience: self.audience };
            return Err(missing.refusal(furthest, position_of_furthest));
        }
        let impossible = self.uncovered(|scope| possible.iter().any(|one| one.contains(scope)));
        match unmet {
            Some(unmet) if impossible.is_empty() => Err(self.audience.refuse(unmet.reason, &unmet.text)),
            _ => {
                let missing = if impossible.is_empty() { beyond } else { impossible };
                Err(self.scope_not_permitted(&missing, position_of_furthest))
            }
        }
    }

    /// The role rules, resolved for the request.
    pub(super) fn roles(&self, issuance: Issuance) -> Result<RoleTerms, Refusal> {
        let request = self.context.request;
        let subject = RoleSubject {
            realm: self.context.realm,
            issuer: request.issuer,
            own: request.provenance.is_of_realm(),
            claims: request.impersonate.map_or(request.claims, |requested| requested.claims),
        };
        RoleTerms::resolve(self.audience, issuance, subject, || self.impersonated())
    }

    /// The claims that the audience's file adds.
    pub(super) fn set(&self) -> Result<Map<String, Value>, Refusal> {
        let mut claims = Map::new();
        for (name, template) in &self.audience.token.set {
            let value = template.value_in(self.impersonated()).map_err(|error| {
                let source = template.source();
                let text = format!("token.set.{name} can't be evaluated ({error}): {source}");
                self.audience.refuse(Reason::ClaimTemplateFailed, &text)
            })?;
            claims.insert(name.clone(), value);
        }
        Ok(claims)
    }

    /// The requested scopes that `covers` does not cover.
    fn uncovered(&self, covers: impl Fn(&str) -> bool) -> Vec<String> {
        self.context.scopes.iter().filter(|scope| !covers(scope)).cloned().collect()
    }

    fn scope_not_permitted(&self, missing: &[String], position: usize) -> Refusal {
        let offline = missing.iter().any(|scope| scope == OFFLINE);
        let reason = if offline { Reason::OfflineNotPermitted } else { Reason::ScopeNotPermitted };
        let text = format!("add [{}] to scopes of permission {position}", missing.join(", "));
        self.audience.refuse(reason, &text)
    }

    /// Whether the permission's expressions are true.
    fn check_conditions(&self, permission: &Permission, position: usize) -> Result<(), Unmet> {
        let check = |condition: &Expression, key: &str, reason: Reason| {
            let source = condition.source();
            match condition.holds_in(self.scene()) {
                Ok(true) => Ok(()),
                Ok(false) => {
                    let text = format!("the {key} of permission {position} does not hold: {source}");
                    Err(Unmet { reason, text })
                }
                Err(error) => {
                    let text = format!("the {key} of permission {position} can't be evaluated ({error}): {source}");
                    Err(Unmet { reason: Reason::ConditionFailed, text })
                }
            }
        };
        if let Some(condition) = &permission.condition {
            check(condition, "condition", Reason::ConditionNotMet)?;
        }
        let actors = permission.delegation.as_ref().filter(|_| self.context.request.actor.is_some());
        if let Some(condition) = actors.and_then(|rule| rule.condition.as_ref()) {
            check(condition, "delegation.condition", Reason::ActorNotPermitted)?;
        }
        if let Some(rule) = &permission.impersonation {
            check(&rule.who, "impersonation.who", Reason::ImpersonationNotPermitted)?;
            check(&rule.whom, "impersonation.whom", Reason::ImpersonationNotPermitted)?;
        }
        Ok(())
    }

    /// The variables of a permission's expressions.
    fn scene(&self) -> &Scene<'a> {
        self.scene.get_or_init(|| {
            let request = self.context.request;
            self.scene_about(request.claims)
                .with(Other::Actor, request.actor.map(|actor| actor.claims))
                .with(Other::Requested, request.impersonate.map(|requested| requested.claims))
        })
    }

    /// The variables of expressions about the new token, whose subject may be an impersonated user.
    fn impersonated(&self) -> &Scene<'a> {
        match self.context.request.impersonate {
            Some(requested) => self.impersonated.get_or_init(|| self.scene_about(requested.claims)),
            None => self.scene(),
        }
    }

    fn scene_about(&self, claims: &'a Map<String, Value>) -> Scene<'a> {
        let (audience, scopes) = (self.audience.name.as_str(), self.context.scopes);
        Variables { claims, client: self.context.request.client, audience, scopes }.scene()
    }
}

impl Unmet {
    /// A condition that is false says more than a condition that can't be evaluated.
    fn says_more_than(&self, old: &Self) -> bool {
        old.reason == Reason::ConditionFailed && self.reason != old.reason
    }
}
