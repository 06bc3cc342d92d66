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

/// A Redis or Valkey: one primary behind one name, a primary that Sentinel names, or a cluster.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Redis {
    /// `redis://HOST:PORT/DATABASE`; with Sentinel `redis+sentinel://HOST:PORT,HOST:PORT/MASTER/DATABASE`, where `MASTER`
    /// is the name under which the Sentinels watch the primary; for a cluster `redis+cluster://HOST:PORT,HOST:PORT`. With
    /// `rediss` in the place of `redis`, all connections have TLS. Port 6379 (26379 of a Sentinel) and database 0 may be
    /// left out; credentials stand elsewhere.
    pub url: String,
    /// Name of the ACL user; without it, `default`.
    pub username: Option<String>,
    /// File with the password. It is read for each connection, so a new one needs no restart.
    pub password_file: Option<String>,
    /// File with the password of the Sentinels, if they have one of their own. It is read for each connection.
    pub sentinel_password_file: Option<String>,
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
