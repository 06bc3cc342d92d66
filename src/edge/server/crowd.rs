//! The connections of a listener as a whole: how many hold an HTTP state, and which of them serve nobody and can give
//! their place to a new caller.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::{Future as _, poll_fn};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use ipnet::IpNet;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

use crate::adapters::peer::network;

/// How long a caller may take for a request head before another caller can get the place.
const MOMENT: Duration = Duration::from_secs(2);

/// A peer whose waiting connections take more than this part of all places (an eighth) gives the next one.
const SHARE: usize = 8;

/// Time between two looks for a place while all are taken and none is waiting to be given away.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Time in which idle connections learn that a caller waits, before the longest idle of them is closed.
const GATHER: Duration = Duration::from_millis(2);

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Waiting {
    /// The next request: all earlier ones are answered.
    Idle,
    /// The rest of a handshake or of a request head.
    Unheard,
}

/// The connections of one listener.
#[derive(Debug)]
pub(crate) struct Crowd {
    places: Arc<Semaphore>,
    most: usize,
    awake: AtomicUsize,
    /// A caller waits for a place.
    pressed: AtomicBool,
    /// Tells all connections that a caller waits.
    pressure: Notify,
    /// Tells the caller that a connection can be closed.
    entered: Notify,
    waiting: Mutex<Queue>,
}

/// Stands for a connection that serves nobody, until it is dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    crowd: Arc<Crowd>,
    key: Key,
    peer: IpNet,
    called: oneshot::Receiver<()>,
}

/// Stands for a connection with an HTTP state.
#[derive(Debug)]
pub(crate) struct Awake(Arc<Crowd>);

/// Idle connections come first, then those that have waited for longest.
type Key = (Waiting, Instant, u64);

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    all: BTreeMap<Key, (IpNet, oneshot::Sender<()>)>,
    peers: HashMap<IpNet, BTreeSet<Key>>,
    /// The peers by the number of their connections in `all`.
    largest: BTreeSet<(usize, IpNet)>,
}

impl Crowd {
    /// Connections that may keep their HTTP state, which takes 20 KiB and more, while they are idle. Beyond this number,
    /// a connection gives it up after each answer.
    pub(crate) const AWAKE: usize = 512;

    pub(crate) fn new(most: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(most)),
            most,
            awake: AtomicUsize::new(0),
            pressed: AtomicBool::new(false),
            pressure: Notify::new(),
            entered: Notify::new(),
            waiting: Mutex::default(),
        }
    }

    /// A place for a caller who has connected. If all are taken, the connection that has been idle for longest is closed;
    /// if none is idle, the one that has taken longest for its request head.
    pub(crate) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        let mut place = self.free();
        while place.is_none() && !self.places.is_closed() {
            let first = !self.pressed.swap(true, Ordering::Relaxed);
            let called = self.queue().call(Instant::now(), self.most / SHARE);
            // Once: whoever has nothing to do later notices by itself.
            if !called && first {
                self.pressure.notify_waiters();
            }
            tokio::select! {
                freed = Arc::clone(&self.places).acquire_owned() => place = freed.ok(),
                () = self.entered.notified(), if !called => {
                    tokio::time::sleep(GATHER).await;
                    place = self.free();
                }
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
        self.pressed.store(false, Ordering::Relaxed);
        place
    }

    fn free(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Notes that a connection waits, since `since`.
    pub(crate) fn enter(self: &Arc<Self>, waiting: Waiting, since: Instant, peer: IpAddr) -> Ticket {
        let peer = network(peer);
        let (call, called) = oneshot::channel();
        let key = self.queue().enter(waiting, since, peer, call);
        if self.is_pressed() {
            self.entered.notify_one();
        }
        Ticket { crowd: Arc::clone(self), key, peer, called }
    }

    /// Notes that a connection has an HTTP state.
    pub(crate) fn awake(self: &Arc<Self>) -> Awake {
        self.awake.fetch_add(1, Ordering::Relaxed);
        Awake(Arc::clone(self))
    }

    /// Whether connections should give up their HTTP state as soon as they can.
    pub(crate) fn is_crowded(&self) -> bool {
        self.awake.load(Ordering::Relaxed) > Self::AWAKE || self.is_pressed()
    }

    /// Resolves when a caller waits for a place.
    pub(crate) async fn pressed(&self) {
        self.pressure.notified().await;
    }

    fn is_pressed(&self) -> bool {
        self.pressed.load(Ordering::Relaxed)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Ready when the connection has to give its place away.
    pub(crate) fn poll_called(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.called).poll(cx).map(drop)
    }

    /// Resolves when the connection has to give its place away.
    pub(crate) async fn called(mut self) {
        poll_fn(|cx| self.poll_called(cx)).await;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.crowd.queue().leave(&self.key, self.peer);
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.0.awake.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Queue {
    fn enter(&mut self, waiting: Waiting, since: Instant, peer: IpNet, call: oneshot::Sender<()>) -> Key {
        let key = (waiting, since, self.next);
        self.next += 1;
        self.all.insert(key, (peer, call));
        let keys = self.peers.entry(peer).or_default();
        self.largest.remove(&(keys.len(), peer));
        keys.insert(key);
        self.largest.insert((keys.len(), peer));
        key
    }

    /// Takes a connection out. Returns its call, if the connection was still there.
    fn leave(&mut self, key: &Key, peer: IpNet) -> Option<oneshot::Sender<()>> {
        let (_, call) = self.all.remove(key)?;
        if let Some(keys) = self.peers.get_mut(&peer) {
            self.largest.remove(&(keys.len(), peer));
            keys.remove(key);
            if keys.is_empty() {
                self.peers.remove(&peer);
            } else {
                self.largest.insert((keys.len(), peer));
            }
        }
        Some(call)
    }

    /// Calls one connection, if one can be called.
    fn call(&mut self, now: Instant, share: usize) -> bool {
        // The first key is the best of all: if even the first may not be called, none may.
        let ready = |(waiting, since, _): &Key| *waiting == Waiting::Idle || now >= *since + MOMENT;
        let greedy = self.largest.last().filter(|(count, _)| *count > share.max(1)).map(|(_, peer)| *peer);
        let greedy = greedy.and_then(|peer| Some((*self.peers.get(&peer)?.first()?, peer)));
        let first = self.all.first_key_value().map(|(key, (peer, _))| (*key, *peer));
        let key = greedy.filter(|(key, _)| ready(key)).or(first.filter(|(key, _)| ready(key)));
        let Some((key, peer)) = key else { return false };
        self.leave(&key, peer).is_some_and(|call| call.send(()).is_ok())
    }
}

#[cfg(test)]
mod tests;
