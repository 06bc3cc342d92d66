//! The way of a request.
//!
//! ```text
//! accept → route(head) ─ Pass ───────────────────────► upstream ─ answer lock ─► stream back
//!                      ─ Form ─► bounded read ─ no governed grant in it ─► upstream ─ answer lock ─►
//!                      ─ Keys | Discovery ─► merged + cached
//!                      ─ Reject ─► respond
//!                      ─ Door ─► `door`: bounded read → classify → `exchange`
//! ```

pub mod answer_lock;
pub mod authenticate;
pub mod evidence;
pub mod exchange;
pub mod generation;
pub mod hold;
pub mod introspection;
pub mod metadata;
pub mod own_tokens;
pub mod record;
pub mod replay;
pub mod respond;
pub mod setup_error;
pub mod signing;
pub mod token_endpoint;

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONNECTION, HOST, HeaderValue, RANGE};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use hyper::body::Incoming;
use jiff::SignedDuration;

use self::authenticate::Authenticator;
use self::hold::{Released, Withheld, hold, is_free};
use crate::adapters::audit::Audit;
use crate::adapters::metrics::{Metrics, Way};
use crate::adapters::net::body::{Body, ReadError, read_bounded};
use crate::adapters::store::MarkStore;
use crate::adapters::upstream::{Upstream, forward};
use crate::edge::gateway::answer_lock::Origin;
use crate::edge::gateway::generation::{RealmState, State};
use crate::edge::gateway::record::Exit;
use crate::edge::gateway::token_endpoint::Visit;
use crate::edge::server::{Connection, Handler};
use crate::judgement::exchange::classify::carries_governed_grant;
use crate::judgement::route::Route;
use crate::words::clock::Clock;
use crate::words::refusal::{Reason, Refusal};

/// Everything that a request may need.
#[derive(Debug)]
pub struct Gateway {
    state: ArcSwap<State>,
    upstream: Upstream,
    store: MarkStore,
    authenticator: Authenticator,
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
            Route::Keys(realm) => (Way::Keys, self.keys(state.realms.get(realm), &head, connection).await),
            Route::Discovery(realm) => {
                (Way::Discovery, self.discovery(state.realms.get(realm), &head, connection).await)
            }
            Route::Own { realm, endpoint } => {
                let visit = Visit { gateway: self, state: &state, connection };
                Box::pin(own_tokens::answer(visit, (realm, endpoint), head, body)).await
            }
            Route::Door { .. } | Route::ApiAccess(_) => {
                let visit = Visit { gateway: self, state: &state, connection };
                (Way::Token, visit.enter(head, body).await)
            }
            Route::Reject(refusal) => (Way::Rejected, self.reject(&state, &head, connection, &refusal)),
        };
        self.metrics.answered(way, response.status(), started.elapsed());
        response
    }
}

impl Gateway {
    /// A gateway with its first generation of configuration.
    pub fn new(
        state: State,
        upstream: Upstream,
        store: MarkStore,
        metrics: Arc<Metrics>,
        audit: Audit,
        clock: Clock,
    ) -> Self {
        Self {
            state: ArcSwap::from_pointee(state),
            upstream,
            store,
            authenticator: Authenticator::new(),
            metrics,
            audit,
            clock,
        }
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

    /// What was used and what was revoked.
    pub fn store(&self) -> &MarkStore {
        &self.store
    }

    /// Sets the gauges that are read at scrape time.
    pub fn refresh_gauges(&self) {
        let (state, now) = (self.state(), self.clock.now());
        for (issuer, jwks) in state.key_caches() {
            self.metrics.jwks_age(issuer, jwks.age().map(SignedDuration::unsigned_abs));
        }
        let rings = state.realms.iter().filter_map(|realm| Some((realm, realm.signing.as_ref()?)));
        self.metrics.signing_keys(rings.clone().flat_map(|(realm, ring)| {
            let name = realm.config.name.as_str();
            ring.published(now).map(move |key| [name, key.kid, key.algorithm, key.state.as_str()])
        }));
        for (realm, ring) in rings {
            let upstream = realm.jwks.held();
            let count = upstream.map_or(0, |upstream| signing::collisions(&upstream, ring, now).count());
            self.metrics.signing_key_collisions(&realm.config.name, count);
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
        let request = Request::head("/").header(HOST, self.upstream.host()).body(Body::empty());
        let request = request.map_err(|error| error.to_string())?;
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
        let origin = match head.method {
            Method::GET | Method::HEAD | Method::OPTIONS if !is_protocol(&head.uri) => Origin::Read,
            _ => Origin::Elsewhere,
        };
        if origin == Origin::Elsewhere {
            // The answer lock can't read a compressed answer, nor a part of one, so none is asked for.
            head.headers.remove(ACCEPT_ENCODING);
            head.headers.remove(RANGE);
        }
        // Clones by reference count, for the audit line of an answer that is withheld.
        let seen = (head.method.clone(), head.uri.clone());
        state.to_upstream(&mut head);
        let passed = match self.send(Request::from_parts(head, body), connection).await {
            Ok(response) if is_free(&response, origin) => return response,
            Ok(response) => self.release(response, origin).await.map(|(response, _)| response),
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

    /// Refused by its head alone.
    fn reject(
        &self,
        state: &State,
        head: &Parts,
        connection: &Connection,
        refusal: &Refusal,
    ) -> Response<Body> {
        let seen = (&head.method, &head.uri, Some(&head.headers));
        let realm = state.table.realm_at(head.uri.path()).and_then(|index| state.realms.get(index));
        let mut response = self.exit(state, seen, connection, realm).end_outside(refusal);
        if refusal.reason == Reason::FramingRefused && head.version < Version::HTTP_2 {
            // Where a request ends is in doubt, so nothing after it on this connection is believed.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
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
    async fn release(&self, response: Response<Body>, origin: Origin) -> Result<Released, Refusal> {
        hold(response, self.upstream.idle_timeout(), origin).await.map_err(|withheld| match withheld {
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
        realm: Option<&RealmState>,
    ) -> Exit<'_> {
        let to = record::To { audit: &self.audit, metrics: &self.metrics, clock: &self.clock };
        let request = record::Seen { method, uri, headers, peer: connection.facts().peer.ip() };
        Exit::new(to, &request, realm, &state.config.policy.hash)
    }
}

/// Whether a path lies among a realm's protocol endpoints, whose answers are small JSON or pages.
fn is_protocol(uri: &Uri) -> bool {
    memchr::memmem::find(uri.path().as_bytes(), b"/protocol/").is_some()
}
