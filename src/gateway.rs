//! The way of a request.
//!
//! ```text
//! accept → route(head) ─ Pass ───────────────────────► upstream ─ answer lock ─► stream back
//!                      ─ Form ─► bounded read ─ no governed grant in it ─► upstream ─ answer lock ─►
//!                      ─ Keys | Discovery ─► merged + cached
//!                      ─ Reject ─► respond
//!                      ─ Door ─► `door`: bounded read → classify → `exchange`
//! ```

pub mod door;
pub mod exchange;
pub mod exit;
pub mod hold;
pub mod lock;
pub mod published;
pub mod respond;
pub mod state;

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, IF_MODIFIED_SINCE, IF_NONE_MATCH, ORIGIN, RANGE};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use jiff::SignedDuration;

use self::door::Visit;
use self::exit::Exit;
use self::hold::{Released, Withheld, hold};
use self::state::{RealmState, State};
use crate::audit::Audit;
use crate::body::{Body, ReadError, read_bounded};
use crate::clock::Clock;
use crate::exchange::classify::carries_governed_grant;
use crate::metrics::{Metrics, Way};
use crate::policy::reason::{Reason, Refusal};
use crate::route::Route;
use crate::server::{Connection, Handler};
use crate::upstream::{Upstream, forward, headers};

/// Everything that a request may need.
#[derive(Debug)]
pub struct Gateway {
    state: ArcSwap<State>,
    upstream: Upstream,
    metrics: Arc<Metrics>,
    audit: Audit,
    clock: Clock,
}

impl Handler for Gateway {
    async fn handle(&self, request: Request<Incoming>, connection: &Arc<Connection>) -> Response<Body> {
        let started = Instant::now();
        let (head, body) = request.into_parts();
        let state = self.state.load_full();
        let (way, response) = match state.table.route(&head) {
            Route::Pass => (Way::Pass, {
                let idle = self.upstream.idle_timeout();
                self.pass(&state, head, Body::upstream(body, idle), connection).await
            }),
            Route::Form => (Way::Form, self.form(&state, head, body, connection).await),
            Route::Keys(realm) => (Way::Keys, self.keys(state.realms.get(realm), &head).await),
            Route::Discovery(realm) => {
                (Way::Discovery, self.discovery(state.realms.get(realm), head, connection).await)
            }
            Route::Door { realm } => {
                let realm = realm.and_then(|index| state.realms.get(index));
                (
                    Way::Token,
                    Visit { gateway: self, state: &state, connection }.enter(realm, head, body).await,
                )
            }
            Route::Reject(refusal) => (Way::Rejected, self.reject(&state, &head, connection, &refusal)),
        };
        self.metrics.answered(way, response.status(), started.elapsed());
        response
    }
}

impl Gateway {
    /// A gateway with its first generation of configuration.
    pub fn new(state: State, upstream: Upstream, metrics: Arc<Metrics>, audit: Audit, clock: Clock) -> Self {
        Self { state: ArcSwap::from_pointee(state), upstream, metrics, audit, clock }
    }

    /// The generation in use.
    pub fn state(&self) -> Arc<State> {
        self.state.load_full()
    }

    /// Puts a new generation in use; requests under way end by the old one.
    pub fn replace(&self, state: State) {
        self.state.store(Arc::new(state));
    }

    /// Where decisions are written.
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// Sets the gauges that are read at scrape time.
    pub fn refresh_gauges(&self) {
        for (issuer, jwks) in self.state().key_caches() {
            self.metrics.jwks_age(issuer, jwks.age().map(SignedDuration::unsigned_abs));
        }
    }

