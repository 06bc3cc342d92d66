//! A caller's connection: its facts, computed once for all of its requests, and its state for the time limits.

use std::any::Any;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use ipnet::IpNet;
use tokio::time::Instant;

use crate::adapters::config::Listen;
use crate::adapters::drain;
use crate::adapters::net::budget::MemoryBudget;
use crate::adapters::net::progress::Patience;
use crate::judgement::client::certificate::ClientCertificate;

/// A caller's connection. Everything that uses the connection holds this value, a WebSocket tunnel included. Its drop
/// frees the place among `listen.maxConnections` and lets a drain end.
#[derive(Debug)]
pub struct Connection {
    facts: ConnectionFacts,
    opened: Instant,
    upgraded: AtomicBool,
    in_flight: AtomicU32,
    served: AtomicBool,
    in_head: AtomicBool,
    /// No byte of a request is under way, apart from the start of a short head.
    between: AtomicBool,
    /// Requests that have begun, and heads of HTTP/1.1 requests that have come. The numbers may wrap around.
    begun: AtomicU32,
    heads: AtomicU32,
    /// Last pieces of HTTP/2 answers that wait to be sent.
    last_pieces: AtomicU32,
    /// Milliseconds from `opened` to the moment when one was given or sent.
    last_piece_moved: AtomicU64,
    /// hyper has written all that it had since the last answer ended.
    flushed: AtomicBool,
    /// Milliseconds from `opened` to the start of the present silence (or of the present request head).
    quiet_since: AtomicU64,
    /// Milliseconds from `opened` to the moment when a write began to wait, plus one; 0 when no write waits.
    write_blocked: AtomicU64,
    /// Bytes that were written since the last wait, and microseconds of patience that waits have used up.
    written: AtomicU64,
    patience_used: AtomicU64,
    watch: drain::DrainWatch,
    _held: Box<dyn Any + Send + Sync>,
}

/// The unchanging facts about a connection, as header values too.
#[derive(Debug)]
pub struct ConnectionFacts {
    /// The caller's address.
    pub peer: SocketAddr,
    /// Cambio's address.
    pub local: SocketAddr,
    /// Whether Cambio terminates TLS.
    pub tls: bool,
    /// Whether `listen.trustedProxies` lists the peer, so that Cambio trusts its forwarding headers.
    pub trusted: bool,
    /// The certificate that the peer showed. The handshake proved that the peer has its key.
    pub certificate: Option<Box<ClientCertificate>>,
    /// The proxies of `listen.trustedProxies`, and their headers.
    pub proxies: Arc<ListedProxies>,
    /// The budget in which the connection's requests count.
    pub budget: Arc<MemoryBudget>,
    pub(crate) forwarded_for: HeaderValue,
    pub(crate) forwarded_node: String,
    pub(crate) local_port: HeaderValue,
    /// `Forwarded` for the first `Host` of this connection, which rarely has another.
    pub(crate) forwarded: OnceLock<(HeaderValue, HeaderValue)>,
}

impl ConnectionFacts {
    /// The facts, with IPv4-mapped addresses as IPv4.
    pub fn new(peer: SocketAddr, local: SocketAddr, tls: bool, trusted: bool) -> Self {
        let ip = peer.ip().to_canonical();
        let text = ip.to_string();
        let forwarded_node = match ip {
            IpAddr::V4(_) => format!("for={text}"),
            IpAddr::V6(_) => format!("for=\"[{text}]\""),
        };
        // An address is made of digits, letters, dots and colons: always a header value.
        let forwarded_for = HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("unknown"));
        let peer = SocketAddr::new(ip, peer.port());
        let local_port = HeaderValue::from(local.port());
        Self {
            peer,
            local,
            tls,
            trusted,
            certificate: None,
            proxies: Arc::default(),
            budget: MemoryBudget::unlimited(),
            forwarded_for,
            forwarded_node,
            local_port,
            forwarded: OnceLock::new(),
        }
    }

    /// With the certificate that the peer showed.
    #[must_use]
    pub fn with_certificate(mut self, certificate: Option<ClientCertificate>) -> Self {
        self.certificate = certificate.map(Box::new);
        self
    }

    /// With the budget in which the connection's requests count.
    #[must_use]
    pub fn with_budget(mut self, budget: &Arc<MemoryBudget>) -> Self {
        self.budget = Arc::clone(budget);
        self
    }

    /// With the proxies that the configuration lists.
    #[must_use]
    pub fn with_proxies(mut self, proxies: &Arc<ListedProxies>) -> Self {
        self.proxies = Arc::clone(proxies);
        self
    }
}

