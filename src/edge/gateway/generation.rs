//! What one generation of the configuration needs at run time; a reload makes a new one and keeps the key caches.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use http::Uri;
use http::request::Parts;
use tokio::task::JoinHandle;

use crate::adapters::config::{Config, JwksLimits, KeyPair, Realm, TrustedIssuer};
use crate::adapters::introspection::client::IntrospectionClient;
use crate::adapters::jwks::fetch::{FetchError, Fetcher};

use crate::adapters::jwks::{JwksCache, JwksObserver, Source};
use crate::adapters::metrics::Metrics;
use crate::adapters::net::url::PublicAddress;
use crate::adapters::tls::peers::Peers;
use crate::adapters::upstream::directory::client::DirectoryClient;
use crate::edge::gateway::evidence::dpop::nonce_key;
use crate::edge::gateway::metadata::cache::Published;
use crate::edge::gateway::setup_error::StartError;
use crate::judgement::client::registry::{ClientKeys, Method};
use crate::judgement::exchange::accepts::Accepts;
use crate::judgement::exchange::doors::GovernedDoor;
use crate::judgement::issue::ring::KeyRing;
use crate::judgement::jose::checks::TokenChecks;
use crate::judgement::jose::keys::KeySet;
use crate::judgement::permit::Circumstances;
use crate::judgement::policy::model::{Delegation, Issuance, Policy};
use crate::judgement::route::RouteTable;
use crate::judgement::token::dpop::nonce::NonceKey;
use crate::judgement::token::{AudienceRule, SubjectChecks};
use crate::words::clock::Clock;
use crate::words::refusal::{Reason, Refusal};

/// One generation.
pub struct State {
    /// The configuration it was made from.
    pub config: Config,
    /// Paths to realms.
    pub table: RouteTable,
    /// In the order of `config.realms`, which is the order of the table's indices.
    pub realms: Vec<RealmState>,
    issuers: BTreeMap<String, IssuerState>,
    /// What is believed of the certificates of `listen.clientCertificateHeader`.
    header_peers: Peers,
}

/// A realm with its keys.
pub struct RealmState {
    /// Its configuration.
    pub config: Realm,
    /// The keys that the identity provider signs with.
    pub jwks: JwksCache,
    /// The keys that we sign with.
    pub signing: Option<KeyRing>,
    /// Whether the identity provider was seen to publish the `kid` of the key that we sign with.
    pub(super) collides: AtomicBool,
    /// How tokens that we signed are checked; `None` where we sign none.
    own_checks: Option<TokenChecks>,
    /// What its policy leaves to be asked for.
    pub accepts: Accepts,
    /// Flat claims into which some audience's file has roles written, by whatever name they are called in it.
    pub role_claims: BTreeSet<String>,
    /// Where the identity provider is asked whether its tokens are active.
    pub introspection: Option<IntrospectionClient>,
    /// Where the roles of its users are asked for.
    pub directory: Option<DirectoryClient>,
    /// What is published for it.
    pub published: Published,
    /// Keys of its clients, by their URL.
    client_keys: BTreeMap<String, Arc<KeyCache>>,
    /// The key of its `DPoP` nonces, where it demands them.
    pub nonces: Option<NonceKey>,
}

/// Where subject tokens of one issuer are checked.
struct IssuerState {
    url: String,
    checks: TokenChecks,
    /// `None`: a realm's own tokens, which must be the calling client's.
    audiences: Option<Vec<String>>,
    keys: Arc<KeyCache>,
    /// Who is asked about its opaque tokens.
    introspection: Option<IntrospectionClient>,
}

/// An issuer's keys and the task that keeps them fresh, which ends with the last generation that uses them.
struct KeyCache {
    jwks: JwksCache,
    made_from: MadeFrom,
    task: JoinHandle<()>,
}

/// What makes two key caches the same one.
#[derive(Clone, Debug, PartialEq)]
struct MadeFrom {
    source: Source,
    limits: JwksLimits,
    ca: Option<PathBuf>,
    client_certificate: Option<KeyPair>,
}

/// Counts fetches under the issuer's name.
struct Counted {
    issuer: String,
    metrics: Arc<Metrics>,
}

impl JwksObserver for Counted {
    fn refreshed(&self, outcome: Result<(), &FetchError>) {
        self.metrics.jwks_refreshed(&self.issuer, outcome.is_ok());
    }
}

