//! The issuers whose tokens may be subject or actor tokens, with their keys and checks.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;

use super::key_cache::{KeyCache, KeyCaches, KeySourceSettings};
use super::realm_runtime::RealmRuntime;
use super::setup_error::StartError;
use crate::adapters::config::{KeySource, Realm, TrustedIssuer};
use crate::adapters::introspection::IntrospectionClient;
use crate::adapters::jwks::{JwksCache, Source};
use crate::adapters::metrics::Scrape;
use crate::judgement::jose::checks::TokenChecks;
use crate::judgement::jose::keys::KeySet;
use crate::judgement::jose::verify::Verifier;
use crate::judgement::token::{AudienceRule, SubjectChecks};
use crate::words::refusal::excerpt::{excerpt, names};
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// Longest part of a token's `iss` that a refusal repeats.
const SHOWN: usize = 128;

/// Every issuer of a generation, by its name: realms and foreign issuers.
#[derive(Default)]
pub struct Issuers(BTreeMap<String, IssuerRuntime>);

/// What Cambio needs to check the tokens of one issuer.
struct IssuerRuntime {
    url: String,
    checks: TokenChecks,
    /// `None` for a realm, whose tokens must be issued to the calling client.
    audiences: Option<Vec<String>>,
    keys: IssuerKeys,
    /// The client for introspection of its opaque tokens.
    introspection: Option<IntrospectionClient>,
}

/// What verifies the tokens of an issuer.
enum IssuerKeys {
    /// The keys that it publishes.
    Published(Arc<KeyCache>),
    /// A secret that it shares with Cambio.
    Shared(Arc<Secret>),
}

/// An issuer that a realm trusts.
pub struct TrustedKeys<'s> {
    /// How its tokens are checked.
    pub checks: SubjectChecks<'s>,
    keys: &'s IssuerKeys,
}

/// What verifies a token, as of now.
pub enum PresentKeys {
    /// The issuer's public keys.
    Published(Arc<KeySet>),
    /// The secret that the issuer shares with Cambio.
    Shared(Arc<Secret>),
}

impl PresentKeys {
    /// What verifies the token.
    pub fn verifier(&self) -> Verifier<'_> {
        match self {
            Self::Published(keys) => Verifier::Keys(keys),
            Self::Shared(secret) => Verifier::Secret(secret),
        }
    }
}

impl IssuerKeys {
    /// The published keys, if there are any.
    fn jwks(&self) -> Option<&JwksCache> {
        self.cache().map(|cache| &cache.jwks)
    }

    fn cache(&self) -> Option<&Arc<KeyCache>> {
        match self {
            Self::Published(cache) => Some(cache),
            Self::Shared(_) => None,
        }
    }
}

/// An issuer that explains its opaque tokens through introspection.
pub struct OpaqueIssuer<'s> {
    /// How its answer is checked.
    pub checks: SubjectChecks<'s>,
    /// Asks the issuer.
    pub introspector: &'s IntrospectionClient,
}

impl TrustedKeys<'_> {
    /// Whether another issuer than the realm must be asked for keys before a token with this `kid` can be checked.
    pub fn must_ask_issuer(&self, kid: Option<&str>) -> bool {
        !self.checks.audience.is_own() && self.keys.jwks().is_some_and(|jwks| !jwks.has_keys_for(kid))
    }

    /// Whether another issuer than the realm must be asked for newer keys for a token that no key verifies.
    pub fn must_ask_issuer_again(&self) -> bool {
        !self.checks.audience.is_own() && self.keys.jwks().is_some_and(JwksCache::may_fetch_for_token)
    }

    /// The keys. An unknown `kid` causes a fetch.
    ///
    /// # Errors
    /// The keys are not available.
    pub async fn keys(&self, kid: Option<&str>) -> Result<PresentKeys, Refusal> {
        let keys = match self.keys {
            IssuerKeys::Published(cache) => cache.jwks.keys(kid).await.map(PresentKeys::Published),
            IssuerKeys::Shared(secret) => Ok(PresentKeys::Shared(Arc::clone(secret))),
        };
        keys.map_err(|error| {
            let detail = format!("{}: {error}", self.checks.issuer_name);
            Refusal::new(error.reason(), detail).retry_after(error.retry_after())
        })
    }

    /// Newer keys than `verified_nothing`, if there are any. They are fetched for this, if a fetch is due.
    pub async fn newer(&self, verified_nothing: &Arc<KeySet>) -> Option<Arc<KeySet>> {
        self.keys.jwks()?.newer(verified_nothing).await
    }
}

