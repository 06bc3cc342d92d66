//! One audience's answer to one request: which of its permissions apply.

mod missing;

use std::cell::OnceCell;

use jiff::SignedDuration;
use jiff::civil::Date;
use serde_json::{Map, Value};

use super::Request;
use crate::judgement::expression::{Expression, Other, Scene, Variables};
use crate::judgement::policy::delegation::Delegated;
use crate::judgement::policy::model::{ActorRule, Audience, Demands, Issuance, Permission};
use crate::judgement::policy::provenance::Provenance;
use crate::judgement::policy::roles::{RoleTerms, Subject};
use crate::judgement::policy::scopes::{OFFLINE, Offer};
use crate::words::oauth::scope::Scope;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};

/// A permission that applies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Applied<'a> {
    /// Position in the audience's file, from 1.
    pub(super) position: usize,
    /// Its scopes.
    pub(super) scopes: Offer<'a>,
    /// How it has the answer made.
    pub(super) issuance: Issuance,
    /// What it asks of the subject token besides.
    pub(super) demands: Demands,
    /// Its longest life of the new token.
    pub(super) lifetime: Option<SignedDuration>,
}

/// How far a permission goes with a request, in the order in which it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Client,
    Issuer,
    /// The subject token is another client's.
    Holder,
    /// It takes no token that we signed.
    Exchanged,
    SubjectToken,
    RequestedToken,
    Expired,
    /// It is about no impersonation.
    Impersonation,
    /// It has no earlier actors go on.
    Delegated,
    ActorRequired,
    Actor,
    TooDeep,
    /// Everything but scope and conditions.
    Covers,
}

/// One audience and one request.
pub(super) struct Judge<'a> {
    request: &'a Request<'a>,
    audience: &'a Audience,
    asked: Asked<'a>,
    /// What expressions look at, made when the first one wants it.
    scene: OnceCell<Scene<'a>>,
    /// What expressions about the one look at whom the new token is about, where that is not the subject.
    becoming: OnceCell<Scene<'a>>,
}

/// What is the same for every audience of a request.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The scope tokens asked for.
    pub(super) scopes: &'a [String],
    /// The subject token's scope, where that is the realm's word.
    pub(super) held: Option<&'a Scope>,
    /// What the new token says about acting.
    pub(super) delegated: &'a Delegated,
    /// The day (UTC).
    pub(super) today: Date,
}

impl<'a> Judge<'a> {
    pub(super) fn new(request: &'a Request<'a>, audience: &'a Audience, asked: Asked<'a>) -> Self {
        Self { request, audience, asked, scene: OnceCell::new(), becoming: OnceCell::new() }
    }