impl Drop for KeyCache {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    /// Builds a generation; key caches of `previous` whose source is unchanged go on.
    ///
    /// # Errors
    /// When a key source can't be set up.
    pub fn new(
        config: Config,
        previous: Option<&Self>,
        clock: &Clock,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, StartError> {
        let keys = |name: &str, made_from: MadeFrom| match previous.and_then(|state| state.issuers.get(name))
        {
            Some(issuer) if issuer.keys.made_from == made_from => Ok(Arc::clone(&issuer.keys)),
            _ => KeyCache::start(name, made_from, clock, metrics).map(Arc::new),
        };
        let mut issuers = BTreeMap::new();
        let mut realms = Vec::with_capacity(config.realms.len());
        for realm in config.realms.values() {
            let made_from = MadeFrom {
                source: Source::realm(&config.upstream, realm)
                    .map_err(|error| StartError::Tls(error.to_string()))?,
                limits: realm.jwks,
                ca: config.upstream.ca.clone(),
                client_certificate: config.upstream.client_certificate.clone(),
            };
            let keys = keys(&realm.name, made_from)?;
            realms.push(RealmState {
                config: realm.clone(),
                jwks: keys.jwks.clone(),
                signing: realm.signing.clone(),
                collides: AtomicBool::new(false),
                own_checks: realm.signing.as_ref().map(|ring| TokenChecks {
                    algorithms: ring.all().filter_map(|key| key.algorithm.parse().ok()).collect(),
                    ..realm.tokens.clone()
                }),
                accepts: accepts(realm, &config.policy),
                role_claims: role_claims(realm, &config.policy),
                introspection: IntrospectionClient::realm(realm)
                    .map_err(|error| StartError::Tls(error.to_string()))?,
                directory: directory(realm)?,
                published: Published::new(),
                client_keys: client_keys(realm, previous, clock, metrics)?,
                nonces: nonce_key(
                    &realm.dpop,
                    previous.and_then(|state| state.realm(&realm.name)?.nonces.as_ref()),
                )?,
            });
            let (url, checks) = (realm.issuer.clone(), realm.tokens.clone());
            issuers.insert(
                realm.name.clone(),
                IssuerState { url, checks, audiences: None, keys, introspection: None },
            );
        }
        for issuer in config.issuers.values() {
            let made_from = MadeFrom {
                source: Source::issuer(issuer).map_err(|error| StartError::Tls(error.to_string()))?,
                limits: issuer.jwks,
                ca: issuer.ca.clone(),
                client_certificate: None,
            };
            let state = IssuerState {
                url: issuer.url.clone(),
                checks: issuer.tokens.clone(),
                audiences: Some(issuer.audiences.clone()),
                keys: keys(&issuer.name, made_from)?,
                introspection: introspector(issuer, clock)?,
            };
            issuers.insert(issuer.name.clone(), state);
        }
        let table = RouteTable::new(config.realms.values().map(Realm::place));
        let ca = config.listen.certificate_header.as_ref().and_then(|header| header.ca.as_deref());
        let header_peers = Peers::load(ca).map_err(|error| StartError::Tls(error.to_string()))?;
        Ok(Self { config, table, realms, issuers, header_peers })
    }

    /// Gives the target of a request the path that the identity provider knows, where a dialect has another.
    pub fn to_upstream(&self, head: &mut Parts) {
        let Some(path) = self.table.upstream_path(head.uri.path()) else { return };
        let target = head.uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
        let mut parts = std::mem::take(&mut head.uri).into_parts();
        // Paths of the configuration have no escapes, and the query was one before.
        parts.path_and_query = target.parse().ok();
        head.uri = Uri::from_parts(parts).unwrap_or_default();
    }

    /// The keys of an issuer, by its name.
    pub fn issuer_keys(&self, name: &str) -> Option<&JwksCache> {
        self.issuers.get(name).map(|issuer| &issuer.keys.jwks)
    }

    /// What is believed of the certificates of `listen.clientCertificateHeader`.
    pub fn header_peers(&self) -> &Peers {
        &self.header_peers
    }

    /// The realm of this name.
    pub fn realm(&self, name: &str) -> Option<&RealmState> {
        self.realms.iter().find(|realm| realm.config.name == name)
    }

    /// How a subject token of this `iss` is checked at a realm, and where its keys are; `None` if it is not trusted.
    pub fn subject_issuer<'s>(
        &'s self,
        realm: &'s RealmState,
        iss: &str,
    ) -> Option<(SubjectChecks<'s>, &'s JwksCache)> {
        let of = |name: &&String| self.issuers.get(*name).is_some_and(|issuer| issuer.url == iss);
        self.named_subject_issuer(realm, realm.config.subject_issuers.iter().find(of)?)
    }

