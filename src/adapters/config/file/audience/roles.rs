//! `roles` of an audience file as written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::adapters::config::file::schema::{each, names_of};

/// The roles in the new token.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RoleRules {
    /// Whether the audience's own client roles stay.
    pub own: bool,
    /// Names of the realm roles that may stay.
    #[schemars(transform = each("name"))]
    pub realm: Vec<String>,
    /// Client roles of the audience that are made from other roles or from claims. `map`, `static`, `default` and `output`
    /// need an issuance that signs: any but `forward`.
    pub map: Vec<RoleMapping>,
    /// Client roles of the audience that every token gets.
    #[serde(rename = "static")]
    #[schemars(transform = each("name"))]
    pub fixed: Vec<String>,
    /// Client roles of the audience for tokens that would have none otherwise.
    #[schemars(transform = each("name"))]
    pub default: Vec<String>,
    /// Where `mint` finds the roles of the realm's own users.
    pub source: RoleOrigin,
    /// The claims that name the roles.
    pub output: RoleClaims,
    /// The name of the claim for `output: claim` and `both`. Without it, `roles`.
    #[schemars(extend("format" = "name"))]
    pub claim: Option<String>,
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

/// Where `mint` finds the roles of the realm's own users.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum RoleOrigin {
    /// In the subject token's `realm_access` and `resource_access`.
    #[default]
    Token,
    /// In the upstream's admin API (`realms.*.directory`), which knows at once when a role was removed.
    Directory,
}

/// The claims that name the roles.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum RoleClaims {
    /// `realm_access.roles` and `resource_access.AUDIENCE.roles`, as in Keycloak's tokens.
    #[default]
    Keycloak,
    /// One claim with a list of names: the realm roles that may stay and the audience's roles. Only for tokens with one
    /// audience.
    Claim,
    /// Both.
    Both,
}

/// A client role of the audience that is made from another role or from claims: exactly one of `from` and `when`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleMapping {
    /// The role that becomes `to`: one of the audience's own client roles, `realm:ROLE`, `client:ID/ROLE`, `group:PATH` (a
    /// value of the subject token's `groups` claim, letter for letter, with its slashes) or `scope:TOKEN` (a scope of the
    /// subject token).
    #[schemars(extend("format" = "role-source"))]
    pub from: Option<String>,
    /// CEL expression over the subject token's `claims`. If it is true, the token gets the role.
    pub when: Option<String>,
    /// The client role of the audience that the token gets.
    #[schemars(extend("format" = "name"))]
    pub to: String,
    /// Names of the subject token's issuers to which the mapping applies, or `["*"]` for all. Without it, the audience's
    /// realm: a token of a foreign issuer gives no role unless a mapping names the issuer.
    #[schemars(transform = names_of("every issuer"))]
    pub issuers: Option<Vec<String>>,
}
