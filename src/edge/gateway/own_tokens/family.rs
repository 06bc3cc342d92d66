//! Families of refresh tokens in the store: each member is good for one use.

use jiff::Timestamp;

use super::{away, revoked};
use crate::adapters::store::{MarkKey, MarkKind};
use crate::edge::gateway::token_endpoint::Visit;
use crate::judgement::permit::renewal::Renewal;
use crate::words::refusal::{Reason, Refusal};

/// A family of refresh tokens of ours in the store, and one of its members.
pub(in crate::edge::gateway) struct Family {
    whole: MarkKey,
    member: MarkKey,
    access: Option<(MarkKey, Timestamp)>,
    ends: Timestamp,
}

impl Family {
    /// The family and member that a refresh token stands for.
    pub(in crate::edge::gateway) fn new(renewal: &Renewal) -> Self {
        let (realm, family) = (renewal.realm(), renewal.family());
        let generation = renewal.generation().to_string();
        let access = renewal.token().map(|token| {
            let expires = Timestamp::from_second(token.expires).unwrap_or(Timestamp::MAX);
            (revoked(realm, &token.jti), expires)
        });
        Self {
            whole: MarkKey::new(MarkKind::RefreshFamily, &[realm, family]),
            member: MarkKey::new(MarkKind::RefreshToken, &[realm, family, &generation]),
            access,
            ends: renewal.ends(),
        }
    }

    /// Whether the family was revoked or the member used.
    pub(in crate::edge::gateway) async fn is_spent(&self, visit: Visit<'_>) -> Result<bool, Refusal> {
        let store = &visit.gateway.store;
        let (revoked, used) =
            tokio::try_join!(store.is_marked(&self.whole), store.is_marked(&self.member)).map_err(away)?;
        Ok(revoked || used)
    }

    /// Refuses a refresh token that was used or revoked; one that was used takes its family with it.
    pub(in crate::edge::gateway) async fn check_unused(&self, visit: Visit<'_>) -> Result<(), Refusal> {
        let store = &visit.gateway.store;
        if store.is_marked(&self.whole).await.map_err(away)? {
            return Err(Refusal::new(Reason::RefreshTokenInvalid, "its family was revoked"));
        }
        if store.is_marked(&self.member).await.map_err(away)? { self.reused(visit).await } else { Ok(()) }
    }

    /// Uses the refresh token up, which only one can do.
    pub(in crate::edge::gateway) async fn use_up(&self, visit: Visit<'_>) -> Result<(), Refusal> {
        if visit.gateway.store.claim(&self.member, self.ends).await.map_err(away)? {
            Ok(())
        } else {
            self.reused(visit).await
        }
    }

    /// Revokes the family, and the access token that went out with this member.
    pub(in crate::edge::gateway) async fn revoke(&self, visit: Visit<'_>) -> Result<(), Refusal> {
        visit.gateway.store.mark(&self.whole, self.ends).await.map_err(away)?;
        if let Some((key, expires)) = &self.access {
            visit.gateway.store.mark(key, *expires).await.map_err(away)?;
        }
        Ok(())
    }

    async fn reused(&self, visit: Visit<'_>) -> Result<(), Refusal> {
        self.revoke(visit).await?;
        Err(Refusal::new(Reason::RefreshTokenReused, "it was used before, and its family is revoked now"))
    }
}