    /// Whether every issuer's keys are at hand.
    ///
    /// # Errors
    /// The names of those without.
    pub fn keys_at_hand(&self) -> Result<(), String> {
        let state = self.state();
        let missing: Vec<_> =
            state.key_caches().filter(|(_, jwks)| jwks.held().is_none()).map(|(name, _)| name).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("no keys of {}", missing.join(", "))) }
    }

    /// Whether the identity provider answers at all.
    ///
    /// # Errors
    /// What is wrong, without internals.
    pub async fn upstream_reachable(&self) -> Result<(), String> {
        let request = Request::head("/").body(Body::empty()).map_err(|error| error.to_string())?;
        self.upstream.send(request).await.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Streams to the identity provider and back, past the answer lock.
    async fn pass(
        &self,
        state: &State,
        mut head: Parts,
        body: Body,
        connection: &Arc<Connection>,
    ) -> Response<Body> {
        let bodiless = matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS);
        if !bodiless {
            // The answer lock can't read a compressed answer, so none is asked for.
            head.headers.remove(ACCEPT_ENCODING);
        }
        // Clones by reference count, for the audit line of an answer that is withheld.
        let seen = (head.method.clone(), head.uri.clone());
        let passed = match self.send(Request::from_parts(head, body), connection).await {
            Ok(response) => self.release(response, bodiless).await.map(|(response, _)| response),
            Err(refusal) => Err(refusal),
        };
        passed.unwrap_or_else(|refusal| {
            self.exit(state, (&seen.0, &seen.1, None), connection, None).end_outside(&refusal)
        })
    }

    /// A form to a path that is no token endpoint: read, because some server might take it for one.
    async fn form(
        &self,
        state: &State,
        head: Parts,
        body: Incoming,
        connection: &Arc<Connection>,
    ) -> Response<Body> {
        let refusal = match self.read_form(state, body).await {
            Ok((body, trailers)) if !carries_governed_grant(&body) => {
                let body = Body::full_with_trailers(body, trailers);
                return self.pass(state, head, body, connection).await;
            }
            Ok(_) => Refusal::new(
                Reason::ExchangeElsewhere,
                "a form with a governed grant on a path that is no token endpoint",
            ),
            Err(refusal) => refusal,
        };
        self.exit(state, (&head.method, &head.uri, Some(&head.headers)), connection, None)
            .end_outside(&refusal)
    }

    /// The realm's keys with ours among them.
    async fn keys(&self, realm: Option<&RealmState>, head: &Parts) -> Response<Body> {
        let Some(realm) = realm else { return respond::refusal(Reason::Internal, "") };
        match realm.jwks.keys(None).await {
            Ok(keys) => realm.published.keys(&keys, realm.signing.as_ref(), self.clock.now()).answer(head),
            Err(error) => {
                tracing::warn!(realm = %realm.config.name, %error, "keys can't be published");
                respond::refusal(Reason::KeysUnavailable, "")
            }
        }
    }

    /// The realm's discovery document, per public origin.
    async fn discovery(
        &self,
        realm: Option<&RealmState>,
        head: Parts,
        connection: &Arc<Connection>,
    ) -> Response<Body> {
        let Some(realm) = realm else { return respond::refusal(Reason::Internal, "") };
        let origin = headers::public_origin(&head, connection)
            .map(|origin| {
                format!("{}://{}", origin.scheme(), String::from_utf8_lossy(origin.host.as_bytes()))
            })
            .unwrap_or_default();
        let now = self.clock.now();
        if let Some(document) = realm.published.discovery(&origin, now).await {
            return document.answer(&head);
        }
        let mut fetch = Request::new(Body::empty());
        *fetch.uri_mut() = head.uri.clone();
        *fetch.version_mut() = head.version;
        fetch.headers_mut().clone_from(&head.headers);
        for name in [ACCEPT_ENCODING, IF_NONE_MATCH, IF_MODIFIED_SINCE, RANGE, ORIGIN] {
            fetch.headers_mut().remove(name);
        }
        let instead = match self.send(fetch, connection).await {
            Ok(response) if response.status() == StatusCode::OK => {
                let (parts, body) = response.into_parts();
                if let Ok((body, _)) = read_bounded(body, lock::HOLD, self.upstream.idle_timeout()).await
                    && let Some(document) =
                        realm.published.keep_discovery(origin.clone(), &parts.headers, body, now).await
                {
                    return document.answer(&head);
                }
                respond::refusal(Reason::UpstreamGarbage, "")
            }
            // A realm that does not exist, or is disabled: the identity provider's own answer, and a new one.
            Ok(response) if response.status().is_client_error() => return response,
            Ok(response) => response,
            Err(refusal) => respond::refusal(refusal.reason, ""),
        };
        match realm.published.stale_discovery(&origin).await {
            Some(document) => document.answer(&head),
            None => instead,
        }
    }

    /// Refused by its head alone.
    fn reject(
        &self,
        state: &State,
        head: &Parts,
        connection: &Connection,
        refusal: &Refusal,
    ) -> Response<Body> {
        self.exit(state, (&head.method, &head.uri, Some(&head.headers)), connection, None)
            .end_outside(refusal)
    }

    /// Sends a request to the identity provider.
    async fn send(
        &self,
        request: Request<Body>,
        connection: &Arc<Connection>,
    ) -> Result<Response<Body>, Refusal> {
        let started = Instant::now();
        match forward::pass(&self.upstream, request, connection).await {
            Ok(response) => {
                self.metrics.upstream_answered(started.elapsed());
                Ok(response)
            }
            Err(error) => {
                self.metrics.upstream_failed(error.reason());
                tracing::warn!(%error, "the identity provider did not answer");
                Err(Refusal::new(error.reason(), error.to_string()))
            }
        }
    }

    /// Lets an answer from outside the pipeline leave, unless it bears the marks of an exchange. With it comes its
    /// body, if it was read whole.
    async fn release(&self, response: Response<Body>, coded_is_free: bool) -> Result<Released, Refusal> {
        hold(response, self.upstream.idle_timeout(), coded_is_free).await.map_err(|withheld| match withheld {
            Withheld::Locked(why) => Refusal::new(Reason::AnswerLocked, why),
            Withheld::Broken => {
                Refusal::new(Reason::UpstreamGarbage, "the identity provider's answer broke off")
            }
        })
    }

    async fn read_form(&self, state: &State, body: Incoming) -> Result<(Bytes, Option<HeaderMap>), Refusal> {
        let listen = &state.config.listen;
        read_bounded(body, listen.max_form_bytes, listen.body_timeout).await.map_err(|error| match error {
            ReadError::TooLarge => {
                Refusal::new(Reason::BodyTooLarge, format!("more than {} bytes", listen.max_form_bytes))
            }
            ReadError::Timeout => {
                Refusal::new(Reason::BodyTimeout, format!("not within {:?}", listen.body_timeout))
            }
            ReadError::Broken => Refusal::new(Reason::CallerGone, "the body broke off"),
        })
    }

    fn exit(
        &self,
        state: &State,
        (method, uri, headers): (&Method, &Uri, Option<&HeaderMap>),
        connection: &Connection,
        realm: Option<&str>,
    ) -> Exit<'_> {
        let to = exit::To { audit: &self.audit, metrics: &self.metrics, clock: &self.clock };
        let request = exit::Seen { method, uri, headers, peer: connection.facts().peer.ip() };
        Exit::new(to, &request, realm, &state.config.policy.hash)
    }
}
