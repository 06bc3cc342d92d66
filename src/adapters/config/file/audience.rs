//! An audience file as written.

pub mod permission;
pub mod roles;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::permission::{Issuance, Permission};
use self::roles::RoleRules;
use super::schema::{each, means};
use super::value::{Period, period};
use crate::judgement::policy::model;

/// One audience, and the rules of its owner: a file in the `audiences` folder.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Audience {
    /// The client id of the target application: the value of the `audience` parameter and of the `aud` claim.
    #[schemars(extend("format" = "name"))]
    pub audience: String,
    /// The team that owns this file.
    #[schemars(extend("format" = "team"))]
    pub owner: String,
    /// The realm's name in `cambio.yaml`. Optional if there is only one realm.
    pub realm: Option<String>,
    /// Values of the `resource` parameter (RFC 8693) that stand for this audience: absolute URIs.
    #[serde(default)]
    #[schemars(transform = each("absolute-uri"))]
    pub resources: Vec<String>,
    /// Who may exchange which tokens for this audience. An exchange that no permission allows is refused.
    #[serde(default)]
    pub permissions: Vec<Permission>,
    /// The roles in the new token. Roles that are not named here are removed.
    #[serde(default)]
    pub roles: RoleRules,
    /// Further rules for the new token.
    #[serde(default)]
    pub token: TokenRules,
    /// Who makes the new token, unless a permission has its own `issuance`.
    #[serde(default)]
    pub issuance: Issuance,
    /// The last day (UTC) on which exchanges for this audience are observed: Cambio judges and audits each, counts what it
    /// would have refused, and passes the upstream's own answer on. After that day, this file is enforced. An exchange that
    /// names several audiences is observed if all of them are. Not with `translate` or `mint`. See `docs/observe.md`.
    #[schemars(extend("format" = "date"))]
    pub observe_until: Option<String>,
}

/// Further rules for the new token.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TokenRules {
    /// Longest time from issue to expiry. No setting lifts the upper limit.
    #[schemars(extend("formatMinimum" = "10s", "formatMaximum" = "24h"))]
    pub lifetime: Period,
    /// Whether the new token must expire no later than the subject token. With `translate`, this always holds; with `mint`, it
    /// always holds for other issuers' users and for subject tokens that Cambio signed.
    pub within_subject: bool,
    /// Claims beyond the standard ones that the new token may carry. `["*"]` means every claim of the realm's own tokens
    /// and no claim of another issuer's; not with `forward`, which refuses a token with a claim that is not listed.
    #[schemars(transform = each("name-or-star"))]
    pub claims: Vec<String>,
    /// Claims that Cambio adds to the access tokens that it signs: name → CEL expression over `claims`, `client`,
    /// `audience` and `scopes` that gives a string, boolean or number, or a list or map of them.
    #[schemars(extend("propertyNames" = { "format": "name" }))]
    pub set: BTreeMap<String, String>,
    /// Who may act for the subject of the new token: CEL expression over `claims`, `actor` (the actor token's claims, or no
    /// claims), `client`, `audience` and `scopes` that gives `may_act`, a map with `client_id` or `sub` or both. An empty map
    /// lets nobody exchange the token. Without it, the new token keeps the subject token's `may_act`. Not with `forward`.
    pub may_act: Option<String>,
    /// The form of minted access tokens.
    pub profile: Profile,
    /// The `sub` claim of tokens that are minted for foreign subjects. The realm's own subjects keep their `sub`.
    pub subject: SubjectRule,
    /// How long after the first exchange refresh tokens are valid, however often they are used.
    #[schemars(extend("formatMinimum" = "10s", "formatMaximum" = "720h"))]
    pub refresh_lifetime: Period,
}

impl Default for TokenRules {
    fn default() -> Self {
        Self {
            lifetime: period::<300>(),
            within_subject: true,
            claims: Vec::new(),
            set: BTreeMap::new(),
            may_act: None,
            profile: Profile::default(),
            subject: SubjectRule::default(),
            refresh_lifetime: period::<1800>(),
        }
    }
}

/// The form of minted access tokens.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Profile {
    /// As Keycloak's: with `typ`, `azp`, `sid` and `acr`.
    #[default]
    Keycloak,
    /// RFC 9068: `at+jwt` in the header, and `client_id`.
    Rfc9068,
}

means!(Profile => model::Profile: Keycloak Rfc9068);

/// The `sub` claim of tokens that are minted for foreign subjects.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SubjectRule {
    /// The issuer's name in `cambio.yaml`, `#`, and the subject token's `sub`.
    #[default]
    Qualified,
    /// A UUID (version 5) over the subject token's `iss` and `sub`: always the same for one subject of one issuer, and
    /// different for every other.
    Uuid,
    /// The result of `issuers.*.claimMappings.username`.
    Mapped,
    /// The subject token's `sub`, unchanged. It may be equal to the `sub` of somebody else in the realm.
    Keep,
}

means!(SubjectRule => model::SubjectRule: Qualified Uuid Mapped Keep);
