//! `realms.*.dpop` as written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::some;
use super::value::{Period, period};

/// A realm's requirements for `DPoP` proofs (RFC 9449).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dpop {
    /// The signature algorithms that Cambio accepts, and no others. The names are those of the realm's `algorithms`.
    #[serde(default = "algorithms")]
    #[schemars(transform = some("algorithm", "no proof would ever be accepted"))]
    pub algorithms: Vec<String>,
    /// Greatest age of a proof. Cambio remembers the `jti` of each proof that long, in the `store`. How far `iat` may lie
    /// in the future is the realm's `leeway`.
    #[serde(default = "period::<60>")]
    #[schemars(extend("formatMinimum" = "5s", "formatMaximum" = "600s"))]
    pub window: Period,
    /// Whether a proof must carry a nonce from Cambio that is no older than `window`.
    #[serde(default)]
    pub nonce: Nonce,
    /// File with at least 32 secret bytes. With it, replicas accept each other's nonces. Without it, each process makes a
    /// key when it starts, and a caller that reaches another replica has to send a new proof.
    #[schemars(extend("format" = "file"))]
    pub nonce_key_file: Option<String>,
}

impl Default for Dpop {
    fn default() -> Self {
        Self { algorithms: algorithms(), window: period::<60>(), nonce: Nonce::default(), nonce_key_file: None }
    }
}

/// Whether Cambio demands a nonce.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Nonce {
    /// Cambio demands no nonce.
    #[default]
    Off,
    /// Cambio answers a proof without a fresh nonce with the error `use_dpop_nonce` and a nonce.
    Required,
}

fn algorithms() -> Vec<String> {
    ["ES256", "ES384", "EdDSA", "PS256", "RS256"].map(str::to_owned).into()
}
