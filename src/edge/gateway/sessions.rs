//! Whether the session of a token that Cambio signed goes on. The identity provider does not know the token, so its
//! directory is asked about everything that the token depends on.

use serde_json::{Map, Value};

use super::case::Case;
use crate::adapters::metrics::Outcome;
use crate::adapters::upstream::directory::lineage::Freshness;
use crate::judgement::token::lineage::TokenLineage;
use crate::words::refusal::{Reason, Refusal};

impl Case<'_> {
    /// Checks that nothing has ended on which a token depends that Cambio signed. Without `realms.*.directory`, nobody
    /// can be asked.
    ///
    /// # Errors
    /// [`Reason::SessionEnded`], and [`Reason::DirectoryUnavailable`] if this is unknown.
    pub(super) async fn check_session_of(&self, claims: &Map<String, Value>) -> Result<(), Refusal> {
        self.check_lineage(claims, Freshness::Recent).await
    }

    /// Checks that nothing has ended on which a token depends, with answers of the directory that are no older than this.
    ///
    /// # Errors
    /// [`Reason::SessionEnded`], and [`Reason::DirectoryUnavailable`] if this is unknown.
    pub(super) async fn check_lineage(&self, claims: &Map<String, Value>, freshness: Freshness) -> Result<(), Refusal> {
        let (name, upstream) = (&self.realm.config.name, &self.services.upstream);
        let Some(directory) = &self.realm.directory else { return Ok(()) };
        let ended = |detail: &str| Refusal::new(Reason::SessionEnded, detail);
        let Some(lineage) = TokenLineage::of(claims) else { return Err(ended("the token does not say whose it is")) };
        let facts = Box::pin(directory.lineage_facts(upstream, &lineage, freshness)).await;
        let checked = match facts {
            Ok(facts) => {
                let is_registered = self.realm.config.clients.methods(lineage.client).is_some();
                lineage.ended(&facts, is_registered).map_or(Ok(()), |why| Err(ended(why)))
            }
            Err(error) => {
                tracing::warn!(realm = name, %error, "the identity provider could not be asked about a session");
                let detail = format!("realms.{name}.directory: {error}");
                Err(Refusal::new(Reason::DirectoryUnavailable, detail).retry_after(error.retry_after()))
            }
        };
        let outcome = match &checked {
            Ok(()) => Outcome::Allowed,
            Err(refusal) if refusal.reason == Reason::SessionEnded => Outcome::Denied,
            Err(_) => Outcome::Failed,
        };
        self.realm.metrics.session_checked(outcome);
        checked
    }

    /// Whether the session of a token goes on that Cambio signed.
    ///
    /// # Errors
    /// [`Reason::DirectoryUnavailable`]
    pub(super) async fn session_goes_on(&self, claims: &Map<String, Value>) -> Result<bool, Refusal> {
        match self.check_session_of(claims).await {
            Ok(()) => Ok(true),
            Err(refusal) if refusal.reason == Reason::SessionEnded => Ok(false),
            Err(refusal) => Err(refusal),
        }
    }
}
