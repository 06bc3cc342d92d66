//! `introspection` of a realm and of an issuer as written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{Period, period};

/// An issuer's introspection endpoint (RFC 7662), where Cambio asks about opaque tokens.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssuerIntrospection {
    /// URL of the endpoint.
    #[schemars(extend("format" = "http-url-query"))]
    pub url: String,
    /// Id of Cambio's own client at the issuer.
    #[schemars(length(min = 1))]
    pub client_id: String,
    /// File with the client's secret: one line.
    #[schemars(extend("format" = "file"))]
    pub client_secret_file: String,
    /// How the client authenticates.
    #[serde(default)]
    pub method: SecretMethod,
    /// How long Cambio uses an answer again, at most until the token's `exp`. A token that was revoked in the meantime is
    /// still accepted. `0s`: Cambio asks in every exchange.
    #[serde(default = "period::<30>")]
    #[schemars(extend("formatMinimum" = "0s", "formatMaximum" = "5m"))]
    pub cache_for: Period,
}

/// Cambio's own client for the realm's introspection endpoint (RFC 7662), where Cambio asks whether tokens are still
/// active.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RealmIntrospection {
    /// Id of a confidential client of the realm. Keycloak calls a token inactive if this client is not in the token's `aud`:
    /// add an audience mapper for this client to the clients whose tokens are exchanged.
    #[schemars(length(min = 1))]
    pub client_id: String,
    /// File with the client's secret: one line.
    #[schemars(extend("format" = "file"))]
    pub client_secret_file: String,
}

/// How a client sends its secret.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SecretMethod {
    /// In the `Authorization` header (`client_secret_basic`).
    #[default]
    Basic,
    /// In the form (`client_secret_post`).
    Post,
}
