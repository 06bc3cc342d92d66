//! What one permission gives, for the requests that it covers.
//!
//! Permissions add up: what they give together is the union of what each gives. So a comparison of two policies is one of
//! two unions, and how the permissions are cut and ordered is no difference.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use jiff::civil::Date;

use super::request::{Part, PartValue, Told};
use crate::judgement::expression::Expression;
use crate::judgement::policy::decide::refreshable;
use crate::judgement::policy::model::{ActorRule, Audience, Demands, Issuance, Permission};
use crate::judgement::policy::scopes::OFFLINE;
use crate::words::oauth::names::Names;
use crate::words::oauth::urn::TokenType;

/// An audience of one of the two configurations.
#[derive(Clone, Copy)]
pub(super) struct AudienceGround<'a> {
    pub(super) audience: &'a Audience,
    /// The realm's name.
    pub(super) realm: &'a str,
    /// Whether the realm's dialect needs `may_act` in subject tokens.
    pub(super) needs_may_act: bool,
}

/// A permission of an audience.
#[derive(Clone, Copy)]
pub(super) struct Right<'a> {
    pub(super) permission: &'a Permission,
    ground: AudienceGround<'a>,
    issuance: Issuance,
}

/// Something that a permission gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Gift<'a> {
    /// The exchange itself.
    Exchange,
    /// A scope token, whatever the scope of the subject token.
    Scope(ScopeToken<'a>),
    /// A scope token that the subject token has.
    HeldScope(ScopeToken<'a>),
    /// A scope token for requests without scope.
    DefaultScope(&'a str),
    /// A way to make the new token.
    Issuance(Issuance),
    /// The lifetime of the new token.
    Lifetime,
    /// An ID token beside the new token, as the identity provider gives it.
    IdTokenBeside,
}

/// A scope token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum ScopeToken<'a> {
    Name(&'a str),
    /// Every scope token that neither file names.
    Other,
}

/// Under which terms something is given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct GiftTerms<'a> {
    /// Sources of the conditions, all of which must hold.
    pub(super) conditions: BTreeSet<&'a str>,
    /// The last day.
    pub(super) until: Option<Date>,
    pub(super) one_time: bool,
    pub(super) still_active: bool,
    /// For the lifetime: how long. Zero for everything else.
    pub(super) lifetime: SignedDuration,
}

/// What permissions give together, each gift with its weakest terms: no terms of a gift imply others.
pub(super) type Gifts<'a> = BTreeMap<Gift<'a>, Vec<GiftTerms<'a>>>;

impl GiftTerms<'_> {
    /// Whether everything that is given under `other` is given under these terms.
    pub(super) fn cover(&self, other: &Self) -> bool {
        let longer = match (self.until, other.until) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(one), Some(other)) => one >= other,
        };
        let demands = |terms: &Self| Demands { one_time: terms.one_time, still_active: terms.still_active };
        longer
            && self.conditions.is_subset(&other.conditions)
            && demands(self).within(demands(other))
            && self.lifetime >= other.lifetime
    }
}

impl<'a> AudienceGround<'a> {
    pub(super) fn rights(self) -> impl Iterator<Item = Right<'a>> {
        self.audience.permissions.iter().map(move |permission| Right {
            permission,
            ground: self,
            issuance: self.audience.issuance_of(permission),
        })
    }

    /// What must be equal, besides permissions, for equal permissions to give the same.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        let key = |ground: &Self| (ground.needs_may_act, ground.audience.roles.directory);
        key(self) == key(other)
    }
}

