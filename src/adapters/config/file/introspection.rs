//! `introspection` of a realm and of an issuer as written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{Period, period};

/// An issuer's introspection endpoint (RFC 7662): how its opaque tokens are looked at.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssuerIntrospection {
    /// URL of the endpoint.
    pub url: String,
    /// Cambio's own client at the issuer.
    pub client_id: String,
    /// File with the client's secret: one line.
    pub client_secret_file: String,
    /// How the client authenticates.
    #[serde(default)]
    pub method: SecretMethod,
    /// How long an answer is used again, at most until the token's `exp`, `0s` (every exchange asks) to `5m`. That long a
    /// revoked token is still taken.
    #[serde(default = "period::<30>")]
    pub cache_for: Period,
}

/// Cambio's own client at the upstream, as which it asks whether one of the realm's tokens is still active (RFC 7662).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RealmIntrospection {
    /// A confidential client of the realm. Keycloak says that a token is not active unless this client is in its `aud`:
    /// add an audience mapper for it to the clients whose tokens are exchanged.
    pub client_id: String,
    /// File with the client's secret: one line.
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
