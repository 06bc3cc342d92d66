//! Servers of which any can answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::adapters::config::RedisAddress;
use crate::adapters::store::error::RedisError;

/// Servers that are tried in turn, beginning with the last that answered.
pub(super) struct Turns {
    servers: Vec<RedisAddress>,
    first: AtomicUsize,
    /// Each server's part of the time limit, so that one that hangs leaves time for the others.
    share: Duration,
}

impl Turns {
    pub(super) fn new(servers: &[RedisAddress], timeout: Duration) -> Self {
        let parts = u32::try_from(servers.len() + 1).unwrap_or(u32::MAX);
        Self { servers: servers.to_owned(), first: AtomicUsize::new(0), share: timeout / parts }
    }

    /// Every server once.
    pub(super) fn order(&self) -> impl Iterator<Item = &RedisAddress> {
        let first = self.first.load(Ordering::Relaxed) % self.servers.len().max(1);
        self.servers.iter().cycle().skip(first).take(self.servers.len())
    }

    /// What a server that has its turn does, within its time.
    pub(super) async fn within_turn<T>(
        &self,
        attempt: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, RedisError> {
        let result = tokio::time::timeout(self.share, attempt).await.unwrap_or(Err(RedisError::Timeout));
        if result.is_err() {
            self.skip();
        }
        result
    }

    /// Begins with the next server from now on.
    pub(super) fn skip(&self) {
        self.first.fetch_add(1, Ordering::Relaxed);
    }
}
