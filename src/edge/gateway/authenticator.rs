//! What client authentication keeps from one request to the next.

pub(super) mod remembered;

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::Semaphore;

use self::remembered::{Finding, Remembered};
use crate::judgement::client::verify::{AuthenticatedClient, SlowSecret};
use crate::words::clock::Clock;
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
    pub(super) remembered: Remembered,
    pub(super) turns: Arc<Semaphore>,
}

impl Authenticator {
    pub(super) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Self { remembered: Remembered::new(), turns: Arc::new(Semaphore::new(processors.min(MOST_AT_ONCE))) }
    }

    /// Computes a slow hash in the background, where it holds nobody up, a few at a time. A secret that fitted is remembered
    /// for a minute.
    pub(super) async fn hash_in_background(
        &self,
        slow: SlowSecret,
        clock: &Clock,
    ) -> Result<AuthenticatedClient, Refusal> {
        let inputs = slow.inputs();
        let parts: Vec<&str> = std::iter::once("hash").chain(inputs.iter().map(Secret::expose)).collect();
        let find = || {
            Box::pin(async {
                let busy = |_| unavailable("too many client secrets wait for their check");
                let turn = tokio::time::timeout(TURN, Arc::clone(&self.turns).acquire_owned());
                let turn = turn.await.map_err(busy)?;
                let checked = tokio::task::spawn_blocking(move || {
                    let _turn = turn;
                    slow.run()
                });
                let early = |_| Refusal::new(Reason::Internal, "the check of a client secret ended early");
                checked.await.map_err(early)?
            }) as Finding<'_>
        };
        self.remembered.or_else(&parts, SLOW_FOR, || clock.now(), find).await
    }
}

pub(super) fn unavailable(detail: &str) -> Refusal {
    Refusal::new(Reason::ClientAuthenticationUnavailable, detail)
}