impl Issuers {
    /// Adds a realm as an issuer of its own tokens.
    pub(super) fn add_realm(&mut self, realm: &Realm, keys: Arc<KeyCache>) {
        let (url, checks) = (realm.issuer.clone(), realm.tokens.clone());
        let issuer =
            IssuerRuntime { url, checks, audiences: None, keys: IssuerKeys::Published(keys), introspection: None };
        self.0.insert(realm.name.clone(), issuer);
    }

    /// Adds a foreign issuer, and keeps its key cache of `previous` if its source is unchanged.
    ///
    /// # Errors
    /// A key source or TLS can't be set up.
    pub(super) fn add_foreign(
        &mut self,
        issuer: &TrustedIssuer,
        caches: KeyCaches<'_>,
        previous: Option<&Self>,
    ) -> Result<(), StartError> {
        let keys = if let KeySource::Shared(secret) = &issuer.keys {
            IssuerKeys::Shared(Arc::clone(secret))
        } else {
            let settings = KeySourceSettings {
                source: Source::issuer(issuer)?,
                limits: issuer.jwks,
                access: issuer.access.clone(),
            };
            let previous = previous.and_then(|issuers| issuers.key_cache(&issuer.name));
            IssuerKeys::Published(caches.open(&issuer.name, settings, previous)?)
        };
        let introspection = issuer.introspection.as_ref().map(|config| {
            IntrospectionClient::issuer(config, &issuer.access, caches.clock.clone())
                .map_err(|error| StartError::tls(format_args!("introspection of {}", issuer.name), error))
        });
        let runtime = IssuerRuntime {
            url: issuer.url.clone(),
            checks: issuer.tokens.clone(),
            audiences: Some(issuer.audiences.clone()),
            keys,
            introspection: introspection.transpose()?,
        };
        self.0.insert(issuer.name.clone(), runtime);
        Ok(())
    }

    /// The key cache of an issuer.
    pub(super) fn key_cache(&self, name: &str) -> Option<&Arc<KeyCache>> {
        self.0.get(name)?.keys.cache()
    }

    /// The published keys of an issuer, by its name.
    pub fn keys(&self, name: &str) -> Option<&JwksCache> {
        self.0.get(name)?.keys.jwks()
    }

    /// Every key cache with the name of its issuer.
    pub fn key_caches(&self) -> impl Iterator<Item = (&str, &JwksCache)> {
        self.0.iter().filter_map(|(name, issuer)| Some((name.as_str(), issuer.keys.jwks()?)))
    }

    /// Adds the series of every issuer's keys.
    pub fn write_metrics(&self, scrape: &mut Scrape) {
        let caches = self.0.iter().filter_map(|(name, issuer)| Some((name, issuer.keys.cache()?)));
        for (name, cache) in caches {
            let (used, left_out) = cache.jwks.held().map_or((0, 0), |keys| (keys.len(), keys.left_out().len()));
            scrape.jwks(name, cache.jwks.age().map(SignedDuration::unsigned_abs), used, left_out);
            scrape.jwks_refreshes(name, &cache.fetches);
        }
    }

    /// The tolerance for the times of an issuer's tokens.
    pub fn leeway(&self, name: &str) -> Option<SignedDuration> {
        self.0.get(name).map(|issuer| issuer.checks.leeway)
    }

    /// The issuer with this `iss`, if the realm trusts it.
    pub fn trusted<'s>(&'s self, realm: &'s RealmRuntime, iss: &str) -> Option<TrustedKeys<'s>> {
        let has_iss = |name: &&String| self.0.get(*name).is_some_and(|issuer| issuer.expected_iss(iss).is_some());
        self.trusted_by_name(realm, realm.config.subject_issuers.iter().find(has_iss)?, iss)
    }

    /// The issuer with this name in the configuration, if the realm trusts it, for a token with this `iss`.
    pub fn trusted_by_name<'s>(&'s self, realm: &'s RealmRuntime, name: &str, iss: &str) -> Option<TrustedKeys<'s>> {
        let (others, realm) = (&realm.accepts.subject_clients, &realm.config);
        let name = realm.subject_issuers.iter().find(|known| *known == name)?;
        let issuer = self.0.get(name)?;
        let audience = match &issuer.audiences {
            Some(audiences) => AudienceRule::AnyOf(audiences),
            None if *name == realm.name => AudienceRule::ClientOr(others),
            // Another realm's client with this name is another party: its tokens must be for this realm.
            None => AudienceRule::AnotherRealm(&realm.issuer),
        };
        Some(TrustedKeys { checks: issuer.subject_checks(name, iss, audience), keys: &issuer.keys })
    }

