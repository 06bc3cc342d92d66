//! Cambio's keys of a realm next to the identity provider's, and whether Cambio may sign.
//!
//! A `kid` must name one key. If the identity provider publishes the `kid` of Cambio's key, a resource server could
//! confuse the two keys. Then Cambio neither publishes nor uses its key. Logins continue.

use std::sync::atomic::Ordering;

use jiff::Timestamp;

use crate::edge::gateway::realm_runtime::RealmRuntime;
use crate::judgement::issue::key::SigningKey;
use crate::judgement::issue::ring::{KeyRing, PublicHalf};
use crate::judgement::jose::keys::KeySet;
use crate::words::refusal::{Reason, Refusal};

/// The key with which the realm's tokens are signed.
///
/// # Errors
/// [`Reason::SigningFailed`] if the realm has no key of Cambio's, [`Reason::KeyCollision`] if the identity provider
/// publishes its `kid`, according to the cached keys: nothing is fetched.
pub fn signer(realm: &RealmRuntime) -> Result<&SigningKey, Refusal> {
    let Some(ring) = &realm.signing else {
        let detail = format!("set realms.{}.signingKeys or signingKey in cambio.yaml", realm.config.name);
        return Err(Refusal::new(Reason::SigningFailed, detail));
    };
    let key = ring.active();
    let collides = realm.jwks.held().is_some_and(|upstream| upstream.publishes(key.kid()));
    // Logged once, not with every exchange. Each audit line has the reason.
    if realm.collides.swap(collides, Ordering::Relaxed) != collides && collides {
        tracing::error!(
            realm = %realm.config.name,
            kid = key.kid(),
            "the identity provider publishes the kid of Cambio's signing key: nothing is signed for this realm until one of the keys is rotated"
        );
    }
    if collides {
        let way = format!("cambio keys rotate gives the realm {} another one", realm.config.name);
        return Err(Refusal::new(Reason::KeyCollision, format!("{}: {way}", key.kid())));
    }
    Ok(key)
}

/// Cambio's keys whose `kid` the identity provider publishes.
pub fn collisions<'r>(upstream: &KeySet, own: &'r KeyRing, now: Timestamp) -> impl Iterator<Item = PublicHalf<'r>> {
    own.published(now).filter(|key| upstream.publishes(key.kid))
}
