//! `token` of an audience file as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::adapters::config::file::schema::each;
use crate::adapters::config::file::value::{Period, period};

/// Further rules for the new token.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenRules {
    /// Longest time from issue to expiry. No setting lifts the upper limit.
    #[serde(default = "period::<300>")]
    #[schemars(extend("formatMinimum" = "10s", "formatMaximum" = "24h"))]
    pub lifetime: Period,
    /// Whether the new token must expire no later than the subject token. With `mint` and `translate`, this always holds.
    #[serde(default)]
    pub within_subject: bool,
    /// Claims beyond the standard ones that a token signed by Cambio may carry, or `["*"]` for every claim; not with
    /// `forward`.
    #[serde(default)]
    #[schemars(transform = each("name-or-star"))]
    pub claims: Vec<String>,
    /// Claims that Cambio adds to the access tokens that it signs: name → CEL expression over `claims`, `client`,
    /// `audience` and `scopes` that gives a string, boolean or number, or a list or map of them.
    #[serde(default)]
    #[schemars(extend("propertyNames" = { "format": "name" }))]
    pub set: BTreeMap<String, String>,
    /// The form of minted access tokens.
    #[serde(default)]
    pub profile: Profile,
    /// The `sub` claim of tokens that are minted for foreign subjects. The realm's own subjects keep their `sub`.
    #[serde(default)]
    pub subject: SubjectRule,
    /// How long after the first exchange refresh tokens are valid, however often they are used.
    #[serde(default = "period::<1800>")]
    #[schemars(extend("formatMinimum" = "10s", "formatMaximum" = "720h"))]
    pub refresh_lifetime: Period,
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

/// The `sub` claim of tokens that are minted for foreign subjects.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SubjectRule {
    /// The issuer's name in `cambio.yaml`, `#`, and the subject token's `sub`.
    #[default]
    Qualified,
    /// The result of `issuers.*.claimMappings.username`.
    Mapped,
    /// The subject token's `sub`, unchanged. It may be equal to the `sub` of somebody else in the realm.
    Keep,
}