    /// The issuer for an opaque token at a realm: the issuer that is `named` (`subject_issuer`: its name in the
    /// configuration, or its URL), or the only issuer with introspection.
    ///
    /// # Errors
    /// None of the realm's issuers matches, or more than one.
    pub fn opaque<'s>(&'s self, realm: &'s Realm, named: Option<&str>) -> Result<OpaqueIssuer<'s>, Refusal> {
        let mut found = realm.subject_issuers.iter().filter_map(|name| {
            let issuer = self.0.get(name)?;
            let (audiences, introspector) = (issuer.audiences.as_deref()?, issuer.introspection.as_ref()?);
            let checks = issuer.subject_checks(name, &issuer.url, AudienceRule::AnyOf(audiences));
            let matches_name = named.is_none_or(|named| named == checks.issuer_name || named == checks.issuer);
            matches_name.then_some(OpaqueIssuer { checks, introspector })
        });
        let at = &realm.name;
        match (found.next(), found.next()) {
            (Some(issuer), None) => Ok(issuer),
            (Some(_), Some(_)) => Err(Refusal::new(
                Reason::SubjectIssuerMissing,
                "an opaque subject token could be of several issuers: subject_issuer must name one",
            )),
            (None, _) if named.is_some_and(|named| !self.is_trusted(realm, named)) => Err(Refusal::new(
                Reason::SubjectTokenIssuerUntrusted,
                format!("subject_issuer names none of subjectIssuers of realm {at}"),
            )),
            (None, _) => Err(Refusal::new(
                Reason::SubjectTokenMalformed,
                format!("it is no JWT, and no issuer among subjectIssuers of realm {at} has introspection"),
            )),
        }
    }

    /// Why no issuer that the realm trusts has this `iss`, and what to change.
    pub fn why_untrusted(&self, realm: &Realm, iss: &str) -> String {
        let found = || self.0.iter().filter(|(_, issuer)| issuer.expected_iss(iss).is_some());
        let shown = excerpt(iss, SHOWN);
        if let Some((name, _)) = found().next() {
            return format!("the token's iss is {shown:?}: add {name} to realms.{}.subjectIssuers", realm.name);
        }
        let trusted = realm.subject_issuers.iter().filter_map(|name| Some((name.as_str(), self.0.get(name)?)));
        let nearly = trusted.clone().find(|(_, issuer)| issuer.is_nearly(iss));
        if let Some((name, issuer)) = nearly {
            let (whose, key) = match issuer.audiences {
                None => ("realm", format!("realms.{name}.issuer")),
                Some(_) => ("issuer", format!("issuers.{name}.issuer.url")),
            };
            return format!(
                "the token's iss is {shown:?}, and {key} is {:?}: if the {whose} {name} really writes that iss, correct {key}; or \
                 let it write one iss for all callers (in Keycloak: hostname)",
                issuer.url
            );
        }
        let expected = names(trusted.map(|(_, issuer)| issuer.url.as_str()));
        format!(
            "the token's iss is {shown:?}, and realm {} accepts {expected}: if the realm is to trust the issuer, add the issuer \
             to issuers and its name to realms.{}.subjectIssuers",
            realm.name, realm.name
        )
    }

    fn is_trusted(&self, realm: &Realm, named: &str) -> bool {
        let has_iss = |name: &str| self.0.get(name).is_some_and(|issuer| issuer.expected_iss(named).is_some());
        let matches_name = |name: &str| name == named || has_iss(name);
        realm.subject_issuers.iter().any(|name| matches_name(name))
    }
}

impl IssuerRuntime {
    /// The `iss` that a token with this `iss` must have: the issuer's, or that of one of its tenants.
    fn expected_iss(&self, iss: &str) -> Option<&str> {
        self.checks.claims.expected_iss(&self.url, iss)
    }

    /// Whether a token with this `iss` may well be the issuer's. A realm's server may be called by several names.
    fn is_nearly(&self, iss: &str) -> bool {
        let (expected, found) = (host_and_path(&self.url), host_and_path(iss));
        expected == found || self.audiences.is_none() && !found.1.is_empty() && expected.1 == found.1
    }

    /// The checks of a token that names `iss`. If nobody has this `iss`, no token meets the checks.
    fn subject_checks<'s>(&'s self, name: &'s str, iss: &str, audience: AudienceRule<'s>) -> SubjectChecks<'s> {
        let issuer = self.expected_iss(iss).unwrap_or(&self.url);
        SubjectChecks { issuer_name: name, issuer, checks: &self.checks, audience }
    }
}

/// Host and path of an issuer's URL, without scheme, port, capital letters and a slash at the end: settings of one server
/// often differ in these only.
fn host_and_path(url: &str) -> (String, String) {
    let url = url.to_ascii_lowercase();
    let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest).trim_end_matches('/');
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    (host.to_owned(), path.to_owned())
}
