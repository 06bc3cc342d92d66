//! Who asks, found out: the pure check of `client::verify` with what it needs from outside. Keys are fetched, slow
//! hashes run beside the event loop, used assertions are remembered in the store, and for clients that the configuration
//! does not know, the identity provider is asked.

mod remembered;
mod upstream;

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use jiff::SignedDuration;
use tokio::sync::Semaphore;

use self::remembered::{Finding, Remembered};
use crate::adapters::jwks::JwksError;
use crate::adapters::metrics::Outcome;
use crate::adapters::store::{MarkKey, MarkKind};
use crate::edge::gateway::evidence::certificate;
use crate::edge::gateway::generation::RealmState;
use crate::edge::gateway::token_endpoint::Visit;
use crate::judgement::client::credentials::Credentials;
use crate::judgement::client::registry::{ClientKeys, Method, Unregistered};
use crate::judgement::client::verify::{Evidence, Judged, Needs, Once, Proven, Slow, candidates, verify};
use crate::judgement::jose::keys::KeySet;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// How long a secret whose slow hash fitted is remembered.
const SLOW_FOR: SignedDuration = SignedDuration::from_secs(60);
/// Longest wait for a slow hash's turn.
const TURN: Duration = Duration::from_secs(5);
/// Most slow hashes at one time: each takes a processor, and megabytes.
const MOST_AT_ONCE: usize = 4;

/// What client authentication keeps from one request to the next.
#[derive(Debug)]
pub(super) struct Authenticator {
    remembered: Remembered,
    turns: Arc<Semaphore>,
}

impl Authenticator {
    pub(super) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Self { remembered: Remembered::new(), turns: Arc::new(Semaphore::new(processors.min(MOST_AT_ONCE))) }
    }
}

/// Proves that the client is who it says, once per request: an assertion is spent by it.
///
/// # Errors
/// `client_unauthenticated` and `client_assertion_replayed` where it is not, `client_authentication_unavailable` and
/// `store_unavailable` where that can't be found out.
pub async fn client(
    visit: Visit<'_>,
    realm: &RealmState,
    credentials: &Credentials,
    head: &Parts,
) -> Result<Proven, Refusal> {
    let result = judge(visit, realm, credentials, head).await;
    let registered = realm.config.clients.methods(credentials.client_id()).is_some();
    let (method, outcome) = match &result {
        Ok(proven) => (proven.by().name(), Outcome::Allowed),
        Err(refusal) => (
            if registered { credentials.method().name() } else { "upstream" },
            match refusal.reason {
                Reason::ClientUnauthenticated | Reason::ClientAssertionReplayed => Outcome::Denied,
                _ => Outcome::Failed,
            },
        ),
    };
    visit.gateway.metrics.client_authenticated(&realm.config.name, method, outcome);
    result
}

async fn judge(
    visit: Visit<'_>,
    realm: &RealmState,
    credentials: &Credentials,
    head: &Parts,
) -> Result<Proven, Refusal> {
    let clients = &realm.config.clients;
    let (keys, missing) = keys(visit, realm, credentials).await;
    let certificate = certificate::of(visit, head)?;
    let evidence =
        Evidence { certificate: certificate.as_deref(), keys: &keys, leeway: realm.config.tokens.leeway };
    let judged = verify(credentials, clients, &evidence, visit.gateway.clock.now());
    match judged {
        Ok(Judged::Proven(proven)) => Ok(proven),
        Ok(Judged::Once(once)) => spend(visit, realm, once).await,
        Ok(Judged::Slow(slow)) => at_leisure(visit, slow).await,
        Ok(Judged::ByUpstream) => match clients.unregistered {
            Unregistered::Upstream { cache_for } => {
                upstream::judge(visit, realm, credentials, head, cache_for).await
            }
            Unregistered::Refused => Err(Refusal::new(Reason::Internal, "nobody judges the client")),
        },
        // It may have been right, by keys that were not there.
        Err(refusal) => match missing {
            Some(error) if refusal.reason != Reason::ClientAssertionReplayed => {
                Err(Refusal::new(Reason::ClientAuthenticationUnavailable, error.to_string()))
            }
            _ => Err(refusal),
        },
    }
}

/// The keys that the client's methods take, by the methods' index, and the last reason for which some are missing.
async fn keys(
    visit: Visit<'_>,
    realm: &RealmState,
    credentials: &Credentials,
) -> (Vec<(usize, Arc<KeySet>)>, Option<JwksError>) {
    let (mut found, mut missing) = (Vec::new(), None);
    let clients = &realm.config.clients;
    let methods = clients.methods(credentials.client_id()).unwrap_or_default();
    for candidate in candidates(credentials, clients) {
        let (jwks, kid) = match (candidate.needs, methods.get(candidate.index)) {
            (Needs::ClientKeys { kid }, Some(Method::PrivateKeyJwt { keys: ClientKeys::Url(url), .. })) => {
                (realm.client_keys(url), kid)
            }
            (Needs::IssuerKeys { issuer, kid }, _) => (visit.state.issuer_keys(&issuer), kid),
            _ => continue,
        };
        let Some(jwks) = jwks else { continue };
        match jwks.keys(kid.as_deref()).await {
            Ok(keys) => found.push((candidate.index, keys)),
            Err(error) => missing = Some(error),
        }
    }
    (found, missing)
}

/// An assertion's one use (RFC 7523 section 3, OpenID Connect Core section 9).
async fn spend(visit: Visit<'_>, realm: &RealmState, once: Once) -> Result<Proven, Refusal> {
    let key = MarkKey::new(MarkKind::ClientAssertion, &[&realm.config.name, once.client_id(), once.jti()]);
    let first = visit.gateway.store.claim(&key, once.until()).await;
    let first = first.map_err(|error| Refusal::new(Reason::StoreUnavailable, error.to_string()))?;
    once.claimed(first)
}

/// A slow hash, computed where it holds nobody up, a few at a time; what fitted is remembered for a minute.
async fn at_leisure(visit: Visit<'_>, slow: Slow) -> Result<Proven, Refusal> {
    let Authenticator { remembered, turns } = &visit.gateway.authenticator;
    let inputs = slow.inputs();
    let parts: Vec<&str> = std::iter::once("hash").chain(inputs.iter().map(Secret::expose)).collect();
    let now = || visit.gateway.clock.now();
    let find = || {
        Box::pin(async {
            let busy = |_| unavailable("too many client secrets wait for their check");
            let turn = tokio::time::timeout(TURN, Arc::clone(turns).acquire_owned()).await.map_err(busy)?;
            let checked = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                slow.run()
            });
            let early = |_| Refusal::new(Reason::Internal, "the check of a client secret ended early");
            checked.await.map_err(early)?
        }) as Finding<'_>
    };
    remembered.or_else(&parts, SLOW_FOR, now, find).await
}

fn unavailable(detail: &str) -> Refusal {
    Refusal::new(Reason::ClientAuthenticationUnavailable, detail)
}

#[cfg(test)]
mod tests;
