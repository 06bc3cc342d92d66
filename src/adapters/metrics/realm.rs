//! What is counted of one realm, and of its audiences.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use prometheus::Histogram;

use super::audience::{AudienceMetrics, ClientCounts};
use super::counter::{Counter, FetchCounts, Outcomes, ShadowOutcomes};
use super::error::MetricsError;
use super::families::seconds;
use super::labels::{Outcome, OwnEndpoint, ShadowOutcome};
use super::scrape::{Family, Scrape};
use crate::adapters::config::Realm;
use crate::adapters::config::settings::audience_files::AudienceVersion;
use crate::adapters::limits::Limit;
use crate::judgement::client::credentials::CredentialsMethod;
use crate::judgement::client::registry::Method;
use crate::judgement::client::verify::UPSTREAM;
use crate::judgement::exchange::classify::GovernedGrant;
use crate::judgement::exchange::grant::API_ACCESS_DOOR;
use crate::judgement::policy::model::{Issuance, RealmPolicy};
use crate::judgement::policy::observed_until::ObservedUntil;
use crate::words::refusal::Reason;

/// What is counted of one realm in one generation of the configuration. A reload keeps the counts.
#[derive(Debug)]
pub struct RealmMetrics {
    /// Empty: the requests at realms that are not configured.
    name: String,
    counts: Arc<RealmCounts>,
    /// The clients that have a label value of their own, in order.
    clients: Arc<[String]>,
    /// Exchanges for no audience that a file is about.
    without_audience: Arc<ClientCounts>,
    audiences: HashMap<String, Arc<AudienceMetrics>>,
    observed_until: Option<ObservedUntil>,
}

/// The counts that no change of the configuration touches.
struct RealmCounts {
    refusals: [Counter; Reason::ALL.len()],
    /// Observed requests for no audience that a file is about.
    shadow_without_audience: ShadowOutcomes,
    shadow_refusals: [Counter; Reason::ALL.len()],
    exchange_seconds: [Histogram; Outcome::ALL.len()],
    doors: BTreeMap<&'static str, Outcomes>,
    own_tokens: [Outcomes; OwnEndpoint::ALL.len()],
    sessions: Outcomes,
    /// Clients that were authenticated, by method.
    authenticated: BTreeMap<&'static str, Counter>,
    /// Clients that were not, by what they sent.
    unauthenticated: BTreeMap<&'static str, Outcomes>,
    limits: [Counter; Limit::ALL.len()],
    client_keys: Arc<FetchCounts>,
}

/// The end of an exchange.
#[derive(Clone, Copy, Debug)]
pub struct ExchangeEnd<'a> {
    /// The audiences that the request is for, as far as a file is about them.
    pub audiences: &'a [Arc<AudienceMetrics>],
    /// The issuance of the permission that applied; `None` if none did.
    pub issuance: Option<Issuance>,
    /// The client that the request names.
    pub client: Option<&'a str>,
    /// How the exchange ended.
    pub outcome: Outcome,
    /// Why it gave no token.
    pub reason: Option<Reason>,
    /// How long it took.
    pub took: Duration,
}

impl RealmMetrics {
    /// The metrics of a realm of a new generation, and of the audience files that are in force for the realm.
    ///
    /// # Errors
    /// A histogram can't be made, which a test excludes.
    pub fn new(realm: &Realm, versions: &[&AudienceVersion], previous: Option<&Self>) -> Result<Self, MetricsError> {
        let clients: Arc<[String]> = realm.measured_clients.iter().cloned().collect();
        let without_audience = match previous {
            Some(previous) if previous.clients == clients => Arc::clone(&previous.without_audience),
            _ => Arc::new(ClientCounts::new(&clients)),
        };
        let counts = match previous {
            Some(previous) => Arc::clone(&previous.counts),
            None => Arc::new(RealmCounts::new(&realm.name)?),
        };
        let audience = |version: &&AudienceVersion| {
            let name = &version.audience.name;
            let previous = previous.and_then(|previous| previous.audiences.get(name));
            (name.clone(), AudienceMetrics::of(version, &clients, previous))
        };
        let audiences = versions.iter().map(audience).collect();
        Ok(Self {
            name: realm.name.clone(),
            counts,
            without_audience,
            audiences,
            observed_until: realm.observed_until,
            clients,
        })
    }

    /// The metrics of all realms that are not configured.
    ///
    /// # Errors
    /// A histogram can't be made, which a test excludes.
    pub(super) fn of_no_realm() -> Result<Self, MetricsError> {
        Ok(Self {
            name: String::new(),
            counts: Arc::new(RealmCounts::new("")?),
            clients: Arc::default(),
            without_audience: Arc::new(ClientCounts::new(&[])),
            audiences: HashMap::new(),
            observed_until: None,
        })
    }

