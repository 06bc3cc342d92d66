//! Cambio's keys of a realm next to the identity provider's, and whether Cambio may sign.
//!
//! A `kid` must name one key. If the identity provider publishes the `kid` of Cambio's key, a resource server could
//! confuse the two keys. Then Cambio neither publishes nor uses its key. Logins continue.

use std::sync::atomic::Ordering;

use jiff::Timestamp;

use crate::adapters::metrics::{Scrape, SigningKeyShown};
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

/// Adds the series of the realm's signing keys.
pub fn write_metrics(realm: &RealmRuntime, scrape: &mut Scrape, now: Timestamp) {
    let Some(ring) = &realm.signing else { return };
    let (upstream, realm) = (realm.jwks.held(), realm.config.name.as_str());
    for PublicHalf { kid, algorithm, state, since, until, .. } in ring.published(now) {
        scrape.signing_key(SigningKeyShown { realm, kid, algorithm, state: state.as_str(), since, ends: until });
    }
    let count = upstream.map_or(0, |upstream| collisions(&upstream, ring, now).count());
    scrape.signing_key_collisions(realm, count);
}

/// Cambio's keys whose `kid` the identity provider publishes.
pub fn collisions<'r>(upstream: &KeySet, own: &'r KeyRing, now: Timestamp) -> impl Iterator<Item = PublicHalf<'r>> {
    own.published(now).filter(|key| upstream.publishes(key.kid))
}
