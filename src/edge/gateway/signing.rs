//! Our keys of a realm beside the identity provider's: what is published, and whether we may sign.
//!
//! A `kid` must name one key. When the identity provider publishes one of ours, a resource server could take its key
//! for ours: then that key of ours is not published, and nothing is signed with it. Logins go on.

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
/// [`Reason::SigningFailed`] when the realm has no key of ours, [`Reason::KeyCollision`] when the identity provider
/// publishes its `kid`, as far as its keys are at hand: nothing is fetched.
pub fn signer(realm: &RealmRuntime) -> Result<&SigningKey, Refusal> {
    let Some(ring) = &realm.signing else {
        let detail = format!("set realms.{}.signingKeys or signingKey in cambio.yaml", realm.config.name);
        return Err(Refusal::new(Reason::SigningFailed, detail));
    };
    let key = ring.active();
    let collides = realm.jwks.held().is_some_and(|upstream| upstream.publishes(key.kid()));
    // Said once, not with every exchange; the audit line says it each time.
    if realm.collides.swap(collides, Ordering::Relaxed) != collides && collides {
        tracing::error!(
            realm = %realm.config.name,
            kid = key.kid(),
            "the identity provider publishes the kid of our signing key: nothing is signed for this realm until one of the two is rotated"
        );
    }
    if collides {
        let way = format!("cambio keys rotate gives the realm {} another one", realm.config.name);
        return Err(Refusal::new(Reason::KeyCollision, format!("{}: {way}", key.kid())));
    }
    Ok(key)
}

/// The keys of ours whose `kid` the identity provider publishes.
pub fn collisions<'r>(upstream: &KeySet, ours: &'r KeyRing, now: Timestamp) -> impl Iterator<Item = PublicHalf<'r>> {
    ours.published(now).filter(|key| upstream.publishes(key.kid))
}