    /// The same for an issuer by its name in the configuration.
    pub fn named_subject_issuer<'s>(
        &'s self,
        realm: &'s RealmState,
        name: &str,
    ) -> Option<(SubjectChecks<'s>, &'s JwksCache)> {
        let (others, realm) = (&realm.accepts.subject_clients, &realm.config);
        realm.subject_issuers.iter().filter(|known| *known == name).find_map(|name| {
            let issuer = self.issuers.get(name)?;
            let audience = match &issuer.audiences {
                Some(audiences) => AudienceRule::AnyOf(audiences),
                None if *name == realm.name => AudienceRule::ClientOr(others),
                // Another realm's client of the same name is somebody else: its tokens must be for this realm.
                None => AudienceRule::AnyOf(std::slice::from_ref(&realm.issuer)),
            };
            Some((issuer.subject_checks(name, audience), &issuer.keys.jwks))
        })
    }

    /// Who is asked about an opaque subject token at a realm, and how the answer is checked: the issuer that is `named`
    /// (`subject_issuer`: its name in the configuration, or its URL), or the only one with an introspection endpoint.
    ///
    /// # Errors
    /// None of the realm's issuers is meant, or more than one may be.
    pub fn opaque_issuer<'s>(
        &'s self,
        realm: &'s Realm,
        named: Option<&str>,
    ) -> Result<(SubjectChecks<'s>, &'s IntrospectionClient), Refusal> {
        let asked = realm.subject_issuers.iter().filter_map(|name| {
            let issuer = self.issuers.get(name)?;
            let (audiences, introspector) = (issuer.audiences.as_deref()?, issuer.introspection.as_ref()?);
            Some((issuer.subject_checks(name, AudienceRule::AnyOf(audiences)), introspector))
        });
        let meant = |checks: &SubjectChecks<'_>| {
            named.is_none_or(|named| named == checks.issuer_name || named == checks.issuer)
        };
        let mut found = asked.filter(|(checks, _)| meant(checks));
        let at = &realm.name;
        match (found.next(), found.next()) {
            (Some(issuer), None) => Ok(issuer),
            (Some(_), Some(_)) => Err(Refusal::new(
                Reason::ParameterMissing,
                "an opaque subject token could be of several issuers: subject_issuer must name one",
            )),
            (None, _) if named.is_some_and(|named| !self.is_subject_issuer(realm, named)) => {
                Err(Refusal::new(
                    Reason::SubjectTokenIssuerUntrusted,
                    format!("subject_issuer names none of subjectIssuers of realm {at}"),
                ))
            }
            (None, _) => Err(Refusal::new(
                Reason::SubjectTokenMalformed,
                format!("it is no JWT, and no issuer among subjectIssuers of realm {at} has introspection"),
            )),
        }
    }

    fn is_subject_issuer(&self, realm: &Realm, named: &str) -> bool {
        let is =
            |name: &str| name == named || self.issuers.get(name).is_some_and(|issuer| issuer.url == named);
        realm.subject_issuers.iter().any(|name| is(name))
    }

    /// The tolerance for the times of an issuer's tokens.
    pub fn leeway(&self, issuer: &str) -> Option<jiff::SignedDuration> {
        self.issuers.get(issuer).map(|issuer| issuer.checks.leeway)
    }

    /// Every key cache with the name of its issuer.
    pub fn key_caches(&self) -> impl Iterator<Item = (&str, &JwksCache)> {
        self.issuers.iter().map(|(name, issuer)| (name.as_str(), &issuer.keys.jwks))
    }
}

impl RealmState {
    /// The keys of a client, by their URL.
    pub fn client_keys(&self, url: &str) -> Option<&JwksCache> {
        self.client_keys.get(url).map(|keys| &keys.jwks)
    }
}

/// The caches of clients' keys; those of `previous` whose source is unchanged go on.
fn client_keys(
    realm: &Realm,
    previous: Option<&State>,
    clock: &Clock,
    metrics: &Arc<Metrics>,
) -> Result<BTreeMap<String, Arc<KeyCache>>, StartError> {
    let previous = previous.and_then(|state| state.realms.iter().find(|old| old.config.name == realm.name));
    let urls = realm.clients.registered.values().flatten().filter_map(|method| match method {
        Method::PrivateKeyJwt { keys: ClientKeys::Url(url), .. } => Some(url),
        _ => None,
    });
    let mut caches = BTreeMap::new();
    for url in urls {
        if caches.contains_key(url) {
            continue;
        }
        let source = Source::client(url).map_err(|error| StartError::Tls(error.to_string()))?;
        let made_from = MadeFrom { source, limits: realm.jwks, ca: None, client_certificate: None };
        let cache = match previous.and_then(|old| old.client_keys.get(url)) {
            Some(old) if old.made_from == made_from => Arc::clone(old),
            // One label for all of them: a series per client would be many.
            _ => Arc::new(KeyCache::start(&format!("{}.clients", realm.name), made_from, clock, metrics)?),
        };
        caches.insert(url.clone(), cache);
    }
    Ok(caches)
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "State({})", self.config.hash)
    }
}

