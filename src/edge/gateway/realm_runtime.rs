//! A realm at run time: its configuration, its keys and what its policy accepts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use jiff::Timestamp;

use super::key_cache::{KeyCache, KeyCaches, KeySourceSettings};
use super::metadata::cache::Published;
use super::setup_error::StartError;
use crate::adapters::config::{Dpop, NonceSource, Realm, ServerAccess};
use crate::adapters::introspection::IntrospectionClient;
use crate::adapters::jwks::{JwksCache, Source};
use crate::adapters::limits::{LimitTables, RealmLimits};
use crate::adapters::metrics::{FetchCounts, RealmMetrics, Scrape};
use crate::adapters::net::url::PublicAddress;
use crate::adapters::upstream::directory::DirectoryClient;
use crate::adapters::upstream::origins::PublicOrigins;
use crate::judgement::client::registry::{ClientKeys, Method};
use crate::judgement::exchange::accepts::Accepts;
use crate::judgement::exchange::doors::GovernedDoor;
use crate::judgement::issue::ring::KeyRing;
use crate::judgement::jose::checks::TokenChecks;
use crate::judgement::jose::keys::KeySet;
use crate::judgement::permit::Circumstances;
use crate::judgement::policy::model::{Issuance, Policy};
use crate::judgement::token::dpop::nonce::{MIN_KEY_BYTES, NonceKey};
use crate::judgement::token::{AudienceRule, SubjectChecks};

/// A realm with its keys.
pub struct RealmRuntime {
    /// Its configuration.
    pub config: Realm,
    /// The origins under which callers reach it.
    pub origins: PublicOrigins,
    /// The keys that the identity provider signs with.
    pub jwks: JwksCache,
    /// Whether the answer to a login waited for keys that did not come in time, and none came since.
    pub(super) keys_are_late: AtomicBool,
    /// The keys that Cambio signs with.
    pub signing: Option<KeyRing>,
    /// Whether the identity provider last published the `kid` of the key that Cambio signs with.
    pub(super) collides: AtomicBool,
    /// How tokens that Cambio signed are checked; `None` if Cambio signs none.
    own_checks: Option<TokenChecks>,
    /// What callers may request according to its policy.
    pub accepts: Accepts,
    /// Flat claims that hold roles according to some audience's file.
    pub role_claims: BTreeSet<String>,
    /// Introspection of its tokens at the identity provider.
    pub introspection: Option<IntrospectionClient>,
    /// Its users and their roles at the identity provider.
    pub directory: Option<DirectoryClient>,
    /// Its published documents.
    pub published: Published,
    /// Keys of its clients, by their URL.
    client_keys: BTreeMap<String, Arc<KeyCache>>,
    /// How often callers may come, and guess.
    pub limits: RealmLimits,
    /// What is counted of it, and of its audiences.
    pub metrics: Arc<RealmMetrics>,
    /// The key of its `DPoP` nonces, if it demands nonces.
    pub nonces: Option<NonceKey>,
}

/// What a realm has in common with the realm of this name in other generations.
pub(super) struct RealmState<'a> {
    /// The keys that the identity provider signs with.
    pub(super) keys: &'a KeyCache,
    pub(super) limits: &'a Arc<LimitTables>,
    pub(super) metrics: RealmMetrics,
}

/// The checks and keys for tokens that Cambio signed.
pub struct CambioKeys<'r> {
    /// How such a token is checked.
    pub checks: SubjectChecks<'r>,
    /// The public halves of Cambio's keys.
    pub keys: &'r Arc<KeySet>,
}

impl RealmRuntime {
    /// A realm of a new generation, which keeps what has an unchanged source in `previous`.
    ///
    /// # Errors
    /// A key source, TLS or a nonce key can't be set up.
    pub(super) fn new(
        realm: &Realm,
        policy: &Policy,
        state: RealmState<'_>,
        caches: KeyCaches<'_>,
        previous: Option<&Self>,
    ) -> Result<Self, StartError> {
        let RealmState { keys, limits, metrics } = state;
        let directory = realm.directory.as_ref().map(|config| {
            PublicAddress::of(&realm.issuer)
                .map(|public| DirectoryClient::new(config, &realm.path, public, caches.clock.clone()))
                .map(|directory| directory.with_accounts(realm.dialect.rules().account))
        });
        Ok(Self {
            config: realm.clone(),
            origins: PublicOrigins::new(&realm.issuer, &realm.public_origins)?,
            jwks: keys.jwks.clone(),
            signing: realm.signing.clone(),
            collides: AtomicBool::new(false),
            keys_are_late: AtomicBool::new(false),
            own_checks: realm.signing.as_ref().map(|ring| TokenChecks {
                algorithms: ring.all().filter_map(|key| key.algorithm.parse().ok()).collect(),
                ..realm.tokens.clone()
            }),
            accepts: accepts(realm, policy),
            role_claims: role_claims(realm, policy),
            introspection: IntrospectionClient::realm(realm)
                .map_err(|error| StartError::tls("introspection", error))?,
            directory: directory.transpose()?,
            published: Published::default(),
            client_keys: client_keys(realm, caches, metrics.client_key_fetches(), previous)?,
            metrics: Arc::new(metrics),
            limits: RealmLimits::new(
                &realm.name,
                realm.rate_limits,
                realm.client_lockout,
                limits,
                previous.map(|old| &old.limits),
            ),
            nonces: nonce_key(&realm.dpop, previous.and_then(|old| old.nonces.as_ref()))?,
        })
    }

    /// The keys of a client, by their URL.
    pub fn client_keys(&self, url: &str) -> Option<&JwksCache> {
        self.client_keys.get(url).map(|keys| &keys.jwks)
    }

