//! The checked settings: what `cambio.yaml` and the audience files mean.

pub mod dpop;
pub mod introspection;
pub mod issuer;
pub mod listen;
pub mod realm;
pub mod upstream;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use self::issuer::TrustedIssuer;
use self::listen::Listen;
use self::realm::Realm;
use self::upstream::Upstream;
use super::problem::Problem;
use super::store::Store;
use crate::judgement::policy::model::Policy;

/// The checked configuration as a whole.
#[derive(Clone, Debug)]
pub struct Config {
    /// The identity provider behind Cambio.
    pub upstream: Upstream,
    /// The listener for callers.
    pub listen: Listen,
    /// The address of the listener for health, metrics and the loaded configuration.
    pub admin: SocketAddr,
    /// The realms that Cambio governs, by name.
    pub realms: BTreeMap<String, Realm>,
    /// Foreign issuers, by name. No name is both a realm and an issuer.
    pub issuers: BTreeMap<String, TrustedIssuer>,
    /// The rules of the audiences' owners.
    pub policy: Policy,
    /// Where Cambio remembers used and revoked tokens.
    pub store: Store,
    /// Where audit lines go.
    pub audit: AuditOutput,
    /// How log lines look.
    pub log: Log,
    /// Worker threads.
    pub threads: usize,
    /// SHA-256 over `cambio.yaml` as read, in hexadecimal.
    pub hash: String,
    /// Every file that was read; Cambio watches them.
    pub sources: Sources,
    /// What operators should look at: wildcards, open grants, plain http.
    pub warnings: Vec<Problem>,
}

/// The files that a configuration was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// File → SHA-256 of its bytes in hexadecimal; `None` if it could not be read. Keys, certificates and CA bundles are
    /// among the files.
    pub files: BTreeMap<PathBuf, Option<String>>,
    /// The folder of the audience files, if it is known.
    pub audiences: Option<PathBuf>,
}

/// Where audit lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditOutput {
    /// Standard output.
    Stdout,
    /// Appended to this file.
    File(PathBuf),
}

/// How log lines look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// One JSON object per line instead of text.
    pub json: bool,
    /// A `tracing` filter, for instance `info` or `cambio=debug`.
    pub level: String,
}
