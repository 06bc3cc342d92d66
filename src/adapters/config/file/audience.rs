//! An audience file as written.

pub mod permission;
pub mod roles;
pub mod token;

use schemars::JsonSchema;
use serde::Deserialize;

use self::permission::Permission;
use self::roles::RoleRules;
use self::token::TokenRules;
use super::issuance::Issuance;
use crate::adapters::config::file::schema::each;

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
}
