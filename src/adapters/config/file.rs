//! The files as written: names, nesting and defaults.
//!
//! The JSON Schema, `docs/configuration.md` and the check of keys, types and scalars are made from these types. Operators
//! read the text on each field.

pub mod audience;
pub mod client;
pub mod endpoints;
pub mod issuer;
pub mod keys;
pub mod limits;
pub mod platform;
pub mod realm;
mod schema;
pub mod value;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use self::issuer::TrustedIssuer;
use self::platform::{Admin, Audit, Listen, Log, Runtime, Store, Upstream};
use self::realm::Realm;

/// The platform team's file, `cambio.yaml`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// The identity provider behind Cambio.
    pub upstream: Upstream,
    /// The listener for callers, and its limits.
    pub listen: Listen,
    /// The listener for operators: health, metrics and the loaded configuration. It has no authentication.
    #[serde(default)]
    pub admin: Admin,
    /// The realms that Cambio governs, by name. The name appears in metrics and audit lines: letters, digits, `.`, `_` and
    /// `-`.
    #[schemars(extend(
        "minProperties" = 1,
        "x-empty" = "nothing would be governed",
        "propertyNames" = { "format": "label" }
    ))]
    pub realms: BTreeMap<String, Realm>,
    /// The last day (UTC) on which realms that are not under `realms` are observed: Cambio audits their exchanges and other
    /// closed grants, and passes the upstream's own answer on. After that day, Cambio refuses them. See `docs/observe.md`.
    #[schemars(extend("format" = "date"))]
    pub observe_until: Option<String>,
    /// Foreign issuers, by name, with the field names of Kubernetes' structured `AuthenticationConfiguration`. A name
    /// can't be both a realm's and an issuer's.
    #[serde(default)]
    #[schemars(extend("propertyNames" = { "format": "label" }))]
    pub issuers: BTreeMap<String, TrustedIssuer>,
    /// Folder of the audience files. Every `*.yaml` and `*.yml` in it, or in a folder in it, is one audience; Cambio skips
    /// names that begin with a dot.
    #[serde(default = "audiences")]
    pub audiences: String,
    /// Where Cambio remembers used and revoked tokens. Without it, in the memory of the process; several replicas need a
    /// shared store.
    #[serde(default)]
    pub store: Store,
    /// Where audit lines go.
    #[serde(default)]
    pub audit: Audit,
    /// How log lines look.
    #[serde(default)]
    pub log: Log,
    /// Threads and memory of the process.
    #[serde(default)]
    pub runtime: Runtime,
}

fn audiences() -> String {
    "./audiences".to_owned()
}
