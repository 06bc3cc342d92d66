//! What audience files say, checked: permissions, role rules, token rules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, civil::Date};

use super::broken::BrokenFiles;
use crate::judgement::expression::Expression;
use crate::words::oauth::names::Names;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};

/// The longest life of a token that Cambio lets out; not configurable. A signing key stays published so long after its last
/// signature.
pub const MAX_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// How long after an exchange refresh tokens for a foreign subject are good at most; not configurable. A refresh can't ask a
/// foreign issuer what is true of its user now.
pub const MAX_FOREIGN_REFRESH: SignedDuration = SignedDuration::from_hours(1);

/// The audience files that are in force, by realm and audience.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// realm name → audience name → rules
    pub realms: BTreeMap<String, BTreeMap<String, Arc<Audience>>>,
    /// foreign issuer's name → CEL that gives the local name of its subjects (`claimMappings.username`)
    pub usernames: BTreeMap<String, Expression>,
    /// Audience files whose contents are not in force: refusals name them.
    pub broken: BrokenFiles,
    /// SHA-256 over the versions of the audience files that are in force, in hexadecimal: names this policy in audit and
    /// metrics.
    pub hash: String,
}

impl Policy {
    /// Whether some audience of a realm lets a client impersonate anybody.
    pub fn lets_impersonate(&self, realm: &str, client: &str) -> bool {
        let audiences = self.realms.get(realm).into_iter().flat_map(BTreeMap::values);
        let mut permissions = audiences.flat_map(|audience| &audience.permissions);
        permissions.any(|one| one.impersonation.is_some() && one.clients.contains(client))
    }
}

/// One audience and what its owner says about it.
#[derive(Clone, Debug)]
pub struct Audience {
    /// The client id of the target application, as the `audience` parameter and the `aud` claim have it.
    pub name: String,
    /// The team that owns the file.
    pub owner: String,
    /// `resource` values that mean this audience (RFC 8693 section 2.1).
    pub resources: BTreeSet<String>,
    /// Who may exchange what for this audience. What no permission allows is denied.
    pub permissions: Vec<Permission>,
    /// Which roles the new token has.
    pub roles: RoleRules,
    /// Lifetime and further claims of the new token.
    pub token: TokenRules,
    /// The issuance of permissions that do not state one.
    pub issuance: Issuance,
}

impl Audience {
    /// The issuance of what `permission` allows.
    pub fn issuance_of(&self, permission: &Permission) -> Issuance {
        permission.issuance.unwrap_or(self.issuance)
    }

    /// A refusal that names the audience's file and its owner.
    pub fn refuse(&self, reason: Reason, text: &str) -> Refusal {
        let Self { name, owner, .. } = self;
        Refusal::new(reason, format!("audiences file of {name} (owner {owner}): {text}"))
    }

    /// Every issuance of this file, in the order of what they can do.
    pub fn issuances(&self) -> BTreeSet<Issuance> {
        if self.permissions.is_empty() {
            return BTreeSet::from([self.issuance]);
        }
        self.permissions.iter().map(|permission| self.issuance_of(permission)).collect()
    }
}

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
    pub delegation: Option<Delegation>,
    /// Whether the subject token may be of a session in which somebody impersonates the user.
    pub impersonation_sessions: bool,
    /// Who may impersonate whom. With it, the permission is about nothing else; without it, about no impersonation.
    pub impersonation: Option<Impersonation>,
    /// Longest time between issue and expiry; `None`: as [`TokenRules::lifetime`] says.
    pub lifetime: Option<SignedDuration>,
    /// The last day (UTC) on which the permission holds.
    pub expires: Option<Date>,
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

