//! One budget of memory for everything that callers make Cambio hold.
//!
//! The rule of the shares: a peer may hold at most as many bytes as are free, so one peer alone gets half of the budget, two
//! get a third each, and whoever holds most is refused first. The last eighth of the budget is for small bodies.
//!
//! All counters are atomic, and nothing waits: whoever gets no memory is refused at once.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use bytes::{Bytes, BytesMut};

use crate::adapters::peer::network;

/// Bytes up to which a body is small.
pub(crate) const SMALL: usize = 16 * 1024;

/// Counters of peers. A peer has the counter to which a secret hash of its address leads, so that the counters need neither
/// locks nor eviction. Peers that meet there count as one peer.
const COUNTERS: usize = 8192;

/// The bytes that callers may make Cambio hold, and those that they do.
pub struct MemoryBudget {
    total: usize,
    held: AtomicUsize,
    peers: Box<[AtomicUsize]>,
    hasher: RandomState,
}

/// Whether a request for memory may use the last eighth of the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It may.
    Small,
    /// It may not.
    Large,
}

/// The budget is used up, or the peer's share of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the budget of memory is used up")]
pub struct BudgetExhausted;

impl MemoryBudget {
    /// A budget of so many bytes.
    pub fn of(total: usize) -> Arc<Self> {
        Arc::new(Self::with_counters(total, COUNTERS))
    }

    /// A budget that is never used up.
    pub fn unlimited() -> Arc<Self> {
        static UNLIMITED: LazyLock<Arc<MemoryBudget>> =
            LazyLock::new(|| Arc::new(MemoryBudget::with_counters(usize::MAX / 4, 1)));
        Arc::clone(&UNLIMITED)
    }

    fn with_counters(total: usize, counters: usize) -> Self {
        let peers = (0..counters).map(|_| AtomicUsize::new(0)).collect();
        Self { total, held: AtomicUsize::new(0), peers, hasher: RandomState::new() }
    }

    /// The bytes of the budget.
    pub fn total(&self) -> usize {
        self.total
    }

    /// The bytes that are held now.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// The counter of a peer.
    pub(crate) fn counter(&self, peer: IpAddr) -> usize {
        let hash = self.hasher.hash_one(network(peer));
        usize::try_from(hash).unwrap_or_default() % self.peers.len()
    }

    /// Counts bytes for a peer's counter, if its share allows.
    pub(crate) fn take(&self, counter: usize, bytes: usize, claim: Claim) -> Result<(), BudgetExhausted> {
        let Some(peer) = self.peers.get(counter) else { return Err(BudgetExhausted) };
        let held = self.held.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let of_peer = peer.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let within = match claim {
            Claim::Small => self.total,
            Claim::Large => self.total / 8 * 7,
        };
        // The peer's bytes are at most the free ones.
        if held.saturating_add(of_peer) <= within {
            return Ok(());
        }
        self.give_back(counter, bytes);
        Err(BudgetExhausted)
    }

    /// Takes back what [`Self::take`] counted.
    pub(crate) fn give_back(&self, counter: usize, bytes: usize) {
        if let Some(peer) = self.peers.get(counter) {
            peer.fetch_sub(bytes, Ordering::Relaxed);
            self.held.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// The share of a peer.
    pub fn share(self: &Arc<Self>, peer: IpAddr) -> MemoryShare {
        MemoryShare { counter: self.counter(peer), budget: Arc::clone(self) }
    }
}

impl std::fmt::Debug for MemoryBudget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryBudget").field("total", &self.total).field("held", &self.held()).finish_non_exhaustive()
    }
}

/// A peer's share of the budget.
#[derive(Clone, Debug)]
pub struct MemoryShare {
    budget: Arc<MemoryBudget>,
    counter: usize,
}

impl MemoryShare {
    /// The share of somebody who may hold everything, for tests and commands.
    pub fn unlimited() -> Self {
        Self { budget: MemoryBudget::unlimited(), counter: 0 }
    }

    /// Nothing yet.
    pub fn open(&self) -> HeldMemory {
        HeldMemory { share: self.clone(), bytes: 0 }
    }

    /// Takes bytes at once.
    ///
    /// # Errors
    /// The share is used up.
    pub fn take(&self, bytes: usize) -> Result<HeldMemory, BudgetExhausted> {
        let mut held = self.open();
        held.grow_to(bytes)?;
        Ok(held)
    }
}

/// Bytes that count in the budget until this value is dropped.
#[derive(Debug)]
pub struct HeldMemory {
    share: MemoryShare,
    bytes: usize,
}

impl HeldMemory {
    /// Counts `bytes` in all. It never counts fewer than before.
    ///
    /// # Errors
    /// The share is used up. What was counted before stays counted.
    pub fn grow_to(&mut self, bytes: usize) -> Result<(), BudgetExhausted> {
        let more = bytes.saturating_sub(self.bytes);
        if more == 0 {
            return Ok(());
        }
        let claim = if bytes <= SMALL { Claim::Small } else { Claim::Large };
        self.share.budget.take(self.share.counter, more, claim)?;
        self.bytes = bytes;
        Ok(())
    }

    /// The bytes that count.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Data that counts until its last copy is dropped, wherever it waits then to be written.
    pub fn with(self, data: Bytes) -> Bytes {
        if self.bytes == 0 { data } else { Bytes::from_owner(Counted { data, _held: self }) }
    }
}

impl Drop for HeldMemory {
    fn drop(&mut self) {
        if self.bytes != 0 {
            self.share.budget.give_back(self.share.counter, self.bytes);
        }
    }
}

/// A buffer whose capacity counts in the budget.
#[derive(Debug)]
pub struct CountedBuffer {
    data: BytesMut,
    held: HeldMemory,
}

impl CountedBuffer {
    /// An empty buffer.
    pub fn new(share: &MemoryShare) -> Self {
        Self { data: BytesMut::new(), held: share.open() }
    }

    /// Appends data. The capacity doubles, up to `limit` bytes.
    ///
    /// # Errors
    /// The share is used up.
    pub fn extend(&mut self, data: &[u8], limit: usize) -> Result<(), BudgetExhausted> {
        let needed = self.data.len() + data.len();
        if needed > self.data.capacity() {
            let capacity = self.data.capacity().saturating_mul(2).min(limit).max(needed);
            self.held.grow_to(capacity)?;
            self.data.reserve(capacity - self.data.len());
        }
        self.data.extend_from_slice(data);
        Ok(())
    }

    /// The data, which counts until its last copy is dropped.
    pub fn freeze(self) -> Bytes {
        self.held.with(self.data.freeze())
    }
}

impl std::ops::Deref for CountedBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.data
    }
}

struct Counted {
    data: Bytes,
    _held: HeldMemory,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

#[cfg(test)]
mod tests;
