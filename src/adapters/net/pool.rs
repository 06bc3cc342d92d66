//! Idle connections with requests of body type `B`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

use crate::adapters::net::turns::Turn;
use crate::adapters::net::wire::WireState;

/// Most idle connections, as many as the proxies that Cambio is compared with keep.
const MAX_IDLE: usize = 256;

/// Idle connections that a steady load needs. What a burst leaves beyond them is closed soon, because each holds
/// buffers.
const KEPT: usize = 32;
const SPARE_TIME: Duration = Duration::from_secs(5);

/// How often the pool looks for connections that waited too long.
const PRUNING: Duration = Duration::from_secs(5);

/// Far below Keycloak's own idle limit (Quarkus: 30 minutes), so that Cambio closes first. If a server closes earlier,
/// Cambio notices at once, because idle connections are still read; only a race of milliseconds remains.
const MAX_IDLE_TIME: Duration = Duration::from_secs(90);

/// Idle connections. The connection used last is reused first, so that the others can expire.
#[derive(Debug)]
pub(crate) struct Pool<B> {
    idle: Mutex<VecDeque<Idle<B>>>,
    pruner: Once,
}

impl<B> Default for Pool<B> {
    fn default() -> Self {
        Self { idle: Mutex::default(), pruner: Once::new() }
    }
}

#[derive(Debug)]
struct Idle<B> {
    sender: SendRequest<B>,
    wire: Arc<WireState>,
    since: Instant,
}

/// How long a connection, whose answer is complete, may take until it is ready for somebody who waits.
const READY_TIME: Duration = Duration::from_secs(1);

/// A connection in use, and the turn that it is used in. [`Lease::release`] returns the connection to the pool. A drop
/// returns it if it was not used, and closes it otherwise.
#[derive(Debug)]
pub(crate) struct Lease<B: Send + 'static> {
    held: Option<Held<B>>,
    pool: Arc<Pool<B>>,
}

#[derive(Debug)]
struct Held<B> {
    sender: SendRequest<B>,
    wire: Arc<WireState>,
    turn: Turn,
    used: bool,
}

impl<B: Send + 'static> Drop for Lease<B> {
    fn drop(&mut self) {
        if self.held.as_ref().is_some_and(|held| !held.used) {
            self.put_back();
        }
    }
}

impl<B: Send + 'static> Lease<B> {
    /// A new connection that will return to this pool.
    pub(crate) fn new(sender: SendRequest<B>, wire: Arc<WireState>, turn: Turn, pool: &Arc<Pool<B>>) -> Self {
        pool.pruner.call_once(|| pool.keep_pruned());
        Self { held: Some(Held { sender, wire, turn, used: false }), pool: Arc::clone(pool) }
    }

    /// The connection, for a request. If `recorded`, what is written can be read back. `None`: it was given away.
    pub(crate) fn sender(&mut self, recorded: bool) -> Option<&mut SendRequest<B>> {
        let held = self.held.as_mut()?;
        held.used = true;
        held.wire.ask(recorded);
        Some(&mut held.sender)
    }

    /// What was recorded of a request of whose answer no byte has come.
    pub(crate) fn lost_request(&self) -> Option<Vec<u8>> {
        self.held.as_ref()?.wire.lost_request()
    }

    /// The turn alone. The connection is closed.
    pub(crate) fn into_turn(mut self) -> Option<Turn> {
        Some(self.held.take()?.turn)
    }

    /// Gives the connection to another protocol. It never returns to the pool. The turn lasts as long as the tunnel.
    pub(crate) fn into_tunnel(mut self) -> Option<Turn> {
        let held = self.held.take()?;
        held.wire.begin_tunnel();
        Some(held.turn)
    }

    /// Returns the connection to the pool, after an answer was read to its end.
    pub(crate) fn release(mut self) {
        self.put_back();
    }

    fn put_back(&mut self) {
        let Some(Held { mut sender, wire, turn, .. }) = self.held.take() else { return };
        if sender.is_closed() || wire.is_deaf() {
            return;
        }
        let pool = Arc::clone(&self.pool);
        if sender.is_ready() || !turn.is_awaited() {
            pool.put(sender, wire);
            drop(turn);
            return;
        }
        // The next in the queue would meet a connection that is not ready, and make a new one.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Ok(Ok(())) = tokio::time::timeout(READY_TIME, sender.ready()).await {
                    pool.put(sender, wire);
                }
                drop(turn);
            });
        }
    }
}

impl<B: Send + 'static> Pool<B> {
    /// The connection used last that is ready now; without one, the turn comes back. A connection that is open but not ready
    /// stays in the pool: its request is still being uploaded although the answer is complete.
    pub(crate) fn take(self: &Arc<Self>, turn: Turn) -> Result<Lease<B>, Turn> {
        let mut idle = self.lock();
        let mut index = idle.len();
        while index > 0 {
            index -= 1;
            let Some(candidate) = idle.get(index) else { continue };
            if candidate.sender.is_closed() {
                idle.remove(index);
            } else if candidate.sender.is_ready() {
                let Some(Idle { sender, wire, .. }) = idle.remove(index) else { break };
                let held = Held { sender, wire, turn, used: false };
                return Ok(Lease { held: Some(held), pool: Arc::clone(self) });
            }
        }
        Err(turn)
    }

    fn put(&self, sender: SendRequest<B>, wire: Arc<WireState>) {
        let mut idle = self.lock();
        if idle.len() >= MAX_IDLE {
            idle.pop_front();
        }
        idle.push_back(Idle { sender, wire, since: Instant::now() });
    }

    /// Closes connections that waited too long.
    fn prune(&self) {
        let mut idle = self.lock();
        let mut spare = idle.len().saturating_sub(KEPT);
        idle.retain(|idle| {
            let limit = if spare > 0 { SPARE_TIME } else { MAX_IDLE_TIME };
            // The oldest are at the front.
            spare = spare.saturating_sub(1);
            !idle.sender.is_closed() && idle.since.elapsed() < limit
        });
    }

    /// How many connections wait.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.lock().len()
    }

    /// Prunes at intervals, until the last user of the pool is gone.
    fn keep_pruned(self: &Arc<Self>) {
        let pool = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(PRUNING).await;
                let Some(pool) = pool.upgrade() else { return };
                pool.prune();
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Idle<B>>> {
        // Nothing panics while the lock is held, and a list of connections is valid in any state.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::Empty;
    use hyper::client::conn::http1;
    use hyper_util::rt::TokioIo;
    use tokio::io::duplex;
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_a_burst_leaves_goes_before_the_rest() {
        let pool = Pool::<Empty<Bytes>>::default();
        let mut ends = Vec::new();
        for _ in 0..KEPT + 8 {
            let (end, peer) = duplex(64);
            let (sender, connection) = http1::handshake(TokioIo::new(end)).await.unwrap();
            ends.push((tokio::spawn(connection), peer));
            pool.put(sender, Arc::default());
        }
        pool.prune();
        assert_eq!(pool.len(), KEPT + 8);
        advance(SPARE_TIME).await;
        pool.prune();
        assert_eq!(pool.len(), KEPT);
        advance(MAX_IDLE_TIME).await;
        pool.prune();
        assert_eq!(pool.len(), 0);
    }
}
