//! The signing keys of a realm and their states: a *next* key is published and does not sign yet, the *active* key signs,
//! and a *retired* key is published until the last token that it signed has expired.
//!
//! A ring never changes: a rotation makes another ring in another generation of the configuration. Only `now` decides
//! which retired keys are still published.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::key::SigningKey;
use crate::judgement::jose::keys::{KeySet, KeySetError, MAX_KEYS};
use crate::judgement::policy::model::MAX_LIFETIME;

/// The largest clock difference that Cambio tolerates. The "few minutes" of RFC 7519 are too many for tokens that live for
/// five minutes.
pub const MAX_LEEWAY: SignedDuration = SignedDuration::from_secs(60);

/// The state of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyState {
    /// Published, so that resource servers have it before it signs.
    Next,
    /// Signs tokens.
    Active,
    /// Signs no more, and is published until its last token has expired.
    Retired,
}

impl KeyState {
    /// The state's name in `keys.yaml`, in metrics and in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }
}

/// The public half of a key that signs no more.
#[derive(Clone, Debug)]
pub struct Retired {
    /// JWK with `kid`, `alg` and `use`.
    pub jwk: Value,
    /// The time at which another key replaced the key.
    pub at: Timestamp,
}

/// Why keys can't be a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// The public keys can't be a key set.
    #[error("{0}")]
    Set(#[from] KeySetError),
    /// Two keys have one `kid`.
    #[error("two signing keys have the same kid")]
    RepeatedKid,
    /// More keys than a set may have.
    #[error("there are more than {MAX_KEYS} keys")]
    TooMany,
    /// A public key can't verify a signature.
    #[error("one of the public keys is not fit to verify a signature")]
    Unfit,
}

/// The public half of a key of a ring.
#[derive(Clone, Copy, Debug)]
pub struct PublicHalf<'a> {
    /// The key's `kid`.
    pub kid: &'a str,
    /// The key's `alg`.
    pub algorithm: &'a str,
    /// The key's state.
    pub state: KeyState,
    /// When the key came into its state, if that is known.
    pub since: Option<Timestamp>,
    /// The time from which a retired key is not published; `None` for other keys.
    pub until: Option<Timestamp>,
    /// The whole JWK.
    pub jwk: &'a Value,
}

/// A realm's own keys. Cheap to clone; `Debug` shows what is public.
#[derive(Clone)]
pub struct KeyRing {
    active: Arc<SigningKey>,
    /// The keys in the order in which they are published: next, active, retired.
    keys: Arc<[(KeyState, Option<Timestamp>, Value)]>,
    set: Arc<KeySet>,
    /// `kid` → when the key came into its state
    since: Arc<BTreeMap<String, Timestamp>>,
}

impl KeyRing {
    /// A ring of the active key, the public JWKs of next keys, and retired keys.
    ///
    /// # Errors
    /// If two keys have one `kid`, or a key can't verify a signature.
    pub fn new(active: SigningKey, next: Vec<Value>, retired: Vec<Retired>) -> Result<Self, RingError> {
        let next = next.into_iter().map(|jwk| (KeyState::Next, None, jwk));
        let signing = (KeyState::Active, None, active.jwk().clone());
        let retired = retired.into_iter().map(|key| (KeyState::Retired, Some(gone(key.at)), key.jwk));
        let keys: Arc<[_]> = next.chain([signing]).chain(retired).collect();
        let kids: BTreeSet<&str> = keys.iter().map(|(.., jwk)| member(jwk, "kid")).collect();
        if kids.len() != keys.len() {
            return Err(RingError::RepeatedKid);
        }
        if keys.len() > MAX_KEYS {
            return Err(RingError::TooMany);
        }
        let jwks: Vec<&Value> = keys.iter().map(|(.., jwk)| jwk).collect();
        let set = KeySet::parse(json!({ "keys": jwks }).to_string().as_bytes())?;
        if set.len() != keys.len() {
            return Err(RingError::Unfit);
        }
        Ok(Self { active: Arc::new(active), keys, set: Arc::new(set), since: Arc::default() })
    }

    /// The ring with the times at which its keys came into their states, by `kid`.
    #[must_use]
    pub fn dated(self, since: BTreeMap<String, Timestamp>) -> Self {
        Self { since: Arc::new(since), ..self }
    }

    /// The key that signs.
    pub fn active(&self) -> &SigningKey {
        &self.active
    }

    /// The keys that resource servers must find in the realm's key set at `now`: next keys, the active key, and each
    /// retired key until its last token has expired.
    pub fn published(&self, now: Timestamp) -> impl Iterator<Item = PublicHalf<'_>> {
        self.all().filter(move |key| key.until.is_none_or(|until| now < until))
    }

    /// Every key, also retired keys that are not published any more.
    pub fn all(&self) -> impl Iterator<Item = PublicHalf<'_>> {
        self.keys.iter().map(|(state, until, jwk)| PublicHalf {
            kid: member(jwk, "kid"),
            algorithm: member(jwk, "alg"),
            state: *state,
            since: self.since.get(member(jwk, "kid")).copied(),
            until: *until,
            jwk,
        })
    }

    /// The set of all keys, also of retired keys that are not published any more: ask [`Self::holds`] first.
    pub fn key_set(&self) -> &Arc<KeySet> {
        &self.set
    }

    /// Whether a `kid` names a published key of the ring. Once a retired key is not published any more, every token that
    /// Cambio signed with the key has expired; somebody else signed any later token.
    pub fn holds(&self, kid: &str, now: Timestamp) -> bool {
        self.owns(kid) && self.published(now).any(|key| key.kid == kid)
    }

    /// Whether a `kid` names a key of the ring.
    pub fn owns(&self, kid: &str) -> bool {
        self.set.contains(kid)
    }
}

/// A ring with only an active key, from one PEM file.
impl TryFrom<SigningKey> for KeyRing {
    type Error = RingError;

    fn try_from(active: SigningKey) -> Result<Self, RingError> {
        Self::new(active, Vec::new(), Vec::new())
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.all().map(|key| (key.kid, key.state))).finish()
    }
}

/// The time from which a key that was retired at `retired` is not needed: its last token has expired by then, even for
/// verifiers that tolerate the leeway.
pub fn gone(retired: Timestamp) -> Timestamp {
    retired.checked_add(MAX_LIFETIME + MAX_LEEWAY).unwrap_or(Timestamp::MAX)
}

fn member<'a>(jwk: &'a Value, name: &str) -> &'a str {
    jwk.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests;
