//! One generation of the configuration at run time. A reload makes a new generation and keeps the key caches.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Uri;
use http::request::Parts;

use super::issuers::Issuers;
use super::key_cache::{KeyCaches, KeySourceSettings};
use super::realm_runtime::{RealmRuntime, RealmState};
use super::setup_error::StartError;
use crate::adapters::config::settings::audience_files::AudienceVersion;
use crate::adapters::config::{Config, Realm};
use crate::adapters::jwks::Source;
use crate::adapters::limits::LimitTables;
use crate::adapters::metrics::RealmMetrics;
use crate::adapters::net::via::Via;
use crate::adapters::tls::peers::Peers;
use crate::judgement::route::RouteTable;
use crate::words::clock::Clock;

/// One generation.
pub struct Generation {
    /// The configuration that the generation was made from.
    pub config: Config,
    /// Paths to realms.
    pub table: RouteTable,
    /// In the order of `config.realms`, as the table's indices are.
    pub realms: Vec<RealmRuntime>,
    /// Every issuer, the realms included.
    pub issuers: Issuers,
    /// The state of all limits, which every generation shares.
    pub limits: Arc<LimitTables>,
    /// The trust in certificates of `listen.clientCertificateHeader`.
    pub header_peers: Peers,
}

impl Generation {
    /// Builds a generation, and keeps the key caches of `previous` whose source is unchanged. `via` signs fetches from the
    /// identity provider.
    ///
    /// # Errors
    /// A key source can't be set up.
    pub fn new(config: Config, previous: Option<&Self>, clock: &Clock, via: &Arc<Via>) -> Result<Self, StartError> {
        let caches = KeyCaches { clock, via, proxies: &config.proxies };
        let limits = previous.map_or_else(|| Arc::new(LimitTables::new(clock)), |old| Arc::clone(&old.limits));
        let mut issuers = Issuers::default();
        let mut audiences: BTreeMap<&str, Vec<&AudienceVersion>> = BTreeMap::new();
        for version in config.audience_files.in_force.values() {
            audiences.entry(version.names.realm.as_deref().unwrap_or_default()).or_default().push(version);
        }
        let mut realms = Vec::with_capacity(config.realms.len());
        for realm in config.realms.values() {
            let settings = KeySourceSettings {
                source: Source::realm(&config.upstream, realm)?,
                limits: realm.jwks,
                access: config.upstream.access(),
            };
            let old = previous.and_then(|previous| previous.issuers.key_cache(&realm.name));
            let keys = caches.open(&realm.name, settings, old)?;
            let old = previous.and_then(|previous| previous.realm(&realm.name));
            let audiences = audiences.get(realm.name.as_str()).map(Vec::as_slice).unwrap_or_default();
            let metrics = RealmMetrics::new(realm, audiences, old.map(|old| &*old.metrics))?;
            let state = RealmState { keys: &keys, limits: &limits, metrics };
            realms.push(RealmRuntime::new(realm, &config.policy, state, caches, old)?);
            issuers.add_realm(realm, keys);
        }
        for issuer in config.issuers.values() {
            issuers.add_foreign(issuer, caches, previous.map(|previous| &previous.issuers))?;
        }
        let table = RouteTable::new(config.realms.values().map(Realm::place));
        let ca = config.listen.certificate_header.as_ref().and_then(|header| header.ca.as_deref());
        let header_peers = Peers::load(ca)?;
        Ok(Self { config, table, realms, issuers, limits, header_peers })
    }

    /// Replaces the path of a request with the identity provider's, if the dialect has another.
    pub fn to_upstream(&self, head: &mut Parts) {
        let Some(path) = self.table.upstream_path(head.uri.path()) else { return };
        let target = head.uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
        let mut parts = std::mem::take(&mut head.uri).into_parts();
        // Paths of the configuration have no escapes, and the query was valid before.
        parts.path_and_query = target.parse().ok();
        head.uri = Uri::from_parts(parts).unwrap_or_default();
    }

    /// The realm with this name.
    pub fn realm(&self, name: &str) -> Option<&RealmRuntime> {
        self.realms.iter().find(|realm| realm.config.name == name)
    }
}

impl std::fmt::Debug for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Generation({})", self.config.hash)
    }
}