    /// The audiences that a request names by `audience` and `resource`, as far as a file is about them, each once.
    pub fn audiences_of(
        &self,
        policy: Option<&RealmPolicy>,
        audiences: &[String],
        resources: &[String],
    ) -> Vec<Arc<AudienceMetrics>> {
        let meant = resources.iter().filter_map(|resource| policy.map(|policy| policy.of_resource(resource)));
        let meant = meant.flatten().map(|audience| &audience.name);
        let mut found: Vec<Arc<AudienceMetrics>> = Vec::new();
        for audience in audiences.iter().chain(meant).filter_map(|name| self.audiences.get(name)) {
            if !found.iter().any(|known| Arc::ptr_eq(known, audience)) {
                found.push(Arc::clone(audience));
            }
        }
        found
    }

    /// What is counted of an audience, by its name.
    pub fn audience(&self, name: &str) -> Option<&AudienceMetrics> {
        self.audiences.get(name).map(|audience| &**audience)
    }

    /// An exchange ended. It counts once for each of its audiences.
    pub fn exchanged(&self, end: &ExchangeEnd<'_>) {
        let ExchangeEnd { audiences, issuance, client, outcome, reason, took } = *end;
        let listed = client.and_then(|client| self.clients.binary_search_by(|one| one.as_str().cmp(client)).ok());
        let client = listed.unwrap_or(self.clients.len());
        for audience in audiences {
            audience.exchanged(issuance, client, outcome);
        }
        if audiences.is_empty() {
            self.without_audience.increment(client, outcome);
        }
        if let Some(counter) = reason.and_then(|reason| self.counts.refusals.get(reason as usize)) {
            counter.increment();
        }
        if let Some(histogram) = self.counts.exchange_seconds.get(outcome as usize) {
            histogram.observe(took.as_secs_f64());
        }
    }

    /// A request was observed. It counts once for each of its audiences.
    pub fn shadowed(&self, audiences: &[Arc<AudienceMetrics>], outcome: ShadowOutcome, reason: Option<Reason>) {
        for audience in audiences {
            audience.shadowed(outcome);
        }
        if audiences.is_empty() {
            self.counts.shadow_without_audience.increment(outcome);
        }
        if let Some(counter) = reason.and_then(|reason| self.counts.shadow_refusals.get(reason as usize)) {
            counter.increment();
        }
    }

    /// Permissions, each by its audience and its position in the file from 1, allowed an exchange or a refresh.
    pub fn used(&self, permissions: &[(String, usize)], now: Timestamp) {
        for (audience, position) in permissions {
            if let Some(audience) = self.audiences.get(audience) {
                audience.used(position.saturating_sub(1), now);
            }
        }
    }

    /// A request came to a door.
    pub fn at_door(&self, door: &str, outcome: Outcome) {
        if let Some(outcomes) = self.counts.doors.get(door) {
            outcomes.increment(outcome);
        }
    }

    /// A token that Cambio issued was used at one of the realm's endpoints.
    pub fn own_token_request(&self, endpoint: OwnEndpoint, outcome: Outcome) {
        if let Some(outcomes) = self.counts.own_tokens.get(endpoint as usize) {
            outcomes.increment(outcome);
        }
    }

    /// Cambio asked whether the session of a token that it signed goes on.
    pub fn session_checked(&self, outcome: Outcome) {
        self.counts.sessions.increment(outcome);
    }

    /// A client was authenticated with this method.
    pub fn client_authenticated(&self, method: &str) {
        if let Some(counter) = self.counts.authenticated.get(method) {
            counter.increment();
        }
    }

    /// A client was refused, or could not be judged. `method` is what it sent, or [`UPSTREAM`].
    pub fn client_refused(&self, method: &str, outcome: Outcome) {
        if let Some(outcomes) = self.counts.unauthenticated.get(method) {
            outcomes.increment(outcome);
        }
    }

    /// A limit was reached.
    pub fn limited(&self, limit: Limit) {
        if let Some(counter) = self.counts.limits.get(limit as usize) {
            counter.increment();
        }
    }

    /// How often the keys of the realm's clients were fetched.
    pub fn client_key_fetches(&self) -> &Arc<FetchCounts> {
        &self.counts.client_keys
    }

