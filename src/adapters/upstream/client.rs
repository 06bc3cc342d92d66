//! The client of the identity provider.
//!
//! The client speaks HTTP/1.1 only, as nginx does with its upstreams: with one request per connection at a time, a slow
//! answer delays no other, and a sidecar's connections are loopback.
//!
//! A request that was written, even in part, is not sent again, because a token request may be good for one use. There is
//! one exception (RFC 9112 section 9.3.1): a pooled connection may close in the moment in which it is used. If it does
//! so before any byte of the answer has come, a safe request without a body goes to a new connection, once.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use tokio::sync::Semaphore;

use crate::adapters::config::Upstream;
use crate::adapters::net::body::Body;
use crate::adapters::net::outgoing::{AnswerLimits, OutgoingError, sign, whole};
use crate::adapters::net::pool::{Lease, Pool};
use crate::adapters::net::progress::Progress;
use crate::adapters::net::turns::{FairTurns, Requester, Turn};
use crate::adapters::net::via::Via;
use crate::adapters::tls::KeyPair;
use crate::adapters::upstream::again::{may_repeat, read_back};
use crate::adapters::upstream::asked::Asked;
use crate::adapters::upstream::connect::Connector;
use crate::adapters::upstream::error::{UpstreamError, UpstreamSetupError};

/// A client of the identity provider. Clones are cheap and share one pool.
#[derive(Clone, Debug)]
pub struct UpstreamClient {
    /// For callers' requests.
    forwarding: Route,
    /// For requests on Cambio's own behalf.
    own: Route,
    /// Turns for callers' requests, and for Cambio's own, which callers can't use up.
    turns: Arc<FairTurns>,
    own_turns: Arc<FairTurns>,
    host: HeaderValue,
    via: Arc<Via>,
    connect_timeout: Duration,
    response_timeout: Duration,
    idle_timeout: Duration,
}

/// The part of the connections that Cambio keeps for its own requests.
const OWN_PART: usize = 4;

/// Connections, and those of them that are idle.
#[derive(Clone, Debug)]
struct Route {
    connector: Arc<Connector>,
    pool: Arc<Pool<Body>>,
}

