//! `keys.yaml` in a folder of signing keys as written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::means;
use crate::judgement::issue::ring;

/// The list of the keys in a folder of signing keys. `cambio keys` writes it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// The keys: exactly one is `active`, at most one is `next`.
    pub keys: Vec<ManifestKey>,
}

/// A signing key.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ManifestKey {
    /// The key's id: the RFC 7638 thumbprint of the public key, with SHA-256 and in base64url.
    pub kid: String,
    /// What the key is used for.
    pub state: KeyState,
    /// When the key came into this state (RFC 3339).
    #[schemars(extend("format" = "date-time"))]
    pub since: String,
    /// Name of the PEM file with the private key, in the same folder. A retired key has none.
    pub file: Option<String>,
    /// The public key. Only a retired key has one here.
    pub jwk: Option<Jwk>,
}

/// What a key is used for.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyState {
    /// Published in the realm's key set, and not used yet.
    Next,
    /// Signs tokens.
    Active,
    /// Signs no more tokens; published until its last token has expired.
    Retired,
}

means!(KeyState => ring::KeyState: Next Active Retired);

/// A public key (RFC 7517). Members of private keys are refused.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Jwk {
    /// `RSA`, `EC` or `OKP`.
    pub kty: String,
    /// The curve of an `EC` or `OKP` key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// The x coordinate of an `EC` key, or the public key of an `OKP` key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// The y coordinate of an `EC` key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// The modulus of an `RSA` key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// The exponent of an `RSA` key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
    /// The signature algorithm.
    pub alg: String,
    /// Always `sig`.
    #[serde(rename = "use")]
    pub usage: String,
    /// The key's id, equal to `kid` above.
    pub kid: String,
}
