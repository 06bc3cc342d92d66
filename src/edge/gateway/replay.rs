//! What may be used once and what was revoked, in the store: subject tokens, access tokens that Cambio signed, and families
//! of refresh tokens, whose members are good for one use each.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::case::Case;
use crate::adapters::store::{MarkKey, MarkKind, MarkStore, StoreError};
use crate::judgement::jose::claims;
use crate::judgement::jose::verify::VerifiedToken;
use crate::judgement::permit::renewal::{RefreshEnds, Renewal};
use crate::judgement::policy::claim_names::REFRESH_FAMILY;
use crate::judgement::policy::model::MAX_LIFETIME;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// Most bytes of a `jti`.
const MAX_JTI: usize = 1024;

/// A family of refresh tokens in the store, and one of its members.
pub struct RefreshFamily {
    whole: MarkKey,
    member: MarkKey,
    replacement: MarkKey,
    successor: MarkKey,
    /// The whole family's id, and the position of the member that follows.
    next: (String, u32),
    /// When the member ends, and when the whole family does.
    ends: RefreshEnds,
}

/// What the store says about a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberState {
    /// It can be used.
    Unused,
    /// It was used before.
    Used,
    /// Its family was revoked.
    Revoked,
}

impl RefreshFamily {
    /// The family and member that a refresh token stands for.
    pub fn new(renewal: &Renewal) -> Self {
        let (realm, family) = (renewal.realm(), renewal.family());
        let generation = renewal.generation().to_string();
        Self {
            whole: family_key(realm, family),
            member: MarkKey::new(MarkKind::RefreshToken, &[realm, family, &generation]),
            replacement: MarkKey::new(MarkKind::RefreshReplacement, &[realm, family, &generation]),
            successor: MarkKey::new(MarkKind::RefreshSuccessor, &[realm, family, &generation]),
            next: (family.to_owned(), renewal.generation().saturating_add(1)),
            ends: RefreshEnds { token: renewal.ends(), family: renewal.family_ends() },
        }
    }

    /// The name of the member in the store.
    pub fn member(&self) -> &MarkKey {
        &self.member
    }

    /// Whether the member can be used.
    ///
    /// # Errors
    /// [`Reason::StoreUnavailable`]
    pub async fn state(&self, store: &MarkStore) -> Result<MemberState, Refusal> {
        let looks = tokio::try_join!(store.is_marked(&self.whole), store.is_marked(&self.member));
        Ok(match looks.map_err(store_unavailable)? {
            (true, _) => MemberState::Revoked,
            (false, true) => MemberState::Used,
            (false, false) => MemberState::Unused,
        })
    }

    /// The refresh token, encrypted, that stands in the place of this one: an earlier refresh failed after the identity
    /// provider had replaced its own refresh token.
    ///
    /// # Errors
    /// [`Reason::StoreUnavailable`]
    pub async fn replacement(&self, store: &MarkStore) -> Result<Option<Secret>, Refusal> {
        Ok(store.kept(&self.replacement).await.map_err(store_unavailable)?.map(Secret::new))
    }

    /// Remembers the refresh token that stands in the place of this one, until this one is used up. Without it, a refresh
    /// that fails after this would end the session.
    pub async fn replace(&self, token: &Secret, store: &MarkStore) {
        if let Err(error) = store.keep(&self.replacement, token.expose(), self.ends.token).await {
            tracing::warn!(%error, "the identity provider's new refresh token is lost if this refresh fails");
        }
    }

    /// Remembers the refresh token that follows this one, encrypted. Until then, this one can be used again.
    pub async fn followed_by(&self, next: &Secret, until: Timestamp, store: &MarkStore) {
        let text = format!("{} {}", until.as_millisecond(), next.expose());
        if let Err(error) = store.keep(&self.successor, &text, until).await {
            tracing::warn!(%error, "a refresh token can't be used again: the store did not take the next one");
        }
    }

    /// The refresh token that follows this one, if this one can still be used again.
    ///
    /// # Errors
    /// [`Reason::StoreUnavailable`]
    pub async fn successor(&self, now: Timestamp, store: &MarkStore) -> Result<Option<Secret>, Refusal> {
        let kept = store.kept(&self.successor).await.map_err(store_unavailable)?;
        // The store keeps entries for longer than asked.
        let fresh = |kept: String| {
            let (until, token) = kept.split_once(' ')?;
            let is_fresh = until.parse::<i64>().is_ok_and(|until| now.as_millisecond() < until);
            is_fresh.then(|| Secret::new(token))
        };
        Ok(kept.and_then(fresh))
    }

    /// Whether a refresh token comes right after this one.
    pub fn is_followed_by(&self, renewal: &Renewal) -> bool {
        self.next.0 == renewal.family() && self.next.1 == renewal.generation()
    }

    /// Uses up the refresh token, which only one request can do. The others began before this one was answered, so
    /// they are no sign of theft.
    ///
    /// # Errors
    /// [`Reason::RefreshTokenRaced`], [`Reason::StoreUnavailable`]
    pub async fn use_up(&self, store: &MarkStore) -> Result<(), Refusal> {
        if !store.claim(&self.member, self.ends.token).await.map_err(store_unavailable)? {
            return Err(raced());
        }
        // If this fails, the entry stays until its time is over. Nobody can use it: the member is used up.
        let _ = store.forget(&self.replacement).await;
        Ok(())
    }

    /// Revokes the family, with every access token that came with one of its members. The last of them may live for
    /// [`MAX_LIFETIME`] after the last refresh.
    ///
    /// # Errors
    /// [`Reason::StoreUnavailable`]
    pub async fn revoke(&self, store: &MarkStore) -> Result<(), Refusal> {
        let until = self.ends.family.saturating_add(MAX_LIFETIME).unwrap_or(Timestamp::MAX);
        store.mark(&self.whole, until).await.map_err(store_unavailable)
    }
}

/// The refusal of a refresh that another request overtook.
pub fn raced() -> Refusal {
    Refusal::new(Reason::RefreshTokenRaced, "another request used it while this one was being answered")
}

impl Case<'_> {
    /// Whether a token that Cambio signed was revoked at the realm, alone or with its family of refresh tokens.
    ///
    /// # Errors
    /// [`Reason::StoreUnavailable`]: then the token must not be accepted.
    pub async fn is_revoked(&self, token: &Secret, verified: &VerifiedToken) -> Result<bool, Refusal> {
        let (store, realm) = (&self.services.store, &self.realm.config.name);
        let alone = revoked_key(realm, &token_id(token, verified));
        let Some(family) = verified.claims().get(REFRESH_FAMILY).and_then(Value::as_str) else {
            return store.is_marked(&alone).await.map_err(store_unavailable);
        };
        let whole = family_key(realm, family);
        let marks = tokio::try_join!(store.is_marked(&alone), store.is_marked(&whole));
        marks.map(|(alone, whole)| alone || whole).map_err(store_unavailable)
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
    /// the token has expired. The token is spent at the last moment before the new token leaves. If then none leaves,
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

/// The key of a family of refresh tokens.
fn family_key(realm: &str, family: &str) -> MarkKey {
    MarkKey::new(MarkKind::RefreshFamily, &[realm, family])
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
    if !token.states_expiry() {
        return Err(wrong("oneTime: the token has no exp, so its use would have to be remembered for ever"));
    }
    if jti.len() > MAX_JTI {
        return Err(wrong("oneTime: the token's jti is longer than 1024 bytes"));
    }
    Ok(MarkKey::new(MarkKind::SubjectToken, &[issuer, jti]))
}
