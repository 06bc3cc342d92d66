//! Tokens that Cambio signed and that were revoked, in the store.

use jiff::Timestamp;

use crate::adapters::store::{MarkKey, MarkKind, StoreError};
use crate::edge::gateway::case::Case;
use crate::judgement::jose::claims;
use crate::judgement::jose::verify::VerifiedToken;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// What names a token in the store: its `jti`, or its digest where it has none.
pub fn token_id(token: &Secret, verified: &VerifiedToken) -> String {
    match claims::string(verified.claims(), "jti") {
        Ok(Some(jti)) if !jti.is_empty() => jti.to_owned(),
        _ => token.sha256(),
    }
}

/// The key of a revoked token.
pub(super) fn revoked_key(realm: &str, token_id: &str) -> MarkKey {
    MarkKey::new(MarkKind::RevokedToken, &[realm, token_id])
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn store_unavailable(error: StoreError) -> Refusal {
    Refusal::new(Reason::StoreUnavailable, error.to_string())
}

impl Case<'_> {
    /// Whether the token with this id was revoked at the realm.
    ///
    /// # Errors
    /// [`Reason::StoreUnavailable`]: then nobody may rely on the token.
    pub async fn is_revoked(&self, token_id: &str) -> Result<bool, Refusal> {
        let key = revoked_key(&self.realm.config.name, token_id);
        self.services.store.is_marked(&key).await.map_err(store_unavailable)
    }

    /// Revokes the token with this id until it expires.
    ///
    /// # Errors
    /// [`Reason::StoreUnavailable`]
    pub async fn revoke(&self, token_id: &str, until: Timestamp) -> Result<(), Refusal> {
        let key = revoked_key(&self.realm.config.name, token_id);
        self.services.store.mark(&key, until).await.map_err(store_unavailable)
    }
}
