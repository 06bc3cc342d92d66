//! How often callers may come, and how often they may guess: where a request is counted.
//!
//! A governed request is counted for its peer and its realm before anything in it costs work. Anybody can name a client, so
//! the client's own limit counts only requests whose client has proven who it is; before that, the limit is only looked at.

use std::net::IpAddr;

use super::case::Case;
use super::realm_runtime::RealmRuntime;
use crate::adapters::limits::Limited;
use crate::judgement::client::credentials::Credentials;
use crate::judgement::client::guess::is_guess;
use crate::words::refusal::{Reason, Refusal};

impl RealmRuntime {
    /// Counts a request of this peer at this realm.
    ///
    /// # Errors
    /// [`Reason::RateLimited`]
    pub(super) fn admit(&self, peer: IpAddr) -> Result<(), Refusal> {
        self.limits.admit(peer).map_err(|limited| self.limited(limited))
    }

    fn limited(&self, limited: Limited) -> Refusal {
        self.metrics.limited(limited.limit);
        limited.into()
    }
}

impl Case<'_> {
    /// Counts the request for its peer and its realm.
    ///
    /// # Errors
    /// [`Reason::RateLimited`]
    pub(super) fn admit(&self) -> Result<(), Refusal> {
        self.realm.admit(self.record.peer())
    }

    /// Whether the secret of these credentials may be checked, and what came of it told, if they have one.
    ///
    /// # Errors
    /// [`Reason::ClientLockedOut`]
    pub(super) fn may_guess(&self, credentials: &Credentials) -> Result<(), Refusal> {
        if !is_guess(credentials, &self.realm.config.clients) {
            return Ok(());
        }
        self.limited(self.realm.limits.may_guess(credentials.client_id(), self.record.peer()))
    }

    /// The credentials were checked: remembers whether their secret was right.
    pub(super) fn guessed(&self, credentials: &Credentials, is_right: bool) {
        if !is_guess(credentials, &self.realm.config.clients) {
            return;
        }
        let (limits, client, peer) = (&self.realm.limits, credentials.client_id(), self.record.peer());
        if is_right { limits.guessed_right(client, peer) } else { limits.guessed_wrong(client, peer) }
    }

    /// Whether the client has reached its limit. Nothing is counted, because nothing is proven yet.
    ///
    /// # Errors
    /// [`Reason::RateLimited`]
    pub(super) fn has_room(&self, client: &str) -> Result<(), Refusal> {
        self.limited(self.realm.limits.has_room(client))
    }

    /// Counts the request for its client, which has just proven who it is.
    ///
    /// # Errors
    /// [`Reason::RateLimited`]
    pub(super) fn count_client(&self, client: &str) -> Result<(), Refusal> {
        self.limited(self.realm.limits.count_client(client))
    }

    fn limited(&self, checked: Result<(), Limited>) -> Result<(), Refusal> {
        checked.map_err(|limited| self.realm.limited(limited))
    }
}

/// Whether a refusal says that a limit was reached. Such a refusal tells nothing about a token or the policy.
pub(super) fn is_limit(reason: Reason) -> bool {
    matches!(reason, Reason::RateLimited | Reason::ClientLockedOut)
}
