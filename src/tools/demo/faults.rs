//! What tests make the demo do wrong, and what it has received.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::sync::{Semaphore, watch};

/// The endpoints of a realm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// The admin REST API.
    Admin,
    /// The login page.
    Auth,
    /// The keys.
    Certs,
    /// The discovery document.
    Discovery,
    /// Token introspection (RFC 7662).
    Introspect,
    /// Logout.
    Logout,
    /// Revocation (RFC 7009).
    Revoke,
    /// The token endpoint.
    Token,
    /// The userinfo endpoint.
    Userinfo,
}

/// What an endpoint does instead of its work.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Answers this status with this media type and body.
    Answer(u16, &'static str, String),
    /// Ends the connection without an answer.
    CloseAtOnce,
    /// Does its work, but ends the connection in the middle of the body.
    CloseMidBody,
    /// Does its work, and says that the answer is gzip, which it is.
    Gzip,
    /// Waits for [`Faults::release`], then does its work.
    Hang,
}

/// What is wrong with the answer to an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tamper {
    /// `aud` is this.
    Audience(&'static str),
    /// A client role more: client and role.
    ClientRole(&'static str, &'static str),
    /// No `issued_token_type`.
    DropIssuedTokenType,
    /// Signed by a key that is not the realm's, under the realm's `kid`.
    ForeignKey,
    /// The token is bound to this key, or to none.
    Key(Option<&'static str>),
    /// The token lives this many seconds.
    Lifetime(i64),
    /// A realm role more.
    RealmRole(&'static str),
    /// A refresh token that nobody asked for.
    RefreshToken,
    /// A scope more.
    Scope(&'static str),
    /// `sub` is this.
    Subject(&'static str),
    /// `token_type` is this.
    TokenType(&'static str),
}

/// A request as it came.
#[derive(Clone)]
pub struct Received {
    /// The method.
    pub method: Method,
    /// The request target.
    pub target: String,
    /// The header.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// The handle with which tests make the demo misbehave.
#[derive(Clone, Debug)]
pub struct Faults(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    script: Mutex<Script>,
    received: Mutex<Vec<Received>>,
    count: watch::Sender<usize>,
    exchanged: AtomicUsize,
}

#[derive(Debug)]
struct Script {
    faults: HashMap<Endpoint, Fault>,
    tampers: Vec<Tamper>,
    lenient: bool,
    gate: Arc<Semaphore>,
}

impl Faults {
    pub(super) fn new() -> Self {
        let script = Script {
            faults: HashMap::new(),
            tampers: Vec::new(),
            lenient: false,
            gate: Arc::new(Semaphore::new(0)),
        };
        Self(Arc::new(Shared {
            script: Mutex::new(script),
            received: Mutex::default(),
            count: watch::Sender::new(0),
            exchanged: AtomicUsize::new(0),
        }))
    }

    /// From now on `endpoint` does this.
    pub fn set(&self, endpoint: Endpoint, fault: Fault) {
        self.script().faults.insert(endpoint, fault);
    }

    /// From now on answers to exchanges are wrong in this way, too.
    pub fn tamper(&self, tamper: Tamper) {
        self.script().tampers.push(tamper);
    }

    /// Whether to read requests as the most liberal server would: paths normalised, in any case, with parameters;
    /// any method; fields in the query string; repeated fields; JSON bodies.
    pub fn lenient(&self, lenient: bool) {
        self.script().lenient = lenient;
    }

    /// Everything works again; requests that hang go on.
    pub fn clear(&self) {
        let mut script = self.script();
        script.faults.clear();
        script.tampers.clear();
        script.gate.close();
        script.gate = Arc::new(Semaphore::new(0));
    }

    /// Requests that hang go on; later ones do not hang.
    pub fn release(&self) {
        let mut script = self.script();
        script.faults.retain(|_, fault| !matches!(fault, Fault::Hang));
        script.gate.close();
        script.gate = Arc::new(Semaphore::new(0));
    }

    /// Every request since the start or since the last [`Faults::forget`], in order of arrival.
    pub fn received(&self) -> Vec<Received> {
        self.log().clone()
    }

    /// Forgets the requests received.
    pub fn forget(&self) {
        self.log().clear();
    }

    /// Waits until at least `count` requests have arrived since the start, forgotten ones included.
    pub async fn reached(&self, count: usize) {
        let mut counts = self.0.count.subscribe();
        // The sender lives as long as self: an error can't be.
        let _ = counts.wait_for(|arrived| *arrived >= count).await;
    }

    /// How many requests have arrived since the start, forgotten ones included.
    pub fn arrived(&self) -> usize {
        *self.0.count.borrow()
    }

    /// How many exchanges were performed since the start, whatever became of their answers.
    pub fn exchanged(&self) -> usize {
        self.0.exchanged.load(Ordering::Relaxed)
    }

    pub(super) fn count_exchange(&self) {
        self.0.exchanged.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn record(&self, request: Received) {
        self.log().push(request);
        self.0.count.send_modify(|count| *count += 1);
    }

    pub(super) fn fault(&self, endpoint: Endpoint) -> Option<Fault> {
        self.script().faults.get(&endpoint).cloned()
    }

    pub(super) fn tampers(&self) -> Vec<Tamper> {
        self.script().tampers.clone()
    }

    pub(super) fn is_lenient(&self) -> bool {
        self.script().lenient
    }

    pub(super) async fn wait_for_release(&self) {
        let gate = Arc::clone(&self.script().gate);
        // Nobody ever adds permits: this ends when the gate is closed.
        drop(gate.acquire().await);
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> MutexGuard<'_, Vec<Received>> {
        self.0.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Received {
    /// Method and target only: header and body hold credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.target)
    }
}
