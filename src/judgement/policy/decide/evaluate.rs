//! Which permissions of one audience apply to a request.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;

use jiff::SignedDuration;
use serde_json::{Map, Value};

use super::context::{DecisionContext, GrantedScope};
use super::missing::{Missing, place};
use super::reach::{Reach, reach};
use crate::judgement::expression::{Expression, ExpressionError, Other, Scene, Variables};
use crate::judgement::policy::delegation;
use crate::judgement::policy::model::{Audience, Demands, Issuance, Permission};
use crate::judgement::policy::roles::terms::{RoleSubject, RoleTerms};
use crate::judgement::policy::scopes::{OFFLINE, Offer, Scopes};
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::similar::did_you_mean;
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
    permission: &'a Permission,
}

/// An audience and its permissions that apply for one scope.
pub(super) struct AudienceOffer<'e, 'a> {
    pub(super) evaluation: &'e Evaluation<'a>,
    pub(super) permissions: Vec<ApplicablePermission<'a>>,
}

/// One audience and one request.
pub(super) struct Evaluation<'a> {
    context: &'a DecisionContext<'a>,
    audience: &'a Audience,
    /// The permissions that cover the request, scope aside.
    covering: Vec<ApplicablePermission<'a>>,
    /// For each of them, in the same order, what the expressions say that do not look at the scope.
    settled: Vec<Result<(), Unmet<'a>>>,
    /// How far a permission covers the request at most, and the position of the first that does.
    furthest: Reach,
    position_of_furthest: usize,
}

/// The variables of expressions, for one scope.
pub(super) struct ScopedExpressions<'s, 'a: 's> {
    context: &'a DecisionContext<'a>,
    audience: &'a Audience,
    scope: GrantedScope<'s>,
    /// About the subject token; made for the first expression.
    scene: OnceCell<Scene<'s>>,
    /// About an impersonated user.
    impersonated: OnceCell<Scene<'s>>,
    /// What conditions gave in this scene, by their source: many permissions can have one condition.
    given: RefCell<HashMap<&'a str, Result<bool, ExpressionError>>>,
}

/// Why the conditions of a permission do not hold. There can be thousands, and only one becomes a text.
#[derive(Clone)]
struct Unmet<'a> {
    reason: Reason,
    /// The key of the condition.
    key: &'static str,
    /// The permission's position.
    position: usize,
    condition: &'a Expression,
    /// Why the condition could not be evaluated.
    error: Option<ExpressionError>,
}

impl<'a> AudienceOffer<'_, 'a> {
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

    /// The default scopes of the permissions that count.
    pub(super) fn default_scopes(&self, demands: Demands) -> impl Iterator<Item = &'a str> {
        self.counted(demands).flat_map(|one| one.permission.default_scopes.iter().map(String::as_str))
    }

    /// Whether one of the permissions that count lets callers have ID tokens.
    pub(super) fn gives_id_tokens(&self, demands: Demands) -> bool {
        self.counted(demands).any(|one| one.permission.requested_tokens.contains(&TokenType::IdToken))
    }

    /// The longest lifetime that one of the permissions that count allows.
    pub(super) fn lifetime(&self, demands: Demands) -> SignedDuration {
        let usual = self.audience().token.lifetime;
        self.counted(demands).map(|one| one.lifetime.unwrap_or(usual)).max().unwrap_or(usual)
    }
}

impl<'a> Evaluation<'a> {
    /// Finds the permissions that cover the request, scope aside.
    pub(super) fn new(context: &'a DecisionContext<'a>, audience: &'a Audience) -> Self {
        let mut evaluation = Self {
            context,
            audience,
            covering: Vec::new(),
            settled: Vec::new(),
            furthest: Reach::Client,
            // Every permission reaches so far.
            position_of_furthest: usize::from(!audience.permissions.is_empty()),
        };
        let expressions = evaluation.expressions(GrantedScope::Open);
        for (position, permission) in audience.permissions.of_client(context.request.client) {
            let reach = reach(context, audience, permission);
            if evaluation.furthest < reach {
                (evaluation.furthest, evaluation.position_of_furthest) = (reach, position);
            }
            if reach < Reach::Covers {
                continue;
            }
            evaluation
                .settled
                .push(expressions.check(permission, position, |expression| !expression.looks_at_scopes()));
            evaluation.covering.push(ApplicablePermission {
                position,
                scopes: Offer::new(&permission.scopes, context.held),
                issuance: audience.issuance_of(permission),
                demands: permission.demands,
                lifetime: permission.lifetime,
                permission,
            });
        }
        evaluation
    }