    /// Whose answer it is.
    pub(super) fn audience(&self) -> &'a Audience {
        self.audience
    }

    /// The permissions that apply, which together cover every scope asked for.
    pub(super) fn applied(&self) -> Result<Vec<Applied<'a>>, Refusal> {
        let mut applied = Vec::new();
        let mut possible: Vec<Offer<'a>> = Vec::new();
        let mut unmet: Option<(Reason, String)> = None;
        let mut furthest: Option<(Reach, usize)> = None;
        for (permission, position) in self.audience.permissions.iter().zip(1..) {
            let reach = self.reach(permission);
            if furthest.is_none_or(|(best, _)| best < reach) {
                furthest = Some((reach, position));
            }
            if reach < Reach::Covers {
                continue;
            }
            let scopes = Offer::new(&permission.scopes, self.asked.held);
            possible.push(scopes);
            match self.conditions(permission, position) {
                Ok(()) => applied.push(Applied {
                    position,
                    scopes,
                    issuance: self.audience.issuance_of(permission),
                    demands: permission.demands,
                    lifetime: permission.lifetime,
                }),
                // A condition that gave an answer says more than one that could not.
                Err((reason, text)) => {
                    if unmet.as_ref().is_none_or(|(old, _)| *old == Reason::ConditionFailed && reason != *old)
                    {
                        unmet = Some((reason, text));
                    }
                }
            }
        }
        let uncovered = |covers: &dyn Fn(&str) -> bool| -> Vec<String> {
            self.asked.scopes.iter().filter(|scope| !covers(scope)).cloned().collect()
        };
        let beyond = uncovered(&|scope| applied.iter().any(|one: &Applied<'_>| one.scopes.contains(scope)));
        if !applied.is_empty() && beyond.is_empty() {
            return Ok(applied);
        }
        let (reach, position) = furthest.unwrap_or((Reach::Client, 0));
        if reach < Reach::Covers {
            return Err(self.short_of(reach, position));
        }
        let impossible = uncovered(&|scope| possible.iter().any(|one| one.contains(scope)));
        match unmet {
            Some((reason, text)) if impossible.is_empty() => Err(self.refuse(reason, &text)),
            _ => {
                let missing = if impossible.is_empty() { beyond } else { impossible };
                let offline = missing.iter().any(|scope| scope == OFFLINE);
                let reason = if offline { Reason::OfflineNotPermitted } else { Reason::ScopeNotPermitted };
                let text = format!("add [{}] to scopes of permission {position}", missing.join(", "));
                Err(self.refuse(reason, &text))
            }
        }
    }

    fn reach(&self, permission: &Permission) -> Reach {
        let request = self.request;
        let issuance = self.audience.issuance_of(permission);
        // What is about impersonation is about nothing else.
        let plain = request.impersonate.is_none();
        if !permission.clients.contains(request.client) || plain && permission.impersonation.is_some() {
            Reach::Client
        } else if !permission.issuers.contains(request.issuer) || !takes(issuance, request) {
            Reach::Issuer
        } else if !request.held && !is_of_a_subject_client(permission, issuance, request.claims) {
            Reach::Holder
        } else if request.provenance.is_by_cambio() && !permission.exchanged {
            Reach::Exchanged
        } else if !permission.subject_tokens.contains(&request.subject_token) {
            Reach::SubjectToken
        } else if !permission.requested_tokens.contains(&request.requested_token)
            || request.requested_token == TokenType::RefreshToken && !self.refreshes(issuance)
        {
            Reach::RequestedToken
        } else if permission.expires.is_some_and(|last_day| self.asked.today > last_day) {
            Reach::Expired
        } else if !plain && !self.impersonates(permission, issuance) {
            Reach::Impersonation
        } else {
            self.reach_of_delegation(permission, issuance)
        }
    }

    /// Whether it is about impersonation. The new token is about a user of the realm, made by us and with the roles that
    /// the directory knows: whatever else the subject token gives is somebody else's.
    fn impersonates(&self, permission: &Permission, issuance: Issuance) -> bool {
        let theirs = self.request.provenance.is_of_realm()
            && issuance == Issuance::Mint
            && self.audience.roles.directory;
        permission.impersonation.is_some() && theirs
    }

    /// Whether what is allowed can be asked again. Who is impersonated has no session, and what a token of ours was made from
    /// is not at hand.
    fn refreshes(&self, issuance: Issuance) -> bool {
        let Request { provenance, impersonate, .. } = *self.request;
        let own = provenance.is_of_realm();
        !provenance.is_by_cambio()
            && impersonate.is_none()
            && refreshable(issuance, own, self.audience.roles.directory)
    }

    /// How far it goes with the actor and with those that there were before.
    fn reach_of_delegation(&self, permission: &Permission, issuance: Issuance) -> Reach {
        let Delegated { act, may_act, depth } = self.asked.delegated;
        let Some(rule) = &permission.delegation else {
            return match (self.request.actor, act) {
                (Some(_), _) => Reach::Actor,
                (None, Some(_)) => Reach::Delegated,
                (None, None) => Reach::Covers,
            };
        };
        // The identity provider does not write `act`.
        if act.is_some() && !issuance.signs() {
            return Reach::Delegated;
        }
        match (rule.actor, self.request.actor) {
            (ActorRule::Required, None) => Reach::ActorRequired,
            (ActorRule::Forbidden, Some(_)) => Reach::Actor,
            (_, Some(actor)) if !rule.issuers.contains(actor.issuer) => Reach::Actor,
            (_, Some(actor))
                if !actor.held && !is_of_a_subject_client(permission, issuance, actor.claims) =>
            {
                Reach::Actor
            }
            (_, Some(actor)) if actor.provenance.is_by_cambio() && !permission.exchanged => Reach::Actor,
            (_, Some(_)) if may_act.is_none() && !rule.without_may_act => Reach::Actor,
            _ if *depth > rule.depth => Reach::TooDeep,
            _ => Reach::Covers,
        }
    }

    /// Whether all that the permission asks by expressions holds.
    fn conditions(&self, permission: &Permission, position: usize) -> Result<(), (Reason, String)> {
        let holds = |condition: &Expression, key: &str, reason: Reason| {
            let source = condition.source();
            match condition.holds_in(self.scene()) {
                Ok(true) => Ok(()),
                Ok(false) => {
                    Err((reason, format!("the {key} of permission {position} does not hold: {source}")))
                }
                Err(error) => Err((
                    Reason::ConditionFailed,
                    format!("the {key} of permission {position} can't be evaluated ({error}): {source}"),
                )),
            }
        };
        if let Some(condition) = &permission.condition {
            holds(condition, "condition", Reason::ConditionNotMet)?;
        }
        let actors = permission.delegation.as_ref().filter(|_| self.request.actor.is_some());
        if let Some(condition) = actors.and_then(|rule| rule.condition.as_ref()) {
            holds(condition, "delegation.condition", Reason::ActorNotPermitted)?;
        }
        if let Some(rule) = &permission.impersonation {
            holds(&rule.who, "impersonation.who", Reason::ImpersonationNotPermitted)?;
            holds(&rule.whom, "impersonation.whom", Reason::ImpersonationNotPermitted)?;
        }
        Ok(())
    }

    /// What the permissions' expressions look at.
    fn scene(&self) -> &Scene<'a> {
        self.scene.get_or_init(|| {
            let Request { claims, actor, impersonate, .. } = *self.request;
            self.scene_about(claims)
                .with(Other::Actor, actor.map(|actor| actor.claims))
                .with(Other::Requested, impersonate.map(|requested| requested.claims))
        })
    }

    /// What the expressions look at that say what the new token has: whom it is about.
    fn becoming(&self) -> &Scene<'a> {
        match self.request.impersonate {
            Some(requested) => self.becoming.get_or_init(|| self.scene_about(requested.claims)),
            None => self.scene(),
        }
    }

    fn scene_about(&self, claims: &'a Map<String, Value>) -> Scene<'a> {
        let (audience, scopes) = (self.audience.name.as_str(), self.asked.scopes);
        Variables { claims, client: self.request.client, audience, scopes }.scene()
    }

    /// The role rules as they apply.
    pub(super) fn roles(&self, realm: &str, issuance: Issuance) -> Result<RoleTerms, Refusal> {
        let Request { issuer, provenance, claims, impersonate, .. } = *self.request;
        let own = provenance.is_of_realm();
        let claims = impersonate.map_or(claims, |requested| requested.claims);
        RoleTerms::resolve(self.audience, issuance, Subject { realm, issuer, own, claims }, || {
            self.becoming()
        })
    }

    /// The claims that the file adds.
    pub(super) fn set(&self) -> Result<Map<String, Value>, Refusal> {
        let templates = self.audience.token.set.iter();
        templates
            .map(|(name, template)| match template.value_in(self.becoming()) {
                Ok(value) => Ok((name.clone(), value)),
                Err(error) => {
                    let source = template.source();
                    let text = format!("token.set.{name} can't be evaluated ({error}): {source}");
                    Err(self.refuse(Reason::ClaimTemplateFailed, &text))
                }
            })
            .collect()
    }

    /// A refusal that says in whose file something is missing.
    pub(super) fn refuse(&self, reason: Reason, text: &str) -> Refusal {
        let Audience { name, owner, .. } = self.audience;
        Refusal::new(reason, format!("audiences file of {name} (owner {owner}): {text}"))
    }
}

/// Whether a token of the realm was issued to a client whose tokens the permission takes from others. The identity
/// provider takes no such token.
fn is_of_a_subject_client(permission: &Permission, issuance: Issuance, claims: &Map<String, Value>) -> bool {
    // RFC 9068's profile has client_id.
    let party = ["azp", "client_id"].into_iter().find_map(|name| claims.get(name)?.as_str());
    issuance == Issuance::Mint && party.is_some_and(|party| permission.subject_clients.contains(party))
}

/// Whether a refresh token can come with it. What the identity provider issues alone has none of ours. A token minted for
/// a user of the realm would outlive his session, unless the directory tells whether that goes on.
pub fn refreshable(issuance: Issuance, own: bool, directory: bool) -> bool {
    match issuance {
        Issuance::Forward => false,
        Issuance::Reissue | Issuance::Translate => true,
        Issuance::Mint => !own || directory,
    }
}

/// Whether tokens are exchanged that way. What we minted for a foreign subject only we know.
fn takes(issuance: Issuance, request: &Request<'_>) -> bool {
    let minted = request.provenance == Provenance::CambioForForeign;
    issuance.takes(request.provenance.is_of_realm()) && (!minted || issuance == Issuance::Mint)
}
