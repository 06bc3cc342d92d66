//! The caller's `DPoP` proof: checked against the request that it came with, and spent.

use http::HeaderValue;
use http::request::Parts;

use crate::adapters::config::{Dpop, NonceSource};
use crate::adapters::store::{MarkKey, MarkKind};
use crate::adapters::upstream::headers::public_origin;
use crate::edge::gateway::generation::RealmState;
use crate::edge::gateway::record::Exit;
use crate::edge::gateway::setup_error::StartError;
use crate::edge::gateway::token_endpoint::Visit;
use crate::judgement::token::dpop::nonce::{MIN_KEY_BYTES, NonceKey};
use crate::judgement::token::dpop::{self, Asked, DpopError, DpopProof, Place, Rules, htu::Htu};
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// The proof that the caller sent with `token`, if it sent one; then the realm's next nonce goes out with the answer.
///
/// # Errors
/// What is wrong with the proof; and that the store can't tell whether it was used before, since a proof that may be
/// somebody else's, sent again, is none.
pub(in crate::edge::gateway) async fn proof(
    visit: Visit<'_>,
    realm: &RealmState,
    head: &Parts,
    (token, place): (&Secret, Place),
    exit: &mut Exit<'_>,
) -> Result<Option<DpopProof>, Refusal> {
    let Some(proof) = dpop::header(&head.headers)? else { return Ok(None) };
    let now = visit.gateway.clock.now();
    let config = &realm.config;
    let nonces = realm.nonces.as_ref().map(|key| key.of(&config.name));
    if let Some(nonces) = nonces {
        // Base64url is always a header value.
        exit.next_nonce(HeaderValue::from_str(&nonces.fresh(now)).ok());
    }
    let url = public_url(visit, head).ok_or(DpopError::Url)?;
    let asked = Asked { method: &head.method, url: &url, token, place };
    let rules = Rules {
        algorithms: &config.dpop.algorithms,
        window: config.dpop.window,
        leeway: config.tokens.leeway,
        nonces,
    };
    let unspent = dpop::check(proof, &asked, &rules, now)?;
    let key = MarkKey::new(MarkKind::DpopProof, &unspent.once());
    let first = visit.gateway.store().claim(&key, unspent.until()).await;
    let first = first.map_err(|error| {
        Refusal::new(
            Reason::StoreUnavailable,
            format!("whether the DPoP proof was used before can't be told: {error}"),
        )
    })?;
    Ok(Some(unspent.spent(first)?))
}

/// The URL by which the caller knows the endpoint.
fn public_url(visit: Visit<'_>, head: &Parts) -> Option<Htu> {
    let origin = public_origin(head, visit.connection)?;
    Htu::parse(&format!("{}://{}{}", origin.scheme(), origin.host.to_str().ok()?, head.uri.path()))
}

/// The key of a realm's nonces: from its file, else the one that the process has, else a new one. `None` where no nonce
/// is demanded.
pub(in crate::edge::gateway) fn nonce_key(
    config: &Dpop,
    previous: Option<&NonceKey>,
) -> Result<Option<NonceKey>, StartError> {
    let secret = match &config.nonce {
        None => return Ok(None),
        Some(NonceSource::Random) => {
            if let Some(key) = previous {
                return Ok(Some(key.clone()));
            }
            let mut secret = vec![0; MIN_KEY_BYTES];
            aws_lc_rs::rand::fill(&mut secret)
                .map_err(|_| StartError::Nonce("no random numbers for a key of DPoP nonces".to_owned()))?;
            secret
        }
        Some(NonceSource::File(path)) => {
            std::fs::read(path).map_err(|error| StartError::File { path: path.clone(), error })?
        }
    };
    let secret = zeroize::Zeroizing::new(secret);
    let key = NonceKey::new(&secret);
    key.map(Some).ok_or_else(|| StartError::Nonce("a nonceKeyFile holds fewer than 32 bytes".to_owned()))
}
