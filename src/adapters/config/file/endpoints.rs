//! `realms.*.endpoints` of `cambio.yaml` as written.

use schemars::JsonSchema;
use serde::Deserialize;

/// The paths of a realm's endpoints at an upstream that is not Keycloak, as in the URLs of the realm's discovery document, for
/// instance `/oauth2/token`. Each path is whole, not below `path`. Leave out what the upstream does not have.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoints {
    /// `token_endpoint`.
    #[schemars(extend("format" = "endpoint-path"))]
    pub token: String,
    /// `jwks_uri`.
    #[schemars(extend("format" = "endpoint-path"))]
    pub jwks: String,
    /// `introspection_endpoint` (RFC 7662).
    #[schemars(extend("format" = "endpoint-path"))]
    pub introspection: Option<String>,
    /// `revocation_endpoint` (RFC 7009).
    #[schemars(extend("format" = "endpoint-path"))]
    pub revocation: Option<String>,
    /// `userinfo_endpoint`.
    #[schemars(extend("format" = "endpoint-path"))]
    pub userinfo: Option<String>,
    /// `end_session_endpoint`.
    #[schemars(extend("format" = "endpoint-path"))]
    pub end_session: Option<String>,
}
