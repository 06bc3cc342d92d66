//! How often callers may come, and how often they may guess a client's secret.
//!
//! Both live in this process alone, in tables of a fixed size (`table`). Ages are told by a monotonic clock.

mod clock;
mod guesses;
mod rate;
mod rates;
mod table;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use self::clock::AgeClock;
use self::guesses::{Pair, WrongSecrets};
use self::rates::{Arrivals, Limiter};
use self::table::Table;
use crate::adapters::peer::network;
use crate::words::clock::Clock;
use crate::words::refusal::{Reason, Refusal, RetryAfter};

pub use self::guesses::LockoutRules;
pub use self::rate::Rate;

/// How often callers of a realm may come. A limit that is left out does not hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// Each client that has proven who it is.
    pub per_client: Option<Rate>,
    /// Each peer.
    pub per_peer: Option<Rate>,
    /// All callers together.
    pub per_realm: Option<Rate>,
}

/// A limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `rateLimits.perClient`
    Client,
    /// `rateLimits.perPeer`
    Peer,
    /// `rateLimits.perRealm`
    Realm,
    /// `clientLockout.wrongSecrets`
    WrongSecrets,
    /// `clientLockout.wrongSecretsPerPeer`
    WrongSecretsOfPeer,
}

/// A limit is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limited {
    /// The limit.
    pub limit: Limit,
    /// How long the caller has to wait.
    pub wait: Duration,
    /// What the limit allows, and what came instead.
    told: String,
}

/// The state of all limits of this process.
#[derive(Debug)]
pub struct LimitTables {
    clock: AgeClock,
    arrivals: Arc<Table<Arrivals>>,
    wrong: Table<WrongSecrets>,
}

/// The limits of one realm.
#[derive(Debug)]
pub struct RealmLimits {
    realm: String,
    tables: Arc<LimitTables>,
    per_client: Option<Arc<Limiter>>,
    per_peer: Option<Arc<Limiter>>,
    per_realm: Option<Arc<Limiter>>,
    lockout: Option<Lockout>,
}

#[derive(Debug)]
struct Lockout {
    rules: LockoutRules,
    per_peer: Arc<Limiter>,
}

impl LimitTables {
    /// Tables without entries.
    pub fn new(clock: &Clock) -> Self {
        Self { clock: AgeClock::new(clock.clone()), arrivals: Arc::default(), wrong: Table::default() }
    }

    /// How many peers, clients and pairs are remembered.
    pub fn entries(&self) -> usize {
        self.arrivals.len() + self.wrong.len()
    }
}

impl RealmLimits {
    /// The limits of the realm of this name. A limit that is equal in `previous` keeps its counts; a changed limit begins
    /// anew. Wrong secrets stay counted.
    pub fn new(
        realm: &str,
        rates: RateLimits,
        lockout: Option<LockoutRules>,
        tables: &Arc<LimitTables>,
        previous: Option<&Self>,
    ) -> Self {
        let limiter = |rate: Rate, kept: Option<&Arc<Limiter>>| match kept.filter(|kept| kept.rate() == rate) {
            Some(kept) => Arc::clone(kept),
            None => Arc::new(Limiter::new(rate, Arc::clone(&tables.arrivals), tables.clock.clone())),
        };
        let kept = |of: fn(&Self) -> Option<&Arc<Limiter>>| previous.and_then(of);
        Self {
            realm: realm.to_owned(),
            tables: Arc::clone(tables),
            per_client: rates.per_client.map(|rate| limiter(rate, kept(|old| old.per_client.as_ref()))),
            per_peer: rates.per_peer.map(|rate| limiter(rate, kept(|old| old.per_peer.as_ref()))),
            per_realm: rates.per_realm.map(|rate| limiter(rate, kept(|old| old.per_realm.as_ref()))),
            lockout: lockout.map(|rules| {
                let kept = kept(|old| old.lockout.as_ref().map(|lockout| &lockout.per_peer));
                Lockout { rules, per_peer: limiter(rules.per_peer, kept) }
            }),
        }
    }

    /// Counts a request of this peer. The realm counts only requests that the peer's own limit allows, so that no peer uses
    /// up the realm's limit alone.
    ///
    /// # Errors
    /// The peer or the realm has reached its limit.
    pub fn admit(&self, peer: IpAddr) -> Result<(), Limited> {
        if let Some(limiter) = &self.per_peer {
            let peer = network(peer);
            limiter.take(&peer).map_err(|wait| self.too_often(Limit::Peer, limiter, wait))?;
        }
        match &self.per_realm {
            Some(limiter) => limiter.take(&()).map_err(|wait| self.too_often(Limit::Realm, limiter, wait)),
            None => Ok(()),
        }
    }

