//! `keys.yaml` in a realm's folder of signing keys, as written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The manifest of a folder of signing keys. `cambio keys` writes it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// The keys: exactly one is active, at most one is next.
    pub keys: Vec<ManifestKey>,
}

/// A signing key.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ManifestKey {
    /// Its id: the RFC 7638 thumbprint of its public half, with SHA-256 and in base64url.
    pub kid: String,
    /// Where it stands in its life.
    pub state: KeyState,
    /// Since when it is in this state (RFC 3339): published, signing, or retired.
    pub since: String,
    /// Name of the PEM file with the private key, in the same folder; a retired key has none.
    pub file: Option<String>,
    /// The public half, of a retired key only.
    pub jwk: Option<Jwk>,
}

/// Where a key stands in its life.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyState {
    /// Published in the realm's key set, not yet used.
    Next,
    /// Signs.
    Active,
    /// Signs no more; published until its last token has expired.
    Retired,
}

/// A public key (RFC 7517). Members of a private key are unknown here.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Jwk {
    /// `RSA`, `EC` or `OKP`.
    pub kty: String,
    /// The curve of an `EC` or `OKP` key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// A coordinate of an `EC` key, or an `OKP` key's whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// The other coordinate of an `EC` key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// The modulus of an `RSA` key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// The exponent of an `RSA` key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
    /// The algorithm of its signatures.
    pub alg: String,
    /// `sig`
    #[serde(rename = "use")]
    pub usage: String,
    /// The key's id once more.
    pub kid: String,
}
