//! A bounded number of turns, and a fair queue for them.
//!
//! A caller may have at most as many turns as are free: one alone gets half of them, two get a third each. So callers whose
//! requests never end leave turns for the others.
//!
//! Each asker has a line of its own, and the lines take turns: however many requests one caller has waiting, another
//! caller's first request waits for one of them at most. If too many wait, the longest line loses its last.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use tokio::sync::oneshot;

use crate::adapters::peer::network;

/// Who asks the identity provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Requester {
    /// A caller, by its network.
    Caller(IpNet),
    /// Cambio, for a request that is judged.
    Judgement,
    /// Cambio, to know whether the identity provider answers.
    Probe,
}

impl Requester {
    /// The caller with this address.
    pub fn caller(address: IpAddr) -> Self {
        Self::Caller(network(address))
    }
}

/// No turn came in time, or too many wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoTurn;

/// The turns.
#[derive(Debug)]
pub(crate) struct FairTurns {
    state: Mutex<Queue>,
    /// Most requests that wait.
    room: usize,
}

#[derive(Debug, Default)]
struct Queue {
    free: usize,
    /// How many turns each asker has.
    held: HashMap<Requester, usize>,
    /// The askers with a line, in the order of their next turns.
    order: VecDeque<Requester>,
    lines: HashMap<Requester, VecDeque<Waiter>>,
    waiting: usize,
    last: u64,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    turn: oneshot::Sender<Turn>,
}

/// A turn. Its drop gives the turn to the next in the queue.
#[derive(Debug)]
pub(crate) struct Turn(Option<Holder>);

#[derive(Debug)]
struct Holder {
    turns: Arc<FairTurns>,
    asker: Requester,
}

impl Turn {
    /// Whether somebody waits for it.
    pub(crate) fn is_awaited(&self) -> bool {
        self.0.as_ref().is_some_and(|holder| holder.turns.is_awaited())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(Holder { turns, asker }) = self.0.take() {
            turns.give(asker);
        }
    }
}

/// A place in the queue. Its drop leaves the queue.
struct Place<'a> {
    turns: &'a FairTurns,
    asker: Requester,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        // A waiter holds no turn, so its drop under the lock gives none.
        self.turns.lock().leave(self.asker, self.number);
    }
}

impl FairTurns {
    /// So many turns, and as many places in the queue.
    pub(crate) fn new(turns: usize) -> Self {
        Self { state: Mutex::new(Queue { free: turns, ..Queue::default() }), room: turns }
    }

    /// A turn, for which the asker waits until `limit` at most.
    pub(crate) async fn turn(self: &Arc<Self>, asker: Requester, limit: Duration) -> Result<Turn, NoTurn> {
        let (number, turn) = {
            let mut queue = self.lock();
            if queue.may_take(asker) {
                queue.take(asker);
                return Ok(Turn(Some(Holder { turns: Arc::clone(self), asker })));
            }
            if queue.waiting >= self.room && !queue.shorten(asker) {
                return Err(NoTurn);
            }
            queue.join(asker)
        };
        // A turn that comes in the moment in which the asker leaves is dropped with the receiver, and goes on.
        let _place = Place { turns: self, asker, number };
        match tokio::time::timeout(limit, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(NoTurn),
        }
    }

    /// Whether somebody waits.
    pub(crate) fn is_awaited(&self) -> bool {
        self.lock().waiting > 0
    }

    /// Takes a turn back, and gives what is free to those who wait and may have it.
    fn give(self: Arc<Self>, asker: Requester) {
        let mut queue = self.lock();
        queue.give_back(asker);
        // `next` counts the turn.
        while let Some((asker, waiter)) = queue.next() {
            drop(queue);
            let refused = waiter.turn.send(Turn(Some(Holder { turns: Arc::clone(&self), asker }))).err();
            queue = self.lock();
            // Emptied, so that its drop does not give it once more.
            if refused.is_some_and(|mut turn| turn.0.take().is_some()) {
                queue.give_back(asker);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn join(&mut self, asker: Requester) -> (u64, oneshot::Receiver<Turn>) {
        let (sender, receiver) = oneshot::channel();
        self.last += 1;
        self.waiting += 1;
        let line = self.lines.entry(asker).or_default();
        if line.is_empty() {
            self.order.push_back(asker);
        }
        line.push_back(Waiter { number: self.last, turn: sender });
        (self.last, receiver)
    }

    /// Whether there is a turn for the asker.
    fn may_take(&self, asker: Requester) -> bool {
        let held = || self.held.get(&asker).copied().unwrap_or(0);
        self.free > 0 && (!matches!(asker, Requester::Caller(_)) || held() < self.free)
    }

    fn take(&mut self, asker: Requester) {
        self.free -= 1;
        *self.held.entry(asker).or_default() += 1;
    }

    fn give_back(&mut self, asker: Requester) {
        self.free += 1;
        if let Some(held) = self.held.get_mut(&asker) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&asker);
            }
        }
    }

    /// The first of the next line that may have a turn, which counts as taken.
    fn next(&mut self) -> Option<(Requester, Waiter)> {
        let at = self.order.iter().position(|asker| self.may_take(*asker))?;
        let asker = self.order.remove(at)?;
        let line = self.lines.get_mut(&asker)?;
        let waiter = line.pop_front()?;
        if line.is_empty() {
            self.lines.remove(&asker);
        } else {
            self.order.push_back(asker);
        }
        self.waiting -= 1;
        self.take(asker);
        Some((asker, waiter))
    }

    /// Makes room for an asker at the end of the longest line, unless no line is longer than the asker's own.
    fn shorten(&mut self, asker: Requester) -> bool {
        let own = self.lines.get(&asker).map_or(0, VecDeque::len);
        let longest = self.lines.iter().max_by_key(|(_, line)| line.len());
        let Some((&longest, last)) = longest.and_then(|(asker, line)| Some((asker, line.back()?.number))) else {
            return false;
        };
        if self.lines.get(&longest).map_or(0, VecDeque::len) <= own + 1 {
            return false;
        }
        self.leave(longest, last).is_some()
    }

    fn leave(&mut self, asker: Requester, number: u64) -> Option<Waiter> {
        let line = self.lines.get_mut(&asker)?;
        let at = line.iter().position(|waiter| waiter.number == number)?;
        let left = line.remove(at);
        if line.is_empty() {
            self.lines.remove(&asker);
            self.order.retain(|other| *other != asker);
        }
        self.waiting -= 1;
        left
    }
}

#[cfg(test)]
mod tests;
