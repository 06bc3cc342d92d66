//! Wrong client secrets, by client and peer.
//!
//! The key is the pair: whoever guesses locks the guesser out, and not the client at its own address. While a pair is
//! locked out, no further secret is checked. What comes of those that were on their way is neither told nor counted.

use std::time::Duration;

use ipnet::IpNet;

use super::rate::Rate;
use super::table::{Entry, Table};

/// The first lock-out. Each further one is twice as long.
const FIRST: Duration = Duration::from_secs(1);

/// When a client is locked out at a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockoutRules {
    /// So many wrong secrets of one peer for one client lock the pair out.
    pub wrong_secrets: u32,
    /// How often one peer may show wrong secrets for any clients.
    pub per_peer: Rate,
    /// The longest lock-out. So long after the last one, the wrong secrets are forgotten.
    pub longest: Duration,
}

/// A client of a realm at a peer.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct Pair<'a> {
    pub(super) realm: &'a str,
    pub(super) client: &'a str,
    pub(super) peer: IpNet,
}

/// The wrong secrets of a pair.
#[derive(Clone, Copy, Debug)]
pub(super) struct WrongSecrets {
    count: u32,
    locked_until: Duration,
    ends: Duration,
}

impl Entry for WrongSecrets {
    fn ends(&self) -> Duration {
        self.ends
    }
}

/// A lock-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Locked {
    pub(super) count: u32,
    pub(super) wait: Duration,
}

impl LockoutRules {
    /// How long a pair is locked out after its `count`th wrong secret.
    fn pause(self, count: u32) -> Duration {
        match count.checked_sub(self.wrong_secrets) {
            None => Duration::ZERO,
            Some(doublings) => {
                let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
                FIRST.saturating_mul(factor).min(self.longest)
            }
        }
    }
}

/// The lock-out of a pair, if it is locked out.
pub(super) fn locked(table: &Table<WrongSecrets>, pair: &Pair<'_>, now: Duration) -> Option<Locked> {
    let WrongSecrets { count, locked_until, .. } = table.get(table.key(pair), now)?;
    let wait = locked_until.checked_sub(now).filter(|wait| !wait.is_zero())?;
    Some(Locked { count, wait })
}

/// Counts a wrong secret. A secret that was shown before the lock-out began does not make the lock-out longer.
pub(super) fn wrong(table: &Table<WrongSecrets>, pair: &Pair<'_>, rules: LockoutRules, now: Duration) {
    table.change(table.key(pair), now, |old| match old {
        Some(old) if old.locked_until > now => (None, ()),
        _ => {
            let count = old.map_or(0, |old| old.count).saturating_add(1);
            let locked_until = now.saturating_add(rules.pause(count));
            (Some(WrongSecrets { count, locked_until, ends: locked_until.saturating_add(rules.longest) }), ())
        }
    });
}

/// Forgets the wrong secrets of a pair.
pub(super) fn right(table: &Table<WrongSecrets>, pair: &Pair<'_>) {
    table.forget(table.key(pair));
}