    /// Counts a request of this client, which has proven who it is.
    ///
    /// # Errors
    /// The client has reached its limit.
    pub fn count_client(&self, client: &str) -> Result<(), Limited> {
        let Some(limiter) = &self.per_client else { return Ok(()) };
        limiter.take(client).map_err(|wait| self.too_often(Limit::Client, limiter, wait))
    }

    /// Whether a request of this client would be counted. Nothing is counted: anybody can name a client.
    ///
    /// # Errors
    /// The client has reached its limit.
    pub fn has_room(&self, client: &str) -> Result<(), Limited> {
        let Some(limiter) = &self.per_client else { return Ok(()) };
        limiter.look(client).map_err(|wait| self.too_often(Limit::Client, limiter, wait))
    }

    /// Whether this peer may show a secret for this client.
    ///
    /// # Errors
    /// It has shown too many wrong ones, for this client or for all clients together.
    pub fn may_guess(&self, client: &str, peer: IpAddr) -> Result<(), Limited> {
        let Some(Lockout { rules, per_peer }) = &self.lockout else { return Ok(()) };
        let peer = network(peer);
        let pair = Pair { realm: &self.realm, client, peer };
        if let Some(locked) = guesses::locked(&self.tables.wrong, &pair, self.tables.clock.now()) {
            let told = format!(
                "realms.{}.clientLockout.wrongSecrets: {} is reached: {} wrong secrets for this client from {peer}",
                self.realm, rules.wrong_secrets, locked.count,
            );
            return Err(Limited { limit: Limit::WrongSecrets, wait: locked.wait, told });
        }
        per_peer.look(&peer).map_err(|wait| {
            let told = format!(
                "realms.{}.clientLockout.wrongSecretsPerPeer: {} is reached: wrong secrets for any client from {peer}",
                self.realm, rules.per_peer
            );
            Limited { limit: Limit::WrongSecretsOfPeer, wait, told }
        })
    }

    /// The secret that this peer showed for this client was wrong.
    pub fn guessed_wrong(&self, client: &str, peer: IpAddr) {
        let Some(Lockout { rules, per_peer }) = &self.lockout else { return };
        let peer = network(peer);
        let pair = Pair { realm: &self.realm, client, peer };
        guesses::wrong(&self.tables.wrong, &pair, *rules, self.tables.clock.now());
        // Once the limit is reached, the next guess is refused.
        let _ = per_peer.take(&peer);
    }

    /// The secret that this peer showed for this client was right. What the peer showed for other clients stays counted.
    pub fn guessed_right(&self, client: &str, peer: IpAddr) {
        if self.lockout.is_some() {
            let pair = Pair { realm: &self.realm, client, peer: network(peer) };
            guesses::right(&self.tables.wrong, &pair);
        }
    }

    fn too_often(&self, limit: Limit, limiter: &Limiter, wait: Duration) -> Limited {
        let told = format!("realms.{}.rateLimits.{}: {} is reached", self.realm, limit.key(), limiter.rate());
        Limited { limit, wait, told }
    }
}

impl Limit {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [Self::Client, Self::Peer, Self::Realm, Self::WrongSecrets, Self::WrongSecretsOfPeer];

    /// The key in the configuration, which is the metric label, too.
    pub fn key(self) -> &'static str {
        match self {
            Self::Client => "perClient",
            Self::Peer => "perPeer",
            Self::Realm => "perRealm",
            Self::WrongSecrets => "wrongSecrets",
            Self::WrongSecretsOfPeer => "wrongSecretsPerPeer",
        }
    }
}

impl From<Limited> for Refusal {
    fn from(limited: Limited) -> Self {
        let Limited { limit, wait, told } = limited;
        let reason = match limit {
            Limit::Client | Limit::Peer | Limit::Realm => Reason::RateLimited,
            Limit::WrongSecrets | Limit::WrongSecretsOfPeer => Reason::ClientLockedOut,
        };
        Self::new(reason, format!("{told}; free again in {:.3} s", wait.as_secs_f64()))
            .retry_after(Some(RetryAfter::after(wait)))
    }
}

#[cfg(test)]
mod tests;