/// The proxies of `listen.trustedProxies`, and the headers that only they may send. All connections share one value.
#[derive(Debug, Default)]
pub struct ListedProxies {
    /// Their networks.
    pub networks: Vec<IpNet>,
    /// The header in which they send the certificates of their callers.
    pub certificate_header: Option<HeaderName>,
    /// Further headers about callers (`listen.identityHeaders`).
    pub identity_headers: Vec<HeaderName>,
}

impl ListedProxies {
    /// The proxies of a listener.
    pub fn of(listen: &Listen) -> Self {
        Self {
            networks: listen.trusted_proxies.clone(),
            certificate_header: listen.certificate_header.as_ref().map(|header| header.name.clone()),
            identity_headers: listen.identity_headers.clone(),
        }
    }

    /// Whether the address is that of a listed proxy.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// The headers that the configuration names.
    pub(crate) fn own_headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.certificate_header.iter().chain(&self.identity_headers)
    }
}

/// Time limits for a caller.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For a request head. The first byte of the first head must come within this time after the accept, too.
    pub header: Duration,
    /// For a connection without a request, and for a caller who does not take what is written.
    pub idle: Duration,
}

/// What the silence of a connection requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Nothing until this time.
    Until(Instant),
    /// It has been idle for too long.
    Idle,
    /// A head or a write takes too long.
    Stuck,
}

impl Connection {
    /// A new connection that counts in `watch`. `held` is dropped together with the connection; it stands for the place
    /// among `listen.maxConnections` and for the metrics.
    pub fn new(facts: ConnectionFacts, watch: drain::DrainWatch, held: impl Any + Send + Sync) -> Self {
        Self {
            facts,
            opened: Instant::now(),
            upgraded: AtomicBool::new(false),
            in_flight: AtomicU32::new(0),
            served: AtomicBool::new(false),
            in_head: AtomicBool::new(false),
            between: AtomicBool::new(true),
            begun: AtomicU32::new(0),
            heads: AtomicU32::new(0),
            last_pieces: AtomicU32::new(0),
            last_piece_moved: AtomicU64::new(0),
            flushed: AtomicBool::new(true),
            quiet_since: AtomicU64::new(0),
            write_blocked: AtomicU64::new(0),
            written: AtomicU64::new(0),
            patience_used: AtomicU64::new(0),
            watch,
            _held: Box::new(held),
        }
    }

    /// Addresses and trust.
    pub fn facts(&self) -> &ConnectionFacts {
        &self.facts
    }

    /// The certificate that the peer showed. Behind a proxy this is the proxy's certificate:
    /// `gateway::evidence::certificate` finds the caller's.
    pub fn client_certificate(&self) -> Option<&ClientCertificate> {
        self.facts.certificate.as_deref()
    }

    /// The drain that this connection counts in.
    pub fn watch(&self) -> drain::DrainWatch {
        self.watch.clone()
    }

    /// Notes that the bytes are no longer HTTP/1, before a 101 goes out.
    pub(crate) fn upgrade(&self) {
        self.upgraded.store(true, Ordering::Release);
    }

    /// Whether the bytes are no longer HTTP/1.
    pub(crate) fn is_upgraded(&self) -> bool {
        self.upgraded.load(Ordering::Acquire)
    }

    /// Requests that have begun so far. The number may wrap around.
    pub(crate) fn begun(&self) -> u32 {
        self.begun.load(Ordering::Relaxed)
    }

