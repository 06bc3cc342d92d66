//! What audience files say, checked: permissions, role rules, token rules.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Deref;
use std::sync::Arc;

use jiff::SignedDuration;

use super::broken::BrokenFiles;
use super::observed_until::ObservedUntil;
pub use super::permission::{ActorRule, Delegation, Demands, Impersonation, Issuance, Permission};
use super::permissions::Permissions;
use crate::judgement::expression::Expression;
use crate::words::oauth::names::Names;
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
    /// realm name → its audiences
    pub realms: BTreeMap<String, RealmPolicy>,
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
        self.realms.get(realm).is_some_and(|audiences| audiences.lets_impersonate(client))
    }
}

/// The audiences of a realm, by their names.
#[derive(Clone, Debug, Default)]
pub struct RealmPolicy {
    by_name: BTreeMap<String, Arc<Audience>>,
    /// resource → the audiences that list the resource, in the order of their names
    by_resource: HashMap<String, Vec<Arc<Audience>>>,
    /// The clients that some permission lets impersonate.
    impersonators: Names,
}

impl RealmPolicy {
    /// Adds an audience whose name no other has.
    pub fn insert(&mut self, audience: Arc<Audience>) {
        for resource in &audience.resources {
            let meant = self.by_resource.entry(resource.clone()).or_default();
            let place = meant.partition_point(|other| other.name < audience.name);
            meant.insert(place, Arc::clone(&audience));
        }
        for permission in audience.permissions.iter().filter(|one| one.impersonation.is_some()) {
            self.impersonators.extend(&permission.clients);
        }
        self.by_name.insert(audience.name.clone(), audience);
    }

    /// The audiences that a resource means, in the order of their names.
    pub fn of_resource(&self, resource: &str) -> &[Arc<Audience>] {
        self.by_resource.get(resource).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether some audience lets a client impersonate anybody.
    pub fn lets_impersonate(&self, client: &str) -> bool {
        self.impersonators.contains(client)
    }
}

impl Deref for RealmPolicy {
    type Target = BTreeMap<String, Arc<Audience>>;

    fn deref(&self) -> &Self::Target {
        &self.by_name
    }
}

impl FromIterator<Audience> for RealmPolicy {
    fn from_iter<I: IntoIterator<Item = Audience>>(audiences: I) -> Self {
        let mut new = Self::default();
        audiences.into_iter().for_each(|audience| new.insert(Arc::new(audience)));
        new
    }
}

impl<'p> IntoIterator for &'p RealmPolicy {
    type Item = (&'p String, &'p Arc<Audience>);
    type IntoIter = std::collections::btree_map::Iter<'p, String, Arc<Audience>>;

    fn into_iter(self) -> Self::IntoIter {
        self.by_name.iter()
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
    pub permissions: Permissions,
    /// Which roles the new token has.
    pub roles: RoleRules,
    /// Lifetime and further claims of the new token.
    pub token: TokenRules,
    /// The issuance of permissions that do not state one.
    pub issuance: Issuance,
    /// How long exchanges for the audience are observed; `None` if they are enforced.
    pub observed_until: Option<ObservedUntil>,
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
            claims: Names::default(),
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

#[cfg(test)]
mod tests;