impl<'a> Right<'a> {
    /// The names that the permission mentions for this part.
    pub(super) fn mentioned(&self, part: Part) -> impl Iterator<Item = &'a str> {
        let permission = self.permission;
        let names = match part {
            Part::Client => Some(&permission.clients),
            Part::Issuer => Some(&permission.issuers),
            Part::Holder | Part::ActorHolder => Some(&permission.subject_clients),
            Part::Actor => permission.delegation.as_ref().map(|rule| &rule.issuers),
            _ => None,
        };
        // Whether an issuer is the realm itself matters everywhere.
        let realm = matches!(part, Part::Issuer | Part::Actor).then_some(self.ground.realm);
        names.into_iter().flat_map(Names::written).chain(realm)
    }

    /// The scope tokens that the permission names.
    pub(super) fn scopes(&self) -> impl Iterator<Item = &'a str> {
        self.permission.scopes.written()
    }

    /// Whether the permission covers requests with this value, if it covers what is told.
    pub(super) fn covers(&self, part: Part, value: PartValue<'_>, told: Told) -> bool {
        let (permission, mints) = (self.permission, self.issuance == Issuance::Mint);
        let (ordinary, asked) = (value == PartValue::No, value == PartValue::Yes);
        match part {
            Part::Client => listed(&permission.clients, value),
            Part::Impersonation if asked => {
                permission.impersonation.is_some() && mints && self.ground.audience.roles.directory
            }
            Part::Impersonation => permission.impersonation.is_none(),
            Part::Issuer => {
                let own = value == PartValue::Name(self.ground.realm);
                listed(&permission.issuers, value) && self.issuance.takes(own) && (own || !told.impersonation)
            }
            Part::ExchangedToken => ordinary || permission.exchanged && (told.own || mints),
            Part::SubjectToken => of_type(&permission.subject_tokens, value),
            Part::RequestedToken => {
                let refresh = value == PartValue::Token(TokenType::RefreshToken);
                of_type(&permission.requested_tokens, value) && (!refresh || self.can_refresh(told))
            }
            Part::Holder | Part::ActorHolder => ordinary || mints && listed(&permission.subject_clients, value),
            Part::Session => ordinary || permission.impersonation_sessions,
            Part::MayAct => !ordinary || !self.ground.needs_may_act || self.dispenses(),
            Part::Actor => self.covers_actor(value, told),
            Part::ExchangedActor => ordinary || permission.exchanged,
            Part::EarlierActors => self.covers_chain(value, told),
        }
    }

    fn can_refresh(&self, told: Told) -> bool {
        let directory = self.ground.audience.roles.directory;
        !told.exchanged && !told.impersonation && refreshable(self.issuance, told.own, directory)
    }

    /// Whether the permission does without `may_act`.
    fn dispenses(&self) -> bool {
        self.permission.delegation.as_ref().is_some_and(|rule| rule.without_may_act)
    }

    fn covers_actor(&self, value: PartValue<'_>, told: Told) -> bool {
        match (&self.permission.delegation, value) {
            (rule, PartValue::No) => rule.as_ref().is_none_or(|rule| rule.actor != ActorRule::Required),
            (None, _) => false,
            (Some(rule), actor) => {
                rule.takes_actors() && listed(&rule.issuers, actor) && (told.may_act || rule.without_may_act)
            }
        }
    }

    fn covers_chain(&self, value: PartValue<'_>, told: Told) -> bool {
        let PartValue::Count(earlier) = value else { return false };
        let has_act = earlier > 0 || told.actor;
        match &self.permission.delegation {
            None => earlier == 0 || told.session,
            // The identity provider writes `act` of an impersonation session only.
            Some(_) if has_act && !self.issuance.signs() && (!told.session || told.actor) => false,
            Some(rule) => earlier + usize::from(told.actor) <= rule.depth,
        }
    }

    /// What the permission gives to a request that it covers. `scopes`: every scope token that either file names.
    pub(super) fn gifts(&self, told: Told, scopes: &BTreeSet<&'a str>) -> Vec<Gift<'a>> {
        let permission = self.permission;
        let mut gifts = vec![Gift::Exchange, Gift::Lifetime, Gift::Issuance(self.issuance)];
        // What the scope of the subject token is, the realm's own tokens and Cambio's say.
        let has_scope = told.own || told.exchanged;
        let mut give = |token, whatever: bool| {
            gifts.extend((whatever || !has_scope).then_some(Gift::Scope(token)));
            // The scope of an ID token counts for nothing.
            gifts.extend((has_scope && !told.id_token_given).then_some(Gift::HeldScope(token)));
        };
        match &permission.scopes {
            Names::Listed(names) => names.iter().for_each(|name| give(ScopeToken::Name(name), true)),
            Names::Any => {
                let named = scopes.iter().filter(|name| **name != OFFLINE).map(|name| ScopeToken::Name(name));
                named.chain([ScopeToken::Other]).for_each(|token| give(token, false));
            }
        }
        gifts.extend(permission.default_scopes.iter().map(|name| Gift::DefaultScope(name)));
        let beside = !told.id_token_wanted && permission.requested_tokens.contains(&TokenType::IdToken);
        gifts.extend(beside.then_some(Gift::IdTokenBeside));
        gifts
    }

    /// The terms under which the permission gives something.
    pub(super) fn terms(&self, gift: Gift<'_>, told: Told) -> GiftTerms<'a> {
        let permission = self.permission;
        let actor = permission.delegation.as_ref().filter(|_| told.actor);
        let conditions = permission.condition.iter().chain(actor.and_then(|rule| rule.condition.as_ref()));
        let persons = permission.impersonation.iter().flat_map(|rule| [&rule.who, &rule.whom]);
        let lifetime = permission.lifetime.unwrap_or(self.ground.audience.token.lifetime);
        GiftTerms {
            conditions: conditions.chain(persons).map(Expression::source).collect(),
            until: permission.expires,
            one_time: permission.demands.one_time,
            still_active: permission.demands.still_active,
            lifetime: if gift == Gift::Lifetime { lifetime } else { SignedDuration::ZERO },
        }
    }

    /// Whether the permission holds on a day or later.
    pub(super) fn holds_from(&self, today: Date) -> bool {
        self.permission.expires.is_none_or(|last_day| today <= last_day)
    }

    /// Whether some expression of the permission looks at the granted scope.
    pub(super) fn looks_at_scopes(&self) -> bool {
        let Permission { condition, delegation, impersonation, .. } = self.permission;
        let actor = delegation.iter().filter_map(|rule| rule.condition.as_ref());
        let persons = impersonation.iter().flat_map(|rule| [&rule.who, &rule.whom]);
        condition.iter().chain(actor).chain(persons).any(Expression::looks_at_scopes)
    }

    /// Whether the permissions say the same, clients aside.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        let (one, two) = (self.permission, other.permission);
        let lifetime = |right: &Self| right.permission.lifetime.unwrap_or(right.ground.audience.token.lifetime);
        self.issuance == other.issuance
            && lifetime(self) == lifetime(other)
            && (&one.issuers, &one.subject_clients, &one.scopes) == (&two.issuers, &two.subject_clients, &two.scopes)
            && (&one.subject_tokens, &one.requested_tokens, &one.default_scopes)
                == (&two.subject_tokens, &two.requested_tokens, &two.default_scopes)
            && (one.exchanged, one.impersonation_sessions, one.demands, one.expires)
                == (two.exchanged, two.impersonation_sessions, two.demands, two.expires)
            && sources(one) == sources(two)
            && chain(one) == chain(two)
    }
}

/// The expressions of a permission, each in its role.
fn sources(permission: &Permission) -> [Option<&str>; 4] {
    let actor = permission.delegation.as_ref().and_then(|rule| rule.condition.as_ref());
    let (who, whom) = permission.impersonation.as_ref().map(|rule| (&rule.who, &rule.whom)).unzip();
    [permission.condition.as_ref(), actor, who, whom].map(|one| one.map(Expression::source))
}

/// What a permission says about actors, the condition aside.
fn chain(permission: &Permission) -> Option<(ActorRule, &Names, bool, usize)> {
    permission.delegation.as_ref().map(|rule| (rule.actor, &rule.issuers, rule.without_may_act, rule.depth))
}

fn listed(names: &Names, value: PartValue<'_>) -> bool {
    match value {
        PartValue::Name(name) => names.contains(name),
        PartValue::Other => *names == Names::Any,
        _ => false,
    }
}

fn of_type(types: &BTreeSet<TokenType>, value: PartValue<'_>) -> bool {
    matches!(value, PartValue::Token(kind) if types.contains(&kind))
}
