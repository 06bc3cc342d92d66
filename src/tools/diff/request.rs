//! The requests that permissions tell apart: what a permission looks at, part by part, each with finitely many values.
//!
//! A part whose values are names has one more value, which stands for every name that no permission mentions. So the
//! values of all parts together stand for every request, claims and scope aside.

use std::collections::BTreeSet;

use crate::judgement::policy::delegation::MAX_DEPTH;
use crate::words::oauth::urn::TokenType;

/// A part of a request, in the order in which requests are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// Who asks.
    Client,
    /// Whether the client wants to become another user.
    Impersonation,
    /// Whose the subject token is.
    Issuer,
    /// Whether Cambio signed the subject token for another audience.
    ExchangedToken,
    SubjectToken,
    RequestedToken,
    /// Whether the realm issued the subject token to or for the client, or to which other client.
    Holder,
    /// Whether somebody impersonates the user in the session of the subject token.
    Session,
    /// Whether the subject token says who may act.
    MayAct,
    /// Whether an actor token comes, and whose it is.
    Actor,
    ExchangedActor,
    ActorHolder,
    /// How many actors the subject token names.
    EarlierActors,
}

impl Part {
    pub(super) const ALL: [Self; 13] = [
        Self::Client,
        Self::Impersonation,
        Self::Issuer,
        Self::ExchangedToken,
        Self::SubjectToken,
        Self::RequestedToken,
        Self::Holder,
        Self::Session,
        Self::MayAct,
        Self::Actor,
        Self::ExchangedActor,
        Self::ActorHolder,
        Self::EarlierActors,
    ];

    /// The values besides names, where `told` is known of the request.
    pub(super) fn values<'a>(self, told: Told) -> Vec<PartValue<'a>> {
        let either = |second: bool| if second { vec![PartValue::No, PartValue::Yes] } else { vec![PartValue::No] };
        match self {
            Self::Client | Self::Issuer => Vec::new(),
            Self::Impersonation | Self::ExchangedToken => either(true),
            Self::SubjectToken | Self::RequestedToken => TokenType::ALL.into_iter().map(PartValue::Token).collect(),
            Self::Holder | Self::Actor | Self::ActorHolder => either(false),
            Self::Session => either(told.own && !told.exchanged),
            // A dialect that needs `may_act` does not need it in an assertion.
            Self::MayAct => vec![PartValue::No, PartValue::Asserted, PartValue::Yes],
            Self::ExchangedActor => either(told.actor),
            Self::EarlierActors if told.session => vec![PartValue::Count(1)],
            Self::EarlierActors => (0..=MAX_DEPTH - usize::from(told.actor)).map(PartValue::Count).collect(),
        }
    }

    /// Whether names are values, where `told` is known of the request.
    pub(super) fn has_names(self, told: Told) -> bool {
        match self {
            Self::Client | Self::Issuer | Self::Actor => true,
            Self::Holder => told.own,
            Self::ActorHolder => told.actor && told.own_actor,
            _ => false,
        }
    }
}

/// A value of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum PartValue<'a> {
    /// The ordinary value: no impersonation, a token of the client's own, no actor…
    No,
    Yes,
    /// An assertion, which need not say who may act.
    Asserted,
    Token(TokenType),
    Count(usize),
    Name(&'a str),
    /// Every name that no permission mentions.
    Other,
}

/// What is known of a request from the parts that were looked at, as far as it matters for further parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each with a name")]
pub(super) struct Told {
    pub(super) impersonation: bool,
    /// The subject is one of the realm.
    pub(super) own: bool,
    pub(super) exchanged: bool,
    pub(super) id_token_given: bool,
    pub(super) id_token_wanted: bool,
    pub(super) session: bool,
    pub(super) may_act: bool,
    pub(super) actor: bool,
    pub(super) own_actor: bool,
}

impl Told {
    /// What is known with this value, too.
    pub(super) fn with(self, part: Part, value: PartValue<'_>, realm: &str) -> Self {
        let (yes, own) = (value == PartValue::Yes, value == PartValue::Name(realm));
        match part {
            Part::Client | Part::Holder | Part::ExchangedActor | Part::ActorHolder | Part::EarlierActors => self,
            Part::Impersonation => Self { impersonation: yes, ..self },
            Part::Issuer => Self { own, ..self },
            Part::ExchangedToken => Self { exchanged: yes, ..self },
            Part::SubjectToken => Self { id_token_given: value == PartValue::Token(TokenType::IdToken), ..self },
            Part::RequestedToken => Self { id_token_wanted: value == PartValue::Token(TokenType::IdToken), ..self },
            Part::Session => Self { session: yes, ..self },
            Part::MayAct => Self { may_act: yes, ..self },
            Part::Actor => Self { actor: value != PartValue::No, own_actor: own, ..self },
        }
    }
}

/// Some values of a part.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Class<'a> {
    /// The values besides names.
    pub(super) plain: BTreeSet<PartValue<'a>>,
    pub(super) names: NameClass<'a>,
}

impl<'a> Class<'a> {
    /// The class of these values, where `mentioned` are all names that permissions mention.
    pub(super) fn of(values: &[PartValue<'a>], mentioned: &BTreeSet<&'a str>) -> Self {
        let (mut plain, mut names, mut others) = (BTreeSet::new(), BTreeSet::new(), false);
        for value in values {
            match value {
                PartValue::Name(name) => drop(names.insert(*name)),
                PartValue::Other => others = true,
                value => drop(plain.insert(*value)),
            }
        }
        let names = if others { NameClass::Except(mentioned - &names) } else { NameClass::Only(names) };
        Self { plain, names }
    }

    pub(super) fn contains(&self, value: PartValue<'_>) -> bool {
        match (value, &self.names) {
            (PartValue::Name(name), NameClass::Only(names)) => names.contains(name),
            (PartValue::Name(name), NameClass::Except(names)) => !names.contains(name),
            (PartValue::Other, names) => matches!(names, NameClass::Except(_)),
            (value, _) => self.plain.iter().any(|one| *one == value),
        }
    }

    /// The values of either class.
    pub(super) fn union(&self, other: &Self) -> Self {
        let names = match (&self.names, &other.names) {
            (NameClass::Only(one), NameClass::Only(other)) => NameClass::Only(one | other),
            (NameClass::Except(one), NameClass::Except(other)) => NameClass::Except(one & other),
            (NameClass::Only(names), NameClass::Except(without))
            | (NameClass::Except(without), NameClass::Only(names)) => NameClass::Except(without - names),
        };
        Self { plain: &self.plain | &other.plain, names }
    }

    /// Whether the class is the ordinary value alone.
    pub(super) fn is_ordinary(&self) -> bool {
        let ordinary = [PartValue::No, PartValue::Count(0)];
        self.names.is_empty() && self.plain.len() == 1 && self.plain.iter().all(|value| ordinary.contains(value))
    }
}

/// Finitely many names, or all but finitely many.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum NameClass<'a> {
    Only(BTreeSet<&'a str>),
    Except(BTreeSet<&'a str>),
}

impl Default for NameClass<'_> {
    fn default() -> Self {
        Self::Only(BTreeSet::new())
    }
}

impl NameClass<'_> {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Only(names) if names.is_empty())
    }

    /// Whether several names are in it.
    pub(super) fn is_several(&self) -> bool {
        matches!(self, Self::Only(names) if names.len() > 1)
    }
}
