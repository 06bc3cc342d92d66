//! `store` as written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::value::{Period, millis};

/// Where used and revoked tokens are remembered.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Store {
    /// A Redis (7.0 or later) or Valkey that replicas share.
    pub redis: Option<Redis>,
}

/// A Redis or Valkey: one server or its primary behind one name, neither a cluster nor Sentinel.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Redis {
    /// `redis://HOST:PORT/DATABASE`, or `rediss://` with TLS. Port 6379 and database 0 may be left out; credentials
    /// stand elsewhere.
    pub url: String,
    /// Name of the ACL user; without it, `default`.
    pub username: Option<String>,
    /// File with the password. It is read for each connection, so a new one needs no restart.
    pub password_file: Option<String>,
    /// PEM file with the CA certificates that are trusted for `rediss`, instead of the system's.
    pub ca: Option<String>,
    /// What every key begins with: at most 64 letters, digits, `.`, `_`, `-` and `:`.
    #[serde(default = "prefix")]
    pub prefix: String,
    /// Time limit for one operation, connecting included.
    #[serde(default = "millis::<500>")]
    #[schemars(extend("formatMinimum" = "1ms", "formatMaximum" = "10s"))]
    pub timeout: Period,
}

fn prefix() -> String {
    "cambio:".to_owned()
}
