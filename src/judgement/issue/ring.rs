//! The signing keys of a realm through their life: next (published, not yet used), active (signs), retired (published
//! until the last token that it signed has expired).
//!
//! A ring never changes: a rotation is another ring in another generation of the configuration. What changes by
//! itself is only which retired keys are still published, and that follows from `now`.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::key::SigningKey;
use crate::judgement::jose::keys::{KeySet, KeySetError};
use crate::judgement::policy::model::MAX_LIFETIME;

/// The largest clock difference that is tolerated: what RFC 7519 calls "a few minutes" is too much for tokens that
/// live for five.
pub const MAX_LEEWAY: SignedDuration = SignedDuration::from_secs(60);

/// Where a key stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyState {
    /// Published, so that resource servers have it before it signs.
    Next,
    /// Signs.
    Active,
    /// Signs no more; published until its last token has expired.
    Retired,
}

impl KeyState {
    /// The word in `keys.yaml`, in metrics and in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }
}

/// The public half of a key that signs no more, and when it did so last.
#[derive(Clone, Debug)]
pub struct Retired {
    /// JWK with `kid`, `alg` and `use`.
    pub jwk: Value,
    /// When another key took its place.
    pub at: Timestamp,
}

/// Why keys make no ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// The public keys make no key set: two have one `kid`, or there are too many.
    #[error("{0}")]
    Set(#[from] KeySetError),
    /// A public key can't verify a signature.
    #[error("one of the public keys is not fit to verify a signature")]
    Unfit,
}

/// One key of a ring, as far as the public may know it.
#[derive(Clone, Copy, Debug)]
pub struct PublicHalf<'a> {
    /// Its `kid`.
    pub kid: &'a str,
    /// Its `alg`.
    pub algorithm: &'a str,
    /// Where it stands in its life.
    pub state: KeyState,
    /// When it is published no more; only a retired key has an end in sight.
    pub until: Option<Timestamp>,
    /// The whole JWK.
    pub jwk: &'a Value,
}

/// A realm's own keys. Cheap to clone; `Debug` shows what is public.
#[derive(Clone)]
pub struct KeyRing {
    active: Arc<SigningKey>,
    /// Next, active, retired: the order in which they are published.
    keys: Arc<[(KeyState, Option<Timestamp>, Value)]>,
    set: Arc<KeySet>,
}

impl KeyRing {
    /// A ring of the key that signs, public JWKs of keys to come, and retired ones.
    ///
    /// # Errors
    /// When two have the same `kid`, or one can't verify anything.
    pub fn new(active: SigningKey, next: Vec<Value>, retired: Vec<Retired>) -> Result<Self, RingError> {
        let next = next.into_iter().map(|jwk| (KeyState::Next, None, jwk));
        let signing = (KeyState::Active, None, active.jwk().clone());
        let retired = retired.into_iter().map(|key| (KeyState::Retired, Some(gone(key.at)), key.jwk));
        let keys: Arc<[_]> = next.chain([signing]).chain(retired).collect();
        let jwks: Vec<&Value> = keys.iter().map(|(.., jwk)| jwk).collect();
        let set = KeySet::parse(json!({ "keys": jwks }).to_string().as_bytes())?;
        if set.len() != keys.len() {
            return Err(RingError::Unfit);
        }
        Ok(Self { active: Arc::new(active), keys, set: Arc::new(set) })
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

    /// Every key, retired ones included whose time is over.
    pub fn all(&self) -> impl Iterator<Item = PublicHalf<'_>> {
        self.keys.iter().map(|(state, until, jwk)| PublicHalf {
            kid: member(jwk, "kid"),
            algorithm: member(jwk, "alg"),
            state: *state,
            until: *until,
            jwk,
        })
    }

    /// All keys of the ring, retired keys whose time is over included: ask [`Self::holds`] first.
    pub fn key_set(&self) -> &Arc<KeySet> {
        &self.set
    }

    /// Whether a `kid` names a key of the ring whose tokens may still be valid. When a retired key's time is over, every
    /// token that Cambio signed with it has expired; somebody else signed any later token.
    pub fn holds(&self, kid: &str, now: Timestamp) -> bool {
        self.owns(kid) && self.published(now).any(|key| key.kid == kid)
    }

    /// Whether a `kid` names a key of the ring.
    pub fn owns(&self, kid: &str) -> bool {
        self.set.contains(kid)
    }
}

/// One key that signs and nothing else, as one PEM file gives it.
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

/// When a key that was retired at `retired` is needed no more: it signed until then, no token lives longer than the
/// cap, and whoever verifies one may tolerate the leeway.
pub fn gone(retired: Timestamp) -> Timestamp {
    retired.checked_add(MAX_LIFETIME + MAX_LEEWAY).unwrap_or(Timestamp::MAX)
}

fn member<'a>(jwk: &'a Value, name: &str) -> &'a str {
    jwk.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests;