    /// Writes every series of the realm.
    pub fn write(&self, scrape: &mut Scrape) {
        let (realm, counts) = (self.name.as_str(), &*self.counts);
        for (client, outcome, count) in self.without_audience.each(&self.clients) {
            // Nothing is issued for no audience.
            if outcome != Outcome::Allowed {
                scrape.sample(Family::Exchanges, ["", client, "", outcome.as_str(), realm], count);
            }
        }
        let mut audiences: Vec<_> = self.audiences.iter().collect();
        audiences.sort_unstable_by_key(|(name, _)| *name);
        for (_, audience) in audiences {
            audience.write(realm, self.observed_until.is_some(), scrape);
        }
        if self.observes() || realm.is_empty() && scrape.observes_others {
            for (outcome, count) in counts.shadow_without_audience.each() {
                scrape.sample(Family::ShadowExchanges, ["", outcome.as_str(), realm], count);
            }
            for (reason, counter) in Reason::ALL.iter().zip(&counts.shadow_refusals) {
                scrape.sample(Family::ShadowRefusals, [realm, reason.as_str()], counter.count());
            }
        }
        if let Some(until) = self.observed_until {
            scrape.sample(Family::ObserveEnds, ["", realm], until.end().as_second());
        }
        for (reason, counter) in Reason::ALL.iter().zip(&counts.refusals) {
            scrape.sample(Family::Refusals, [realm, reason.as_str()], counter.count());
        }
        counts.exchange_seconds.iter().for_each(|histogram| scrape.exchange_seconds(histogram));
        for (door, outcomes) in &counts.doors {
            for (outcome, count) in outcomes.each() {
                scrape.sample(Family::Doors, [*door, outcome.as_str(), realm], count);
            }
        }
        if !realm.is_empty() {
            self.write_configured(scrape);
        }
    }

    /// Whether the configuration says so of the realm or of one of its audiences.
    fn observes(&self) -> bool {
        self.observed_until.is_some() || self.audiences.values().any(|audience| audience.is_observed())
    }

    /// What only configured realms have.
    fn write_configured(&self, scrape: &mut Scrape) {
        let (realm, counts) = (self.name.as_str(), &*self.counts);
        for (endpoint, outcomes) in OwnEndpoint::ALL.iter().zip(&counts.own_tokens) {
            for (outcome, count) in outcomes.each() {
                scrape.sample(Family::OwnTokenRequests, [endpoint.as_str(), outcome.as_str(), realm], count);
            }
        }
        for (outcome, count) in counts.sessions.each() {
            scrape.sample(Family::SessionChecks, [outcome.as_str(), realm], count);
        }
        for (method, counter) in &counts.authenticated {
            let labels = [*method, Outcome::Allowed.as_str(), realm];
            scrape.sample(Family::ClientAuthentications, labels, counter.count());
        }
        for (method, outcomes) in &counts.unauthenticated {
            for (outcome, count) in outcomes.each().filter(|(outcome, _)| *outcome != Outcome::Allowed) {
                scrape.sample(Family::ClientAuthentications, [*method, outcome.as_str(), realm], count);
            }
        }
        for (limit, counter) in Limit::ALL.iter().zip(&counts.limits) {
            scrape.sample(Family::LimitedRequests, [limit.key(), realm], counter.count());
        }
    }
}

impl RealmCounts {
    fn new(realm: &str) -> Result<Self, MetricsError> {
        let histogram = |outcome: Outcome| {
            let options = seconds(Family::ExchangeSeconds.name(), Family::ExchangeSeconds.help());
            Histogram::with_opts(options.const_label("realm", realm).const_label("outcome", outcome.as_str()))
        };
        let [allowed, denied, failed] = Outcome::ALL.map(histogram);
        Ok(Self {
            refusals: std::array::from_fn(|_| Counter::default()),
            shadow_without_audience: ShadowOutcomes::default(),
            shadow_refusals: std::array::from_fn(|_| Counter::default()),
            exchange_seconds: [allowed?, denied?, failed?],
            doors: GovernedGrant::ALL
                .map(GovernedGrant::name)
                .into_iter()
                .chain([API_ACCESS_DOOR])
                .map(|name| (name, Outcomes::default()))
                .collect(),
            own_tokens: Default::default(),
            sessions: Outcomes::default(),
            authenticated: Method::NAMES.into_iter().chain([UPSTREAM]).map(|name| (name, Counter::default())).collect(),
            unauthenticated: CredentialsMethod::ALL
                .map(CredentialsMethod::name)
                .into_iter()
                .chain([UPSTREAM])
                .map(|name| (name, Outcomes::default()))
                .collect(),
            limits: Default::default(),
            client_keys: Arc::default(),
        })
    }
}

impl std::fmt::Debug for RealmCounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RealmCounts")
    }
}