    /// A request has begun, which [`Self::request_ended`] ends. Returns how many others are open.
    pub(crate) fn request_began(&self) -> u32 {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::Relaxed)
    }

    /// An answer is over, complete or not.
    pub(crate) fn request_ended(&self) {
        // Before the count, so that whoever sees that no request is open sees the rest.
        self.served.store(true, Ordering::Relaxed);
        self.flushed.store(false, Ordering::Relaxed);
        self.quiet_since.store(self.elapsed(), Ordering::Relaxed);
        self.in_flight.fetch_sub(1, Ordering::Release);
    }

    /// So many heads have come in all.
    pub(crate) fn heads_came(&self, heads: u32) {
        self.heads.store(heads, Ordering::Relaxed);
    }

    /// The last piece of an HTTP/2 answer waits to be sent.
    pub(crate) fn last_piece_given(&self) {
        // Before the count, so that nobody sees the piece with an older time.
        if self.last_pieces.load(Ordering::Relaxed) == 0 {
            self.last_piece_moved.store(self.elapsed(), Ordering::Relaxed);
        }
        self.last_pieces.fetch_add(1, Ordering::Release);
    }

    /// The last piece of an HTTP/2 answer was sent, or its stream is over.
    pub(crate) fn last_piece_sent(&self) {
        self.last_piece_moved.store(self.elapsed(), Ordering::Relaxed);
        self.last_pieces.fetch_sub(1, Ordering::Release);
    }

    /// A head has begun and is not complete.
    pub(crate) fn head_began(&self) {
        self.quiet_since.store(self.elapsed(), Ordering::Relaxed);
        self.in_head.store(true, Ordering::Relaxed);
    }

    /// The head that had begun is complete.
    pub(crate) fn head_ended(&self) {
        self.in_head.store(false, Ordering::Relaxed);
    }

    /// Whether a head has begun and is not complete.
    pub(crate) fn is_in_head(&self) -> bool {
        self.in_head.load(Ordering::Relaxed)
    }

    /// Notes whether the bytes so far are whole requests, and at most the start of a short head.
    pub(crate) fn is_now_between(&self, requests: bool) {
        self.between.store(requests, Ordering::Relaxed);
    }

    /// Notes that all that hyper had to write is written.
    pub(crate) fn flushed(&self) {
        if !self.flushed.load(Ordering::Relaxed) {
            self.flushed.store(true, Ordering::Relaxed);
        }
    }

    /// Whether requests are in flight.
    pub(crate) fn is_busy(&self) -> bool {
        self.in_flight.load(Ordering::Acquire) != 0
    }

    /// Whether nothing is under way but the start of a short head: the HTTP state holds nothing that is missed later, and
    /// has served a request since `before` had begun.
    pub(crate) fn rests(&self, before: u32) -> bool {
        let begun = self.begun();
        !self.is_busy()
            && begun != before
            && self.heads.load(Ordering::Relaxed) == begun
            && self.between.load(Ordering::Relaxed)
            && self.flushed.load(Ordering::Relaxed)
            && self.write_blocked.load(Ordering::Relaxed) == 0
            && !self.is_upgraded()
    }

    /// Whether a request was answered.
    pub(crate) fn has_served(&self) -> bool {
        self.served.load(Ordering::Relaxed)
    }

    /// The start of the present silence, or of the present head, or of the connection.
    pub(crate) fn quiet_since(&self) -> Instant {
        self.at(self.quiet_since.load(Ordering::Relaxed))
    }

    /// A write waits for the caller.
    pub(crate) fn write_waits(&self) {
        if self.write_blocked.load(Ordering::Relaxed) == 0 {
            self.write_blocked.store(self.elapsed() + 1, Ordering::Relaxed);
        }
    }

    /// The caller's system took so many bytes. Only the connection's task writes, so no other counts meanwhile.
    pub(crate) fn wrote(&self, bytes: usize) {
        let written = self.written.load(Ordering::Relaxed).saturating_add(bytes as u64);
        let blocked = self.write_blocked.load(Ordering::Relaxed);
        if blocked == 0 {
            self.written.store(written, Ordering::Relaxed);
            return;
        }
        self.write_blocked.store(0, Ordering::Relaxed);
        self.written.store(0, Ordering::Relaxed);
        let mut patience = self.patience();
        patience.waited(self.at(blocked).elapsed(), written);
        let used = u64::try_from(patience.used.as_micros()).unwrap_or(u64::MAX);
        self.patience_used.store(used, Ordering::Relaxed);
    }

    fn patience(&self) -> Patience {
        Patience { used: Duration::from_micros(self.patience_used.load(Ordering::Relaxed)) }
    }

    /// What the silence requires at `now`.
    pub(crate) fn silence(&self, limits: Limits, now: Instant) -> Silence {
        let blocked = self.write_blocked.load(Ordering::Relaxed);
        if blocked != 0 {
            let until = self.at(blocked) + self.patience().left(limits.idle);
            return if now >= until { Silence::Stuck } else { Silence::Until(until) };
        }
        // The count first: see `last_piece_given`.
        let waits = self.last_pieces.load(Ordering::Acquire) != 0;
        if waits && now >= self.at(self.last_piece_moved.load(Ordering::Relaxed)) + limits.idle {
            return Silence::Stuck;
        }
        if self.is_busy() {
            return Silence::Until(now + limits.idle);
        }
        let since = self.quiet_since();
        let (limit, verdict) = if self.is_in_head() || !self.has_served() {
            (limits.header, Silence::Stuck)
        } else {
            (limits.idle, Silence::Idle)
        };
        if now >= since + limit { verdict } else { Silence::Until(since + limit) }
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn at(&self, millis: u64) -> Instant {
        self.opened + Duration::from_millis(millis)
    }
}
