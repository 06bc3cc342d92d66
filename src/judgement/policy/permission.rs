//! One permission of an audience's owner, checked.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::judgement::expression::Expression;
use crate::words::clock::end_of_day;
use crate::words::oauth::names::Names;
use crate::words::oauth::urn::TokenType;

/// The statement of an audience's owner that certain clients may exchange certain tokens for it.
#[derive(Clone, Debug)]
pub struct Permission {
    /// Client ids.
    pub clients: Names,
    /// Names of subject issuers, as `cambio.yaml` calls them.
    pub issuers: Names,
    /// Accepted `subject_token_type`s.
    pub subject_tokens: BTreeSet<TokenType>,
    /// Clients whose tokens of the realm the caller may exchange as subject and actor tokens, though these tokens were issued
    /// neither to nor for the caller.
    pub subject_clients: Names,
    /// Whether subject and actor tokens may be tokens that Cambio signed for another audience.
    pub exchanged: bool,
    /// Accepted `requested_token_type`s.
    pub requested_tokens: BTreeSet<TokenType>,
    /// Scope tokens that clients may request.
    pub scopes: Names,
    /// Scope tokens, all of them permitted, for requests without `scope`.
    pub default_scopes: BTreeSet<String>,
    /// How the answer is made; `None`: as the audience says.
    pub issuance: Option<Issuance>,
    /// What else the subject token must meet.
    pub demands: Demands,
    /// A CEL expression that must be true.
    pub condition: Option<Expression>,
    /// Who may act for the subject; `None`: nobody, neither a new actor nor an earlier one.
    pub delegation: Option<Box<Delegation>>,
    /// Whether the subject token may be of a session in which somebody impersonates the user.
    pub impersonation_sessions: bool,
    /// Who may impersonate whom. With it, the permission is about nothing else; without it, about no impersonation.
    pub impersonation: Option<Box<Impersonation>>,
    /// Longest time between issue and expiry; `None`: as the audience's file says under `token`.
    pub lifetime: Option<SignedDuration>,
    /// The last day (UTC) on which the permission holds.
    pub expires: Option<Date>,
}

impl Permission {
    /// The end of the last day.
    pub fn ends(&self) -> Option<Timestamp> {
        end_of_day(self.expires?)
    }
}

/// Who may act for the subject of an exchange.
#[derive(Clone, Debug)]
pub struct Delegation {
    /// Whether an actor token must come, or must not.
    pub actor: ActorRule,
    /// Names of the issuers whose tokens may be actor tokens.
    pub issuers: Names,
    /// A CEL expression over the actor's claims, too, that must be true where there is an actor token.
    pub condition: Option<Expression>,
    /// Whether an actor may act for a subject whose token has no `may_act`.
    pub without_may_act: bool,
    /// The longest chain of actors in the new token.
    pub depth: usize,
}

impl Delegation {
    /// Whether a new actor may come.
    pub fn takes_actors(&self) -> bool {
        self.actor != ActorRule::Forbidden
    }
}

/// Whether an actor token comes with a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ActorRule {
    /// An actor token is required.
    Required,
    /// An actor token is optional.
    #[default]
    Optional,
    /// No actor token may come: earlier actors go on, and none joins them.
    Forbidden,
}

/// Who may impersonate whom.
#[derive(Clone, Debug)]
pub struct Impersonation {
    /// A CEL expression over the subject token's claims that must be true.
    pub who: Expression,
    /// A CEL expression over the claims of the requested subject, too, that must be true.
    pub whom: Expression,
}

/// What a permission demands of a subject token that its signature does not show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Demands {
    /// The token was not exchanged before (an exchange uses its `jti` up).
    pub one_time: bool,
    /// The token's issuer answers that the token is still active.
    pub still_active: bool,
}

impl Demands {
    /// From the fewest demands to the most. Earlier entries are preferred.
    pub const ALL: [Self; 4] = [
        Self { one_time: false, still_active: false },
        Self { one_time: false, still_active: true },
        Self { one_time: true, still_active: false },
        Self { one_time: true, still_active: true },
    ];

    /// Whether a token that meets `other` also meets these demands.
    pub fn within(self, other: Self) -> bool {
        (other.one_time || !self.one_time) && (other.still_active || !self.still_active)
    }
}

/// How the answer to an exchange is made, in the order of what it can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Issuance {
    /// The identity provider exchanges; its answer is checked and passed on.
    Forward,
    /// The identity provider exchanges; Cambio checks its answer, narrows it and signs it again.
    Reissue,
    /// A foreign token becomes an assertion for the identity provider (RFC 7523), the token that the assertion gives is
    /// exchanged, and Cambio checks the answer, narrows it and signs it again.
    Translate,
    /// Cambio issues, without the identity provider.
    Mint,
}

impl Issuance {
    /// The name in configuration and audit.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Reissue => "reissue",
            Self::Translate => "translate",
            Self::Mint => "mint",
        }
    }

    /// Whether the issuance exchanges the realm's own tokens (`own`), or foreign tokens. The identity provider
    /// exchanges its own tokens only (RFC 8693), and its grant takes foreign tokens only (RFC 7523).
    pub fn takes(self, own: bool) -> bool {
        match self {
            Self::Forward | Self::Reissue => own,
            Self::Translate => !own,
            Self::Mint => true,
        }
    }

    /// Whether the identity provider alone has no such tokens: Cambio makes them, or the assertion that they are made from.
    pub fn needs_cambio(self) -> bool {
        matches!(self, Self::Mint | Self::Translate)
    }

    /// Whether Cambio signs the token that is handed out.
    pub fn signs(self) -> bool {
        self != Self::Forward
    }
}