/// Which roles a token for an audience has: nothing that is not named here.
#[derive(Clone, Debug, Default)]
pub struct RoleRules {
    /// Keep the audience's own client roles.
    pub own: bool,
    /// Realm roles that may stay.
    pub realm: BTreeSet<String>,
    /// Further roles of the audience, made from others. This and the following apply to tokens that Cambio signs.
    pub map: Vec<RoleMapping>,
    /// Roles of the audience that every token has.
    pub fixed: BTreeSet<String>,
    /// Roles of the audience that a token has that has none else.
    pub default: BTreeSet<String>,
    /// Which claims name the roles.
    pub output: RoleOutput,
    /// Whether mint takes the roles of the realm's own users from the identity provider's admin API and not from the
    /// subject token.
    pub directory: bool,
}

/// Which claims of a token that Cambio signs name its roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleOutput {
    /// `realm_access` and `resource_access`.
    pub keycloak: bool,
    /// A list of names in a claim of this name.
    pub claim: Option<String>,
}

impl Default for RoleOutput {
    fn default() -> Self {
        Self { keycloak: true, claim: None }
    }
}

/// One line of `roles.map`.
#[derive(Clone, Debug)]
pub struct RoleMapping {
    /// Where the role comes from.
    pub from: RoleSource,
    /// The client role of the audience that is given.
    pub to: String,
    /// Names of the issuers about whose tokens this line is; `None`: the audience's own realm.
    pub issuers: Option<Names>,
}

impl RoleMapping {
    /// Whether this line is about tokens of `issuer`, where `realm` is the audience's own.
    pub fn is_about(&self, issuer: &str, realm: &str) -> bool {
        match &self.issuers {
            None => issuer == realm,
            Some(names) => names.contains(issuer),
        }
    }
}

/// Where a mapped role comes from.
#[derive(Clone, Debug)]
pub enum RoleSource {
    /// The audience's own client role of this name, which is renamed.
    Own(String),
    /// The realm role of this name.
    Realm(String),
    /// A client role of any client.
    Client {
        /// The client's id.
        client: String,
        /// The role's name.
        role: String,
    },
    /// The group of this name or path in the claim `groups`, letter for letter.
    Group(String),
    /// The scope token in the subject token's `scope`.
    Scope(String),
    /// Whenever this CEL expression over the subject token's claims is true.
    When(Expression),
}

/// What a token for an audience may be besides its roles.
#[derive(Clone, Debug)]
pub struct TokenRules {
    /// Longest time between issue and expiry.
    pub lifetime: SignedDuration,
    /// Whether the new token must expire no later than the subject token.
    pub within_subject: bool,
    /// Claims beyond the standard claims that a token that Cambio signs may have.
    pub claims: Names,
    /// Claims that Cambio adds: name → CEL that gives the value.
    pub set: BTreeMap<String, Expression>,
    /// CEL that gives the `may_act` of the new token; `None`: the subject token's.
    pub may_act: Option<Expression>,
    /// The form of minted access tokens.
    pub profile: Profile,
    /// The `sub` of tokens that are minted for foreign subjects.
    pub subject: SubjectRule,
    /// How long after the first exchange its refresh tokens are good.
    pub refresh_lifetime: SignedDuration,
}

impl Default for TokenRules {
    fn default() -> Self {
        Self {
            lifetime: SignedDuration::from_mins(5),
            within_subject: true,
            claims: Names::Listed(BTreeSet::new()),
            set: BTreeMap::new(),
            may_act: None,
            profile: Profile::default(),
            subject: SubjectRule::default(),
            refresh_lifetime: SignedDuration::from_mins(30),
        }
    }
}

/// The form of a minted access token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Keycloak's.
    #[default]
    Keycloak,
    /// RFC 9068 (`at+jwt`).
    Rfc9068,
}

/// The `sub` of a token that is minted for a foreign subject. The realm's own subjects keep theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubjectRule {
    /// The issuer's name in the configuration, `#`, and the subject token's `sub`: nobody else has it.
    #[default]
    Qualified,
    /// A UUID over the subject token's `iss` and `sub`.
    Uuid,
    /// What the issuer's `claimMappings.username` gives.
    Mapped,
    /// The subject token's `sub` as it is.
    Keep,
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

    /// Whether Cambio signs the token that is handed out.
    pub fn signs(self) -> bool {
        self != Self::Forward
    }
}