    /// The permissions that apply if this scope is granted. Together they cover the scope.
    pub(super) fn offer(&self, scope: GrantedScope<'_>) -> Result<AudienceOffer<'_, 'a>, Refusal> {
        let expressions = self.expressions(scope);
        let mut applied: Vec<ApplicablePermission<'a>> = Vec::new();
        let mut unmet: Option<Unmet<'a>> = None;
        for (one, settled) in self.covering.iter().zip(&self.settled) {
            let holds = match settled {
                Err(unmet) => Err(Cow::Borrowed(unmet)),
                Ok(()) => expressions.holds(one).map_err(Cow::Owned),
            };
            let Err(new) = holds else {
                applied.push(*one);
                continue;
            };
            if unmet.as_ref().is_none_or(|old| new.says_more_than(old)) {
                unmet = Some(new.into_owned());
            }
        }
        let uncovered = |permissions: &[ApplicablePermission<'_>]| -> Vec<String> {
            let covers = |scope: &str| permissions.iter().any(|one| one.scopes.contains(scope));
            scope.tokens().iter().filter(|scope| !covers(scope)).cloned().collect()
        };
        let beyond = uncovered(&applied);
        if !applied.is_empty() && beyond.is_empty() {
            return Ok(AudienceOffer { evaluation: self, permissions: applied });
        }
        if self.furthest < Reach::Covers {
            let missing = Missing { context: self.context, audience: self.audience };
            return Err(missing.refusal(self.furthest, self.position_of_furthest));
        }
        let impossible = uncovered(&self.covering);
        match unmet {
            Some(unmet) if impossible.is_empty() => Err(self.audience.refuse(unmet.reason, &expressions.why(&unmet))),
            _ => {
                let missing = if impossible.is_empty() { beyond } else { impossible };
                Err(self.scope_not_permitted(&missing, self.position_of_furthest))
            }
        }
    }

    /// The role rules, resolved for the request.
    pub(super) fn roles(
        &self,
        issuance: Issuance,
        expressions: &ScopedExpressions<'_, 'a>,
    ) -> Result<RoleTerms, Refusal> {
        let request = self.context.request;
        let subject = RoleSubject {
            realm: self.context.realm,
            issuer: request.issuer,
            own: request.provenance.is_of_realm(),
            claims: request.impersonate.map_or(request.claims, |requested| requested.claims),
        };
        RoleTerms::resolve(self.audience, issuance, subject, |expression| {
            expressions.knows(expression).then(|| expressions.impersonated())
        })
    }

    /// The claims that the audience's file adds.
    pub(super) fn set(&self, expressions: &ScopedExpressions<'_, 'a>) -> Result<Map<String, Value>, Refusal> {
        let mut claims = Map::new();
        for (name, template) in self.audience.token.set.iter().filter(|(_, template)| expressions.knows(template)) {
            let value = template.value_in(expressions.impersonated()).map_err(|error| {
                let source = template.source();
                let text = format!("token.set.{name} can't be evaluated ({error}): {source}");
                self.audience.refuse(Reason::ClaimTemplateFailed, &text)
            })?;
            claims.insert(name.clone(), value);
        }
        Ok(claims)
    }

    /// Who may act for the subject of the new token, if the audience's file says so.
    pub(super) fn may_act(&self, expressions: &ScopedExpressions<'_, 'a>) -> Result<Option<Value>, Refusal> {
        let Some(rule) = self.audience.token.may_act.as_ref().filter(|rule| expressions.knows(rule)) else {
            return Ok(None);
        };
        let (request, nobody) = (self.context.request, Map::new());
        let actor = request.actor.map_or(&nobody, |actor| actor.claims);
        let mut claims = Cow::Borrowed(request.claims);
        // Whom another issuer's token names without `iss` is one of that issuer, and not of the realm.
        if let Some(may_act) = self.context.delegated.may_act.as_ref().filter(|_| request.provenance.is_foreign()) {
            claims.to_mut().insert("may_act".to_owned(), may_act.clone());
        }
        let scene = expressions.scene_about(&claims).with(Other::Actor, Some(actor));
        let refused = |error: &str| {
            let text = format!("token.mayAct can't be evaluated ({error}): {}", rule.source());
            self.audience.refuse(Reason::ClaimTemplateFailed, &text)
        };
        let value = rule.value_in(&scene).map_err(|error| refused(&error.to_string()))?;
        delegation::check_may_act(&value).map_err(refused)?;
        Ok(Some(value))
    }

