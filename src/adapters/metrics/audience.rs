//! What is counted of one audience.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

use super::counter::{Counter, Outcomes, ShadowOutcomes};
use super::labels::{Outcome, ShadowOutcome};
use super::scrape::{Family, Scrape};
use crate::adapters::config::settings::audience_files::AudienceVersion;
use crate::adapters::config::settings::realm::OTHER_CLIENTS;
use crate::judgement::policy::model::{Audience, Issuance};

/// What is counted of one audience. A reload keeps what its audience file does not change.
#[derive(Debug)]
pub struct AudienceMetrics {
    audience: Arc<Audience>,
    /// SHA-256 of the version of the audience file.
    file: String,
    clients: Arc<[String]>,
    exchanges: Vec<IssuanceCounts>,
    /// Observed exchanges.
    shadow: Arc<ShadowOutcomes>,
    /// The use of each permission, in the order of the file.
    uses: Box<[PermissionCounts]>,
}

/// What is counted of one permission.
#[derive(Debug, Default)]
struct PermissionCounts {
    /// When it was last used, in seconds since the Unix epoch; 0 if it was not.
    last: AtomicI64,
    allowed: Counter,
}

/// The use of a permission since Cambio started or its file changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PermissionUse {
    /// When it last allowed an exchange or a refresh.
    pub last: Option<Timestamp>,
    /// How many exchanges and refreshes it allowed.
    pub allowed: u64,
}

impl PermissionCounts {
    /// Goes on from another version of the file.
    fn from(previous: Option<&Self>) -> Self {
        let new = Self::default();
        if let Some(previous) = previous {
            new.last.store(previous.last.load(Ordering::Relaxed), Ordering::Relaxed);
            new.allowed.add(previous.allowed.count());
        }
        new
    }
}

/// The exchanges of one issuance, by client.
#[derive(Debug)]
struct IssuanceCounts {
    issuance: Issuance,
    counts: Arc<ClientCounts>,
}

/// Exchanges by client: each measured client in the order of the list, and then all others.
#[derive(Debug)]
pub(super) struct ClientCounts(Box<[Outcomes]>);

impl ClientCounts {
    pub(super) fn new(clients: &[String]) -> Self {
        Self((0..=clients.len()).map(|_| Outcomes::default()).collect())
    }

    /// Counts an exchange. `client` is a place in the list of clients, or the list's length.
    pub(super) fn increment(&self, client: usize, outcome: Outcome) {
        if let Some(outcomes) = self.0.get(client) {
            outcomes.increment(outcome);
        }
    }

    pub(super) fn each<'c>(&'c self, clients: &'c [String]) -> impl Iterator<Item = (&'c str, Outcome, u64)> {
        let names = clients.iter().map(String::as_str).chain([OTHER_CLIENTS]);
        names
            .zip(&self.0)
            .flat_map(|(client, outcomes)| outcomes.each().map(move |(outcome, count)| (client, outcome, count)))
    }
}

impl AudienceMetrics {
    /// The metrics of a version of an audience file. What the version leaves as it was in `previous` goes on.
    pub(super) fn of(version: &AudienceVersion, clients: &Arc<[String]>, previous: Option<&Arc<Self>>) -> Arc<Self> {
        let previous_file = previous.filter(|previous| previous.file == version.hash);
        let previous_clients = previous.filter(|previous| previous.clients == *clients);
        if let (Some(previous), Some(_)) = (previous_file, previous_clients)
            && Arc::ptr_eq(&previous.audience, &version.audience)
        {
            return Arc::clone(previous);
        }
        let kept = |issuance: Issuance| {
            let mut all = previous_clients.iter().flat_map(|previous| &previous.exchanges);
            all.find(|counts| counts.issuance == issuance).map(|kept| Arc::clone(&kept.counts))
        };
        let counts = |issuance: Issuance| kept(issuance).unwrap_or_else(|| Arc::new(ClientCounts::new(clients)));
        let audience = Arc::clone(&version.audience);
        let mut issuances = audience.issuances();
        issuances.insert(audience.issuance);
        // Another file may have another permission in the same place.
        let used = |index: usize| PermissionCounts::from(previous_file.and_then(|previous| previous.uses.get(index)));
        Arc::new(Self {
            file: version.hash.clone(),
            clients: Arc::clone(clients),
            shadow: previous.map(|previous| Arc::clone(&previous.shadow)).unwrap_or_default(),
            exchanges: issuances
                .into_iter()
                .map(|issuance| IssuanceCounts { issuance, counts: counts(issuance) })
                .collect(),
            uses: (0..audience.permissions.len()).map(used).collect(),
            audience,
        })
    }

    /// An exchange for the audience ended. Without an issuance, no permission applied, and the issuance is the file's.
    pub(super) fn exchanged(&self, issuance: Option<Issuance>, client: usize, outcome: Outcome) {
        let issuance = issuance.unwrap_or(self.audience.issuance);
        if let Some(of) = self.exchanges.iter().find(|counts| counts.issuance == issuance) {
            of.counts.increment(client, outcome);
        }
    }

    /// A permission, by its place in the file from 0, allowed an exchange or a refresh.
    pub(super) fn used(&self, permission: usize, now: Timestamp) {
        if let Some(counts) = self.uses.get(permission) {
            counts.last.store(now.as_second(), Ordering::Relaxed);
            counts.allowed.increment();
        }
    }

    /// The use of a permission, by its place in the file from 0.
    pub fn use_of(&self, permission: usize) -> Option<PermissionUse> {
        let counts = self.uses.get(permission)?;
        let last = counts.last.load(Ordering::Relaxed);
        let last = Timestamp::from_second(last).ok().filter(|_| last > 0);
        Some(PermissionUse { last, allowed: counts.allowed.count() })
    }

    /// An exchange for the audience was observed.
    pub(super) fn shadowed(&self, outcome: ShadowOutcome) {
        self.shadow.increment(outcome);
    }

    /// Whether the audience file says that exchanges are observed.
    pub(super) fn is_observed(&self) -> bool {
        self.audience.observed_until.is_some()
    }

    /// `observed`: whether the realm's exchanges are observed.
    pub(super) fn write(&self, realm: &str, observed: bool, scrape: &mut Scrape) {
        let Audience { name, owner, permissions, observed_until, .. } = &*self.audience;
        if observed || observed_until.is_some() {
            for (outcome, count) in self.shadow.each() {
                scrape.sample(Family::ShadowExchanges, [name, outcome.as_str(), realm], count);
            }
        }
        if let Some(until) = observed_until {
            scrape.sample(Family::ObserveEnds, [name, realm], until.end().as_second());
        }
        for of in &self.exchanges {
            let issuance = of.issuance.as_str();
            for (client, outcome, count) in of.counts.each(&self.clients) {
                scrape.sample(Family::Exchanges, [name, client, issuance, outcome.as_str(), realm], count);
            }
        }
        for (index, (permission, counts)) in permissions.iter().zip(&self.uses).enumerate() {
            let place = format!("permissions[{index}]");
            let last = counts.last.load(Ordering::Relaxed);
            scrape.sample(Family::PermissionLastUsed, [name, &place, realm], last);
            if let Some(ends) = permission.ends() {
                scrape.sample(Family::PermissionExpires, [name, owner, &place, realm], ends.as_second());
            }
        }
    }
}
