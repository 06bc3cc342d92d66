//! An audience file as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{Period, period};

/// One audience and what its owner says about it: a file in the `audiences` folder.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Audience {
    /// The client id of the target application, as the `audience` parameter and the `aud` claim have it.
    pub audience: String,
    /// The team that owns this file.
    pub owner: String,
    /// The realm's name in `cambio.yaml`. May be left out when there is one realm only.
    pub realm: Option<String>,
    /// `resource` values (RFC 8693, absolute URIs) that mean this audience.
    #[serde(default)]
    pub resources: Vec<String>,
    /// Who may exchange what for this audience. Nothing is allowed that none of them allows.
    #[serde(default)]
    pub permissions: Vec<Permission>,
    /// Which roles the new token has: nothing that is not named here.
    #[serde(default)]
    pub roles: RoleRules,
    /// What the new token may be besides its roles.
    #[serde(default)]
    pub token: TokenRules,
    /// How the answer is made, where a permission does not say so itself.
    #[serde(default)]
    pub issuance: Issuance,
}

/// The statement of an audience's owner that certain clients may exchange certain tokens for it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Permission {
    /// Client ids that may ask, or `["*"]` for every client.
    pub clients: Vec<String>,
    /// Names of the subject token's issuers, out of the realm's `subjectIssuers`. `forward` and `reissue` exchange the
    /// realm's own tokens only, `translate` foreign ones only, `mint` both: another name is an error, and `["*"]` means
    /// no more. Without it, the audience's realm; `translate` needs it.
    pub issuers: Option<Vec<String>>,
    /// How the answer is made to what this permission allows; without it, as the audience's `issuance` says. Where
    /// several permissions apply, the one is used that can do most: `mint`, `translate`, `reissue`, `forward`.
    pub issuance: Option<Issuance>,
    /// Accepted types of subject tokens. `forward` and `reissue` take access tokens only.
    #[serde(default = "access_token")]
    pub subject_tokens: Vec<SubjectTokenType>,
    /// Clients of the realm whose tokens the caller may come with although it is neither in their `aud` nor their `azp`, or
    /// `["*"]`. Without it, none; with `mint` only, as the upstream refuses such tokens.
    pub subject_clients: Option<Vec<String>>,
    /// Whether subject and actor tokens may be ones that Cambio signed in an earlier exchange; with `mint` only. Scope, roles
    /// and further claims in them are what the owner of that audience's file had written, and conditions and roles here see
    /// them as the realm's word.
    #[serde(default)]
    pub exchanged_tokens: bool,
    /// Whether a subject token can be exchanged once only, by its `jti`. A permission without it that covers the request
    /// too lifts this.
    #[serde(default)]
    pub one_time: bool,
    /// Whether the subject token's issuer is asked if it is still active. A permission without it that covers the
    /// request too lifts this.
    #[serde(default)]
    pub still_active: bool,
    /// Types of tokens that may be requested. `refresh_token`: an access token with a refresh token of Cambio's; not
    /// with `forward`, and with `mint` for the realm's own tokens only where `roles.source` is `directory`.
    #[serde(default = "access_token_requested")]
    pub requested_tokens: Vec<RequestedTokenType>,
    /// Scopes that may be asked for and granted, whether the subject token has them or not. `["*"]` widens nothing: it means
    /// those that the subject token has, where that is one of the realm's (an ID token has none), and never
    /// `offline_access`, which has to be named. Without it, none.
    pub scopes: Option<Vec<String>>,
    /// A CEL expression over `claims`, `client`, `audience` and `scopes` that must be true.
    pub condition: Option<String>,
    /// Who may act for the subject (RFC 8693 sections 1.1, 4.1 and 4.4); not with `forward`. Without it, no actor token,
    /// and no subject token that has `act`. Whatever stands here, a subject token's `may_act` must authorise the exchange.
    pub delegation: Option<Delegation>,
    /// Who may become whom: with it, the permission is about requests that have `requested_subject`, and about no others;
    /// without it, about none that have it. Needs `issuance: mint` and, under `roles`, `source: directory`; the realm's
    /// own subject tokens only.
    pub impersonation: Option<Impersonation>,
    /// Longest time between issue and expiry, `10s` to `24h`, in the place of `token.lifetime`. Where several permissions
    /// apply, the longest.
    pub lifetime: Option<Period>,
    /// The last day (UTC) on which the permission holds, for instance `2027-06-30`.
    pub expires: Option<String>,
}