    /// Adds the series of the realm.
    pub fn write_metrics(&self, scrape: &mut Scrape) {
        self.metrics.write(scrape);
        if !self.client_keys.is_empty() {
            scrape.jwks_refreshes(&client_keys_name(&self.config.name), self.metrics.client_key_fetches());
        }
    }

    /// The checks and keys for a token that Cambio signed with the key `kid`. `None` if the identity provider
    /// publishes this `kid`, too, or the key's time is over.
    pub fn cambio_keys(&self, kid: Option<&str>, now: Timestamp) -> Option<CambioKeys<'_>> {
        let (ring, checks) = (self.signing.as_ref()?, self.own_checks.as_ref()?);
        kid.filter(|kid| ring.holds(kid, now)).filter(|kid| self.is_cambios(kid))?;
        let Realm { name, issuer, .. } = &self.config;
        let audience = AudienceRule::ClientOr(&self.accepts.subject_clients);
        let checks = SubjectChecks { issuer_name: name, issuer, checks, audience };
        Some(CambioKeys { checks, keys: ring.key_set() })
    }

    /// Whether a `kid` is only Cambio's. A `kid` that the identity provider publishes, too, counts as the identity
    /// provider's.
    pub fn is_cambios(&self, kid: &str) -> bool {
        self.signing.as_ref().is_some_and(|ring| ring.owns(kid))
            && !self.jwks.held().is_some_and(|upstream| upstream.publishes(kid))
    }

    /// The circumstances of its decisions.
    pub fn circumstances(&self) -> Circumstances<'_> {
        let rules = self.config.dialect.rules();
        Circumstances {
            realm: &self.config.name,
            realm_issuer: &self.config.issuer,
            carried: rules.carried,
            defaults: rules.defaults,
            customs: rules.tokens,
            drop_offline: rules.drops_offline,
            refreshes: rules.refreshes,
            pairwise: self.config.pairwise_subjects,
            ..Circumstances::default()
        }
    }
}

/// The caches of clients' keys.
fn client_keys(
    realm: &Realm,
    caches: KeyCaches<'_>,
    fetches: &Arc<FetchCounts>,
    previous: Option<&RealmRuntime>,
) -> Result<BTreeMap<String, Arc<KeyCache>>, StartError> {
    let urls = realm.clients.registered.values().flatten().filter_map(|method| match method {
        Method::PrivateKeyJwt { keys: ClientKeys::Url(url), .. } => Some(url),
        _ => None,
    });
    let name = client_keys_name(&realm.name);
    let mut found = BTreeMap::new();
    for url in urls.collect::<BTreeSet<_>>() {
        let source = Source::client(url)?;
        let access = ServerAccess { proxies: caches.proxies.clone(), ..ServerAccess::default() };
        let settings = KeySourceSettings { source, limits: realm.jwks, access };
        let previous = previous.and_then(|old| old.client_keys.get(url));
        found.insert(url.clone(), caches.open_counted(&name, settings, fetches, previous)?);
    }
    Ok(found)
}

/// The keys of a realm's clients in log and metrics: one name for all clients, to keep the number of series low.
fn client_keys_name(realm: &str) -> String {
    format!("{realm}.clients")
}

/// What callers may request according to the audience files of a realm.
fn accepts(realm: &Realm, policy: &Policy) -> Accepts {
    let mut accepts = Accepts {
        dialect: realm.dialect,
        unknown_parameters: realm.forward_unknown_parameters,
        impersonation: realm.doors.requested_subject == GovernedDoor::Judged,
        workloads: Arc::clone(&realm.clients.workloads),
        ..Accepts::default()
    };
    let audiences = policy.realms.get(&realm.name).into_iter().flat_map(|audiences| audiences.values());
    for (audience, permission) in
        audiences.flat_map(|audience| audience.permissions.iter().map(move |one| (audience, one)))
    {
        if matches!(audience.issuance_of(permission), Issuance::Translate | Issuance::Mint) {
            accepts.foreign = true;
            accepts.subject_tokens.extend(&permission.subject_tokens);
        }
        accepts.requested_tokens.extend(&permission.requested_tokens);
        accepts.subject_clients.extend(&permission.subject_clients);
        accepts.actors |= permission.delegation.as_ref().is_some_and(|rule| rule.takes_actors());
    }
    accepts
}

/// Flat claims of roles in tokens that Cambio signs for a realm. Elsewhere a claim with such a name may be the identity
/// provider's, for instance `groups`.
fn role_claims(realm: &Realm, policy: &Policy) -> BTreeSet<String> {
    let audiences = policy.realms.get(&realm.name).into_iter().flat_map(|audiences| audiences.values());
    audiences.filter_map(|audience| audience.roles.output.claim.clone()).collect()
}

/// The key of a realm's nonces: from its file, else the previous key, else a new one. `None` if the realm demands no
/// nonce.
fn nonce_key(config: &Dpop, previous: Option<&NonceKey>) -> Result<Option<NonceKey>, StartError> {
    let secret = match &config.nonce {
        None => return Ok(None),
        Some(NonceSource::Random) => {
            if let Some(key) = previous {
                return Ok(Some(key.clone()));
            }
            let mut secret = vec![0; MIN_KEY_BYTES];
            aws_lc_rs::rand::fill(&mut secret)
                .map_err(|_| StartError::Nonce("no random numbers for a key of DPoP nonces".to_owned()))?;
            secret
        }
        Some(NonceSource::File(path)) => {
            std::fs::read(path).map_err(|error| StartError::File { path: path.clone(), error })?
        }
    };
    let secret = zeroize::Zeroizing::new(secret);
    let key = NonceKey::new(&secret);
    key.map(Some).ok_or_else(|| StartError::Nonce("a nonceKeyFile holds fewer than 32 bytes".to_owned()))
}