/// The turn that a tunnel has.
#[derive(Clone, Debug)]
pub(super) struct TunnelTurn(#[expect(dead_code, reason = "held until the tunnel ends")] Option<Arc<Turn>>);

impl Route {
    fn new(
        config: &Upstream,
        certificate: Option<&KeyPair>,
        places: &Arc<Semaphore>,
    ) -> Result<Self, UpstreamSetupError> {
        let connector = Connector::new(config, certificate, Arc::clone(places))?;
        Ok(Self { connector: Arc::new(connector), pool: Arc::default() })
    }

    /// A new connection. If the caller goes away meanwhile, the connection goes to the pool, so that callers who come and
    /// go don't make the identity provider accept connections for nothing.
    async fn connect(&self, turn: Turn) -> Result<Lease<Body>, UpstreamError> {
        let (connector, pool) = (Arc::clone(&self.connector), Arc::clone(&self.pool));
        let connecting = tokio::spawn(async move {
            let (sender, wire) = connector.connect().await?;
            Ok(Lease::new(sender, wire, turn, &pool))
        });
        connecting.await.unwrap_or_else(|error| Err(UpstreamError::Connect(io::Error::other(error))))
    }
}

impl UpstreamClient {
    /// A client with any number of connections.
    ///
    /// # Errors
    /// A certificate or a key can't be used.
    pub fn new(config: &Upstream) -> Result<Self, UpstreamSetupError> {
        Self::with_connections(config, usize::MAX)
    }

    /// A client with at most `connections` at one time. Reads certificates and keys; nothing is connected yet.
    ///
    /// # Errors
    /// A certificate or a key can't be used.
    pub fn with_connections(config: &Upstream, connections: usize) -> Result<Self, UpstreamSetupError> {
        let places = Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS)));
        let turns = config.max_connections.min(connections);
        let own_turns = (turns / OWN_PART).max(1);
        let own = Route::new(config, config.client_certificate.as_ref(), &places)?;
        let separate = config.client_certificate.is_some() && config.certificate_for_own_calls_only;
        Ok(Self {
            // Cambio's certificate must not authenticate a caller.
            forwarding: if separate { Route::new(config, None, &places)? } else { own.clone() },
            own,
            turns: Arc::new(FairTurns::new(turns.saturating_sub(own_turns).max(1))),
            own_turns: Arc::new(FairTurns::new(own_turns)),
            host: HeaderValue::from_str(config.authority.as_str())
                .unwrap_or_else(|_| HeaderValue::from_static("localhost")),
            via: Arc::new(Via::new()),
            connect_timeout: config.connect_timeout,
            response_timeout: config.response_timeout,
            idle_timeout: config.idle_timeout,
        })
    }

    /// The longest silence in a body.
    pub fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    /// `Host` for requests that have none.
    pub fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// The entry in `Via` of every request to the identity provider.
    pub fn via(&self) -> &Arc<Via> {
        &self.via
    }

    /// Sends a caller's request, or one that Cambio makes with a caller's credentials. Its target is in origin form, and it
    /// has a `Host`. Waits for the head of the answer, whose body fails after `upstream.idleTimeout` of silence.
    ///
    /// # Errors
    /// There is no answer. If all connections are in use, the request waits for one as long as for a connection
    /// (`upstream.connectTimeout`), in a queue that is fair to all callers.
    pub async fn send(&self, request: Request<Body>, caller: Requester) -> Result<Response<Body>, UpstreamError> {
        self.send_by(&self.forwarding, request, caller).await
    }

    async fn send_by(
        &self,
        route: &Route,
        mut request: Request<Body>,
        asker: Requester,
    ) -> Result<Response<Body>, UpstreamError> {
        let turns = if let Requester::Caller(_) = asker { &self.turns } else { &self.own_turns };
        let turn = turns.turn(asker, self.connect_timeout).await;
        let turn = turn.map_err(|_| UpstreamError::Busy(self.connect_timeout))?;
        let progress = request.body_mut().watch_progress();
        let mut request = Some(request);
        self.exchange(route, &mut request, turn, progress.as_deref()).await
    }

    /// Sends a request that Cambio makes on its own behalf, with Cambio's name in `User-Agent`. The body of the answer is read if
    /// the status is 200 or 400, and is empty otherwise. `limits` apply to the body; the configuration limits the time until
    /// the head.
    ///
    /// # Errors
    /// There is no whole answer within the limits.
    pub async fn ask(
        &self,
        mut request: Request<Bytes>,
        limits: AnswerLimits,
    ) -> Result<Response<Bytes>, OutgoingError> {
        self.sign(request.headers_mut());
        let response = self.send_by(&self.own, request.map(Body::full), Requester::Judgement).await;
        let response = response.map_err(|error| match error {
            UpstreamError::Busy(_) => OutgoingError::Busy { said: error.to_string(), retry_after: None },
            error => OutgoingError::Upstream(error.to_string()),
        });
        whole(response?, limits).await
    }

    /// Checks that the identity provider answers.
    ///
    /// # Errors
    /// Why it does not, or that it is Cambio itself.
    pub async fn is_reachable(&self) -> Result<(), UpstreamError> {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = Method::HEAD;
        request.headers_mut().insert(HOST, self.host.clone());
        self.sign(request.headers_mut());
        match self.send_by(&self.own, request, Requester::Probe).await?.status() {
            StatusCode::LOOP_DETECTED => Err(UpstreamError::Loop),
            _ => Ok(()),
        }
    }

    /// Writes Cambio's names into a request of its own.
    fn sign(&self, headers: &mut HeaderMap) {
        sign(headers);
        self.via.add(headers, Version::HTTP_11);
    }

    /// Takes the request out of its slot. The slot is a reference, because a request is large and futures are copied.
    async fn exchange(
        &self,
        route: &Route,
        slot: &mut Option<Request<Body>>,
        mut turn: Turn,
        progress: Option<&Progress>,
    ) -> Result<Response<Body>, UpstreamError> {
        let mut again = false;
        loop {
            let pooled = if again { Err(turn) } else { route.pool.take(turn) };
            let reused = pooled.is_ok();
            let lease = match pooled {
                Ok(lease) => lease,
                Err(turn) => route.connect(turn).await?,
            };
            let Some(request) = slot.take() else {
                return Err(UpstreamError::Garbage("nothing to send".to_owned()));
            };
            let recorded = reused && may_repeat(&request);
            let asked = Asked::new(lease, request, recorded)?;
            let (answer, lease) = asked.answer(progress, self.response_timeout).await?;
            match answer {
                Ok(response) => return self.received(response, lease),
                Err(mut error) => match (error.take_message(), lease.lost_request()) {
                    (Some(untouched), _) if reused => *slot = Some(untouched),
                    (None, Some(head)) => {
                        let Some(request) = read_back(&head) else {
                            return Err(UpstreamError::sent(error.into_error()));
                        };
                        tracing::debug!("the identity provider closed a connection that was in use: sent again");
                        *slot = Some(request);
                        again = true;
                    }
                    _ => return Err(UpstreamError::sent(error.into_error())),
                },
            }
            turn = lease.into_turn().ok_or_else(|| UpstreamError::Garbage("nothing to send".to_owned()))?;
        }
    }

    fn received(&self, response: Response<Incoming>, lease: Lease<Body>) -> Result<Response<Body>, UpstreamError> {
        let (mut head, incoming) = response.into_parts();
        // RFC 9112 section 6.1: hyper decodes `chunked` only, so no other coding may be removed.
        if head.headers.contains_key(TRANSFER_ENCODING) {
            let codings = head.headers.get_all(TRANSFER_ENCODING);
            if codings.iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
                return Err(UpstreamError::Garbage("unknown transfer coding".to_owned()));
            }
            head.headers.remove(TRANSFER_ENCODING);
            // RFC 9112 section 6.3: Transfer-Encoding overrides Content-Length, which must not be sent on.
            head.headers.remove(CONTENT_LENGTH);
        }
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            head.extensions.insert(TunnelTurn(lease.into_tunnel().map(Arc::new)));
            return Ok(Response::from_parts(head, Body::empty()));
        }
        Ok(Response::from_parts(head, Body::leased(incoming, self.idle_timeout, lease)))
    }
}