/// Who may act for the subject.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Delegation {
    /// Whether an actor token must come.
    #[serde(default)]
    pub actor: ActorRule,
    /// Names of the issuers whose tokens may be actor tokens, out of the realm's `subjectIssuers`, or `["*"]` for all of
    /// them. Without it, the audience's realm.
    pub issuers: Option<Vec<String>>,
    /// A CEL expression over `actor` (the actor token's claims) and what a permission's `condition` has, that must be true
    /// where there is an actor token.
    pub condition: Option<String>,
    /// Whether an actor may act for a subject whose token has no `may_act`: then `condition`, which it needs, says who.
    #[serde(default)]
    pub without_may_act: bool,
    /// The longest chain of actors in the new token, 1 to 8.
    #[serde(default = "four")]
    pub depth: u64,
}

fn four() -> u64 {
    4
}

/// Whether an actor token comes with a request.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ActorRule {
    /// It must.
    Required,
    /// It may.
    #[default]
    Optional,
    /// It must not: the subject token's earlier actors go on, and none joins them.
    Forbidden,
}

/// Who may become whom.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Impersonation {
    /// A CEL expression over `claims` (the subject token's), `client`, `audience` and `scopes` that must be true.
    pub who: String,
    /// A CEL expression over `requested` (what the directory knows of the user: `sub`, `preferred_username`, `email`…) and the same
    /// besides, that must be true.
    pub whom: String,
}

fn access_token() -> Vec<SubjectTokenType> {
    vec![SubjectTokenType::AccessToken]
}

fn access_token_requested() -> Vec<RequestedTokenType> {
    vec![RequestedTokenType::AccessToken]
}

/// A type of subject tokens (RFC 8693 section 3).
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectTokenType {
    /// An OAuth 2.0 access token.
    AccessToken,
    /// An OpenID Connect ID token.
    IdToken,
    /// A JWT of any profile.
    Jwt,
    /// An identity assertion authorization grant (`oauth-id-jag+jwt`).
    IdJag,
}

/// A type of tokens that can be requested (RFC 8693 section 3).
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestedTokenType {
    /// An OAuth 2.0 access token.
    AccessToken,
    /// An OpenID Connect ID token.
    IdToken,
    /// An OAuth 2.0 refresh token, with an access token.
    RefreshToken,
    /// An access token, called a JWT.
    Jwt,
}

/// Which roles the new token has.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleRules {
    /// Keep the audience's own client roles.
    #[serde(default = "yes")]
    pub own: bool,
    /// Realm roles that may stay, by name.
    #[serde(default)]
    pub realm: Vec<String>,
    /// Further client roles of the audience, made from others. This and what follows needs an issuance that signs: any
    /// but `forward`.
    #[serde(default)]
    pub map: Vec<RoleMapping>,
    /// Client roles of the audience that every token has.
    #[serde(default, rename = "static")]
    pub fixed: Vec<String>,
    /// Client roles of the audience for a token to which nothing else gave one.
    #[serde(default)]
    pub default: Vec<String>,
    /// Where `mint` sees the roles of the realm's own users.
    #[serde(default)]
    pub source: RoleOrigin,
    /// Which claims name the roles.
    #[serde(default)]
    pub output: RoleClaims,
    /// The flat claim's name, where `output` has one: `roles` if left out.
    pub claim: Option<String>,
}

/// Where `mint` sees the roles of the realm's own users.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum RoleOrigin {
    /// In the subject token's `realm_access` and `resource_access`.
    #[default]
    TokenRules,
    /// In the upstream's admin API (`realms.*.directory`): roles that were taken away are gone at once.
    Directory,
}

