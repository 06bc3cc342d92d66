//! Families of refresh tokens in the store: each member is good for one use.

use jiff::Timestamp;

use super::revoked::{revoked_key, store_unavailable};
use crate::adapters::store::{MarkKey, MarkKind, MarkStore};
use crate::judgement::permit::renewal::Renewal;
use crate::words::refusal::{Reason, Refusal};

/// A family of refresh tokens in the store, and one of its members.
pub struct RefreshFamily {
    whole: MarkKey,
    member: MarkKey,
    access: Option<(MarkKey, Timestamp)>,
    ends: Timestamp,
}

impl RefreshFamily {
    /// The family and member that a refresh token stands for.
    pub fn new(renewal: &Renewal) -> Self {
        let (realm, family) = (renewal.realm(), renewal.family());
        let generation = renewal.generation().to_string();
        let access = renewal.token().map(|token| {
            let expires = Timestamp::from_second(token.expires).unwrap_or(Timestamp::MAX);
            (revoked_key(realm, &token.jti), expires)
        });
        Self {
            whole: MarkKey::new(MarkKind::RefreshFamily, &[realm, family]),
            member: MarkKey::new(MarkKind::RefreshToken, &[realm, family, &generation]),
            access,
            ends: renewal.ends(),
        }
    }

    /// Whether the family was revoked or the member used.
    pub async fn is_spent(&self, store: &MarkStore) -> Result<bool, Refusal> {
        let (revoked, used) =
            tokio::try_join!(store.is_marked(&self.whole), store.is_marked(&self.member)).map_err(store_unavailable)?;
        Ok(revoked || used)
    }

    /// Refuses a refresh token that was used or revoked; one that was used takes its family with it.
    pub async fn check_unused(&self, store: &MarkStore) -> Result<(), Refusal> {
        if store.is_marked(&self.whole).await.map_err(store_unavailable)? {
            return Err(Refusal::new(Reason::RefreshTokenInvalid, "its family was revoked"));
        }
        if store.is_marked(&self.member).await.map_err(store_unavailable)? { self.reused(store).await } else { Ok(()) }
    }

    /// Uses the refresh token up, which only one can do.
    pub async fn use_up(&self, store: &MarkStore) -> Result<(), Refusal> {
        if store.claim(&self.member, self.ends).await.map_err(store_unavailable)? {
            Ok(())
        } else {
            self.reused(store).await
        }
    }

    /// Revokes the family, and the access token that went out with this member.
    pub async fn revoke(&self, store: &MarkStore) -> Result<(), Refusal> {
        store.mark(&self.whole, self.ends).await.map_err(store_unavailable)?;
        if let Some((key, expires)) = &self.access {
            store.mark(key, *expires).await.map_err(store_unavailable)?;
        }
        Ok(())
    }

    async fn reused(&self, store: &MarkStore) -> Result<(), Refusal> {
        self.revoke(store).await?;
        Err(Refusal::new(Reason::RefreshTokenReused, "it was used before, and its family is revoked now"))
    }
}
