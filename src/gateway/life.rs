//! What becomes of tokens of ours after they were issued: used up, revoked, asked about.

use jiff::Timestamp;

use super::door::Visit;
use super::state::RealmState;
use crate::permit::renewal::Renewal;
use crate::policy::reason::{Reason, Refusal};
use crate::store::{Key, Kind, StoreError};

/// Whether a token of ours with this `jti` was revoked at the realm.
///
/// # Errors
/// [`Reason::StoreUnavailable`]: then nobody may rely on the token.
pub async fn is_revoked(visit: Visit<'_>, realm: &RealmState, jti: &str) -> Result<bool, Refusal> {
    visit.gateway.store.is_marked(&revoked(&realm.config.name, jti)).await.map_err(away)
}

/// Revokes a token of ours until it expires.
pub(super) async fn revoke(
    visit: Visit<'_>,
    realm: &RealmState,
    jti: &str,
    until: Timestamp,
) -> Result<(), Refusal> {
    visit.gateway.store.mark(&revoked(&realm.config.name, jti), until).await.map_err(away)
}

/// A family of refresh tokens of ours in the store, and one of its members.
pub(super) struct Family {
    family: Key,
    member: Key,
    access: Option<(Key, Timestamp)>,
    ends: Timestamp,
}

impl Family {
    /// The family and member that a refresh token stands for.
    pub(super) fn new(renewal: &Renewal) -> Self {
        let (realm, family) = (renewal.realm(), renewal.family());
        let generation = renewal.generation().to_string();
        let access = renewal.token().map(|token| {
            let expires = Timestamp::from_second(token.expires).unwrap_or(Timestamp::MAX);
            (revoked(realm, &token.jti), expires)
        });
        Self {
            family: Key::new(Kind::RefreshFamily, &[realm, family]),
            member: Key::new(Kind::RefreshToken, &[realm, family, &generation]),
            access,
            ends: renewal.ends(),
        }
    }

    /// Whether the family was revoked or the member used.
    pub(super) async fn is_spent(&self, visit: Visit<'_>) -> Result<bool, Refusal> {
        let store = &visit.gateway.store;
        let (revoked, used) =
            tokio::try_join!(store.is_marked(&self.family), store.is_marked(&self.member)).map_err(away)?;
        Ok(revoked || used)
    }

    /// Refuses a refresh token that was used or revoked; one that was used takes its family with it.
    pub(super) async fn check_unused(&self, visit: Visit<'_>) -> Result<(), Refusal> {
        let store = &visit.gateway.store;
        if store.is_marked(&self.family).await.map_err(away)? {
            return Err(Refusal::new(Reason::RefreshTokenInvalid, "its family was revoked"));
        }
        if store.is_marked(&self.member).await.map_err(away)? { self.reused(visit).await } else { Ok(()) }
    }

    /// Uses the refresh token up, which only one can do.
    pub(super) async fn use_up(&self, visit: Visit<'_>) -> Result<(), Refusal> {
        if visit.gateway.store.claim(&self.member, self.ends).await.map_err(away)? {
            Ok(())
        } else {
            self.reused(visit).await
        }
    }

    /// Revokes the family, and the access token that went out with this member.
    pub(super) async fn revoke(&self, visit: Visit<'_>) -> Result<(), Refusal> {
        visit.gateway.store.mark(&self.family, self.ends).await.map_err(away)?;
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

fn revoked(realm: &str, jti: &str) -> Key {
    Key::new(Kind::RevokedToken, &[realm, jti])
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn away(error: StoreError) -> Refusal {
    Refusal::new(Reason::StoreUnavailable, error.to_string())
}
