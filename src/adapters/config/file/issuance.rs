//! `issuance` of an audience file and of a permission as written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who makes the new token.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Issuance {
    /// The upstream performs the exchange. Cambio checks the answer, reduces the token to what this file allows, and signs
    /// it with the realm's signing key.
    #[default]
    Reissue,
    /// The upstream performs the exchange. Cambio checks the answer, and refuses it if the token contains more than this
    /// file allows.
    Forward,
    /// Cambio first turns the foreign token into one of the realm's, with the JWT bearer grant (RFC 7523) at the upstream,
    /// and continues as with `reissue`.
    Translate,
    /// Cambio issues the token without the upstream and signs it with the realm's signing key. Whoever holds that key is
    /// the identity provider for this audience.
    Mint,
}
