//! What may be used once and what was revoked, in the store: subject tokens, access tokens that Cambio signed, and families
//! of refresh tokens, whose members are good for one use each.

use jiff::{SignedDuration, Timestamp};

use super::case::Case;
use crate::adapters::store::{MarkKey, MarkKind, MarkStore, StoreError};
use crate::judgement::jose::claims;
use crate::judgement::jose::verify::VerifiedToken;
use crate::judgement::permit::renewal::Renewal;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// Most bytes of a `jti`.
const MAX_JTI: usize = 1024;

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

    /// Refuses a refresh token that was used or revoked. The family of a used refresh token is revoked.
    pub async fn check_unused(&self, store: &MarkStore) -> Result<(), Refusal> {
        if store.is_marked(&self.whole).await.map_err(store_unavailable)? {
            return Err(Refusal::new(Reason::RefreshTokenInvalid, "its family was revoked"));
        }
        if store.is_marked(&self.member).await.map_err(store_unavailable)? { self.reused(store).await } else { Ok(()) }
    }

    /// Uses up the refresh token, which only one request can do.
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

impl Case<'_> {
    /// Whether the token with this id was revoked at the realm.
    ///
    /// # Errors
    /// [`Reason::StoreUnavailable`]: then the token must not be accepted.
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

    /// Spends a subject token of `issuer` (its `iss`): the first exchange passes, and every other is refused until
    /// the token has expired. The token is spent at the last moment before a token is issued. If then none is issued,
    /// the subject token stays spent, because returning it could let two exchanges pass.
    ///
    /// # Errors
    /// The token has no `jti`, it was spent before, or the store does not answer.
    pub async fn spend_subject_token(
        &self,
        issuer: &str,
        token: &VerifiedToken,
        leeway: SignedDuration,
    ) -> Result<(), Refusal> {
        let key = subject_token_key(issuer, token)?;
        let until = token.expires().saturating_add(leeway).unwrap_or(token.expires());
        match self.services.store.claim(&key, until).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refusal::new(Reason::SubjectTokenUsed, "oneTime: the token's jti was used before")),
            Err(error) => Err(Refusal::new(Reason::StoreUnavailable, format!("oneTime: {error}"))),
        }
    }
}

/// The id of a token in the store: its `jti`, or its digest if it has none.
pub fn token_id(token: &Secret, verified: &VerifiedToken) -> String {
    match claims::string(verified.claims(), "jti") {
        Ok(Some(jti)) if !jti.is_empty() => jti.to_owned(),
        _ => token.sha256(),
    }
}

/// The key of a revoked token.
fn revoked_key(realm: &str, token_id: &str) -> MarkKey {
    MarkKey::new(MarkKind::RevokedToken, &[realm, token_id])
}

/// The refusal of a request for which the store must be asked.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn store_unavailable(error: StoreError) -> Refusal {
    Refusal::new(Reason::StoreUnavailable, error.to_string())
}

/// The name of a subject token in the store (RFC 7519 section 4.1.7: a `jti` is unique within its issuer).
fn subject_token_key(issuer: &str, token: &VerifiedToken) -> Result<MarkKey, Refusal> {
    let wrong = |detail: &str| Refusal::new(Reason::SubjectTokenClaims, detail);
    let jti = claims::string(token.claims(), "jti").map_err(|error| wrong(&error.to_string()))?;
    let jti = jti
        .filter(|jti| !jti.is_empty())
        .ok_or_else(|| wrong("oneTime: the token has no jti, so its use can't be remembered"))?;
    if jti.len() > MAX_JTI {
        return Err(wrong("oneTime: the token's jti is longer than 1024 bytes"));
    }
    Ok(MarkKey::new(MarkKind::SubjectToken, &[issuer, jti]))
}