    /// The variables of expressions if this scope is granted.
    pub(super) fn expressions<'s>(&self, scope: GrantedScope<'s>) -> ScopedExpressions<'s, 'a> {
        let (scene, impersonated) = (OnceCell::new(), OnceCell::new());
        let given = RefCell::default();
        ScopedExpressions { context: self.context, audience: self.audience, scope, scene, impersonated, given }
    }

    fn scope_not_permitted(&self, missing: &[String], position: usize) -> Refusal {
        let offline = missing.iter().any(|scope| scope == OFFLINE);
        let reason = if offline { Reason::OfflineNotPermitted } else { Reason::ScopeNotPermitted };
        let listed = self.audience.permissions.iter().flat_map(|permission| permission.scopes.written());
        let meant = missing.first().map(|scope| did_you_mean(scope, listed)).unwrap_or_default();
        let place = place(position);
        let text = format!("add [{}] to scopes of {place}{meant}", missing.join(", "));
        self.audience.refuse(reason, &text)
    }
}

impl<'s, 'a: 's> ScopedExpressions<'s, 'a> {
    /// Whether the expressions of a permission that look at the scope are true, as far as the scope is known.
    pub(super) fn allows(&self, one: &ApplicablePermission<'a>) -> bool {
        self.holds(one).is_ok()
    }

    fn holds(&self, one: &ApplicablePermission<'a>) -> Result<(), Unmet<'a>> {
        self.check(one.permission, one.position, |expression| expression.looks_at_scopes() && self.knows(expression))
    }

    /// Why the expressions of a permission do not hold, as far as the scope is known; `None`: they hold.
    pub(super) fn unmet(&self, permission: &'a Permission, position: usize) -> Option<Refusal> {
        let unmet = self.check(permission, position, |expression| self.knows(expression)).err()?;
        Some(Refusal::new(unmet.reason, self.why(&unmet)))
    }

    /// Whether the expression can be evaluated.
    fn knows(&self, expression: &Expression) -> bool {
        matches!(self.scope, GrantedScope::Exactly(_)) || !expression.looks_at_scopes()
    }

    /// Whether those of the permission's expressions are true that `are_checked` selects.
    fn check(
        &self,
        permission: &'a Permission,
        position: usize,
        are_checked: impl Fn(&Expression) -> bool,
    ) -> Result<(), Unmet<'a>> {
        let check = |condition: &'a Expression, key: &'static str, reason: Reason| {
            if !are_checked(condition) {
                return Ok(());
            }
            match self.value(condition) {
                Ok(true) => Ok(()),
                Ok(false) => Err(Unmet { reason, key, position, condition, error: None }),
                Err(error) => {
                    Err(Unmet { reason: Reason::ConditionFailed, key, position, condition, error: Some(error) })
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

    /// The value of a condition, which is evaluated once.
    fn value(&self, condition: &'a Expression) -> Result<bool, ExpressionError> {
        if let Some(given) = self.given.borrow().get(condition.source()) {
            return given.clone();
        }
        let value = condition.holds_in(self.scene());
        self.given.borrow_mut().insert(condition.source(), value.clone());
        value
    }

    /// Why a condition does not hold.
    fn why(&self, unmet: &Unmet<'_>) -> String {
        let Unmet { key, position, condition, error, .. } = unmet;
        let (place, source) = (place(*position), condition.source());
        match error {
            None => {
                let granted = self.granted(condition);
                format!("the {key} of {place} does not hold{granted}: {source}")
            }
            Some(error) => format!("the {key} of {place} can't be evaluated ({error}): {source}"),
        }
    }

    /// For which scope the condition was evaluated, where that matters.
    fn granted(&self, condition: &Expression) -> String {
        if condition.looks_at_scopes() {
            format!(" if scope [{}] is granted", self.scope.tokens().join(", "))
        } else {
            String::new()
        }
    }

    /// The variables of a permission's expressions.
    fn scene(&self) -> &Scene<'s> {
        self.scene.get_or_init(|| {
            let request = self.context.request;
            self.scene_about(request.claims)
                .with(Other::Actor, request.actor.map(|actor| actor.claims))
                .with(Other::Requested, request.impersonate.map(|requested| requested.claims))
        })
    }

    /// The variables of expressions about the new token, whose subject may be an impersonated user.
    fn impersonated(&self) -> &Scene<'s> {
        match self.context.request.impersonate {
            Some(requested) => self.impersonated.get_or_init(|| self.scene_about(requested.claims)),
            None => self.scene(),
        }
    }

    fn scene_about<'m>(&self, claims: &'m Map<String, Value>) -> Scene<'m>
    where
        's: 'm,
    {
        let (client, audience) = (self.context.request.client, self.audience.name.as_str());
        Variables { claims, client, audience, scopes: self.scope.tokens() }.scene().within(self.context.budget)
    }
}

impl Unmet<'_> {
    /// A condition that is false says more than a condition that can't be evaluated.
    fn says_more_than(&self, old: &Self) -> bool {
        old.reason == Reason::ConditionFailed && self.reason != old.reason
    }
}