impl IssuerState {
    fn subject_checks<'s>(&'s self, name: &'s str, audience: AudienceRule<'s>) -> SubjectChecks<'s> {
        SubjectChecks { issuer_name: name, issuer: &self.url, checks: &self.checks, audience }
    }
}

impl KeyCache {
    /// Fetches at once, in the background, and from then on before the keys are old.
    fn start(
        name: &str,
        made_from: MadeFrom,
        clock: &Clock,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, StartError> {
        let MadeFrom { source, ca, client_certificate, .. } = &made_from;
        let fetcher = Fetcher::new(source.clone(), ca.as_deref(), client_certificate.as_ref())
            .map_err(|error| StartError::Tls(format!("keys of {name}: {error}")))?;
        let counted = Counted { issuer: name.to_owned(), metrics: Arc::clone(metrics) };
        let jwks = JwksCache::new(fetcher, made_from.limits, clock.clone(), Arc::new(counted));
        let fresh = jwks.clone();
        let task = tokio::spawn(async move { fresh.keep_fresh().await });
        Ok(Self { jwks, made_from, task })
    }
}

fn directory(realm: &Realm) -> Result<Option<DirectoryClient>, StartError> {
    let Some(config) = &realm.directory else { return Ok(None) };
    let public = PublicAddress::of(&realm.issuer).map_err(|error| StartError::Tls(error.to_string()))?;
    Ok(Some(DirectoryClient::new(config, &realm.path, public)))
}

impl RealmState {
    /// How a token with this `kid` is checked that we signed ourselves, and by which keys; `None` if the `kid` is not
    /// ours alone, or of a key whose time is over.
    pub fn ours(&self, kid: Option<&str>, now: jiff::Timestamp) -> Option<(SubjectChecks<'_>, &Arc<KeySet>)> {
        let (ring, checks) = (self.signing.as_ref()?, self.own_checks.as_ref()?);
        kid.filter(|kid| ring.holds(kid, now)).filter(|kid| self.is_ours(kid))?;
        let Realm { name, issuer, .. } = &self.config;
        let audience = AudienceRule::ClientOr(&self.accepts.subject_clients);
        let checks = SubjectChecks { issuer_name: name, issuer, checks, audience };
        Some((checks, ring.key_set()))
    }

    /// Whether a `kid` is ours alone: one that the identity provider publishes, too, is taken for its own.
    pub fn is_ours(&self, kid: &str) -> bool {
        self.signing.as_ref().is_some_and(|ring| ring.owns(kid))
            && !self.jwks.held().is_some_and(|upstream| upstream.publishes(kid))
    }
}

impl RealmState {
    /// Where its requests are judged.
    pub fn circumstances(&self) -> Circumstances<'_> {
        let rules = self.config.dialect.rules();
        Circumstances {
            realm: &self.config.name,
            realm_issuer: &self.config.issuer,
            carried: rules.carried,
            defaults: rules.defaults,
            drop_offline: rules.drops_offline,
            ..Circumstances::default()
        }
    }
}

/// What the audience files of a realm leave to be asked for.
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
        accepts.subject_clients = accepts.subject_clients.union(&permission.subject_clients);
        accepts.actors |= permission.delegation.as_ref().is_some_and(Delegation::takes_actors);
    }
    accepts
}

/// Flat claims of roles in tokens that we sign for a realm. Elsewhere a claim of such a name may be the identity provider's,
/// for instance `groups`.
fn role_claims(realm: &Realm, policy: &Policy) -> BTreeSet<String> {
    let audiences = policy.realms.get(&realm.name).into_iter().flat_map(BTreeMap::values);
    audiences.filter_map(|audience| audience.roles.output.claim.clone()).collect()
}

fn introspector(issuer: &TrustedIssuer, clock: &Clock) -> Result<Option<IntrospectionClient>, StartError> {
    let Some(config) = &issuer.introspection else { return Ok(None) };
    IntrospectionClient::issuer(config, issuer.ca.as_deref(), clock.clone())
        .map(Some)
        .map_err(|error| StartError::Tls(format!("introspection of {}: {error}", issuer.name)))
}
