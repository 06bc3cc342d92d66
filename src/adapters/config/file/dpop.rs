//! `realms.*.dpop` as written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{Period, period};

/// What a realm asks of `DPoP` proofs (RFC 9449).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dpop {
    /// The only signature algorithms that are accepted; the names are those of the realm's `algorithms`.
    #[serde(default = "algorithms")]
    pub algorithms: Vec<String>,
    /// How old a proof may be, `5s` to `10m`; the realm's `leeway` is how far its `iat` may lie ahead. For so long its
    /// `jti` is remembered in the `store`.
    #[serde(default = "period::<60>")]
    pub window: Period,
    /// Whether a proof must carry a nonce that Cambio gave out, at most `window` ago.
    #[serde(default)]
    pub nonce: Nonce,
    /// File with at least 32 secret bytes by which replicas know each other's nonces. Without it each process makes its
    /// own key at its start, and a caller that meets another replica is asked once more.
    pub nonce_key_file: Option<String>,
}

impl Default for Dpop {
    fn default() -> Self {
        Self {
            algorithms: algorithms(),
            window: period::<60>(),
            nonce: Nonce::default(),
            nonce_key_file: None,
        }
    }
}

/// Whether a nonce is demanded.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Nonce {
    /// None is demanded.
    #[default]
    Off,
    /// A proof without a fresh one is answered with one (`use_dpop_nonce`).
    Required,
}

fn algorithms() -> Vec<String> {
    ["ES256", "ES384", "EdDSA", "PS256", "RS256"].map(str::to_owned).into()
}