/// Which claims name the roles.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum RoleClaims {
    /// `realm_access.roles` and `resource_access.AUDIENCE.roles`, as Keycloak writes them.
    #[default]
    Keycloak,
    /// A list of names in one claim: the realm roles that may stay and the audience's roles. For one audience only.
    Claim,
    /// Both.
    Both,
}

impl Default for RoleRules {
    fn default() -> Self {
        Self {
            own: true,
            realm: Vec::new(),
            map: Vec::new(),
            fixed: Vec::new(),
            default: Vec::new(),
            source: RoleOrigin::default(),
            output: RoleClaims::default(),
            claim: None,
        }
    }
}

fn yes() -> bool {
    true
}

/// A client role of the audience that is made from another role or from claims: exactly one of `from` and `when`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleMapping {
    /// One of the audience's own client roles, which is renamed; or `realm:ROLE`, `client:ID/ROLE`, `group:PATH` (a value
    /// of the claim `groups`, letter for letter, with its slashes) or `scope:TOKEN` (of the subject token).
    pub from: Option<String>,
    /// A CEL expression over the subject token's `claims`: whenever it is true, the role is given.
    pub when: Option<String>,
    /// The client role of the audience that is given.
    pub to: String,
    /// Names of the issuers about whose tokens the line is. Without it, the audience's realm: a foreign token gives no
    /// role unless a line names its issuer.
    pub issuers: Option<Vec<String>>,
}

/// What the new token may be besides its roles.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenRules {
    /// Longest time between issue and expiry, `10s` to `24h`; the upper limit can't be configured away.
    #[serde(default = "period::<300>")]
    pub lifetime: Period,
    /// Whether the new token must expire no later than the subject token. One that is minted, or made by `translate`,
    /// always does.
    #[serde(default)]
    pub within_subject: bool,
    /// Claims beyond the standard ones that a token that Cambio signs may carry, or `["*"]`; not with `forward`.
    #[serde(default)]
    pub claims: Vec<String>,
    /// Claims that Cambio adds to access tokens that it signs: name and CEL expression over `claims`, `client`,
    /// `audience` and `scopes`, whose answer is a string, boolean, number, or a list or map of them.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// The form of minted access tokens.
    #[serde(default)]
    pub profile: Profile,
    /// The `sub` of tokens that are minted for foreign subjects; the realm's own keep theirs.
    #[serde(default)]
    pub subject: SubjectRule,
    /// How long after the first exchange refresh tokens are good, however often they are used; at most `720h`.
    #[serde(default = "period::<1800>")]
    pub refresh_lifetime: Period,
}

/// The form of minted access tokens.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Profile {
    /// Keycloak's: `typ`, `azp`, `sid`, `acr`.
    #[default]
    Keycloak,
    /// RFC 9068: `at+jwt` in the header, `client_id`.
    Rfc9068,
}

/// The `sub` of tokens that are minted for foreign subjects.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SubjectRule {
    /// The issuer's name in `cambio.yaml`, `#`, and the subject token's `sub`.
    #[default]
    Qualified,
    /// What `issuers.*.claimMappings.username` gives.
    Mapped,
    /// The subject token's `sub` as it is: it could be that of somebody else in the realm.
    Keep,
}

impl Default for TokenRules {
    fn default() -> Self {
        Self {
            lifetime: period::<300>(),
            within_subject: false,
            claims: Vec::new(),
            set: BTreeMap::new(),
            profile: Profile::default(),
            subject: SubjectRule::default(),
            refresh_lifetime: period::<1800>(),
        }
    }
}

/// How the answer is made.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Issuance {
    /// The upstream exchanges; its answer is checked, narrowed to what this file says and signed with the realm's
    /// `signingKey`.
    #[default]
    Reissue,
    /// The upstream exchanges; its answer is checked and passed on, or refused if it says more than this file.
    Forward,
    /// A foreign token becomes the RFC 7523 grant that the upstream supports, and what that gives is exchanged, narrowed
    /// and signed as by `reissue`.
    Translate,
    /// Cambio issues by itself, signed with the realm's `signingKey`: the upstream is not asked, and whoever holds that
    /// key is the identity provider for this audience.
    Mint,
}
