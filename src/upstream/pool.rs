//! Connections that wait for their next request.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

use crate::body::Body;

/// As many idle connections as the peers are measured with; more are closed.
const MAX_IDLE: usize = 256;

/// Far below Keycloak's own idle limit (Quarkus: 30 minutes), so that we hang up first. A server that hangs up earlier
/// is noticed when it does, because the connection goes on being read; what remains is the moment in between.
const MAX_IDLE_TIME: Duration = Duration::from_secs(90);

/// The idle connections; the one used last is used first, so that the rest can grow old.
#[derive(Debug)]
pub(crate) struct Pool {
    idle: Mutex<VecDeque<Idle>>,
    pruner: Once,
}

impl Default for Pool {
    fn default() -> Self {
        Self { idle: Mutex::default(), pruner: Once::new() }
    }
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<Body>,
    since: Instant,
}

/// A connection in use. Dropped, it closes; released, it waits in the pool.
#[derive(Debug)]
pub(crate) struct Lease {
    sender: SendRequest<Body>,
    pool: Arc<Pool>,
}

impl Lease {
    /// A new connection that will return to this pool.
    pub(crate) fn new(sender: SendRequest<Body>, pool: &Arc<Pool>) -> Self {
        pool.pruner.call_once(|| pool.keep_pruned());
        Self { sender, pool: Arc::clone(pool) }
    }

    /// The connection.
    pub(crate) fn sender(&mut self) -> &mut SendRequest<Body> {
        &mut self.sender
    }

    /// Hands the connection back after an answer was read to its end.
    pub(crate) fn release(self) {
        if !self.sender.is_closed() {
            self.pool.put(self.sender);
        }
    }
}

impl Pool {
    /// The connection used last that is ready now. One that is open but not ready (its request is still being
    /// uploaded although the answer is complete) stays for later.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Lease> {
        let mut idle = self.lock();
        let mut index = idle.len();
        while index > 0 {
            index -= 1;
            let Some(candidate) = idle.get(index) else { continue };
            if candidate.sender.is_closed() {
                idle.remove(index);
            } else if candidate.sender.is_ready() {
                let taken = idle.remove(index)?;
                drop(idle);
                return Some(Lease { sender: taken.sender, pool: Arc::clone(self) });
            }
        }
        None
    }

    fn put(&self, sender: SendRequest<Body>) {
        let mut idle = self.lock();
        if idle.len() >= MAX_IDLE {
            idle.pop_front();
        }
        idle.push_back(Idle { sender, since: Instant::now() });
    }

    /// Closes what waited too long.
    fn prune(&self) {
        self.lock().retain(|idle| !idle.sender.is_closed() && idle.since.elapsed() < MAX_IDLE_TIME);
    }

    /// How many connections wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Prunes now and then, until the last user of the pool is gone.
    fn keep_pruned(self: &Arc<Self>) {
        let pool = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(MAX_IDLE_TIME / 6).await;
                let Some(pool) = pool.upgrade() else { return };
                pool.prune();
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Idle>> {
        // Nothing panics while it is held, and a list of connections is sound in any state.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
