//! Everything that a request may need: the configuration in force, the identity provider, the store, the audit log.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use jiff::Timestamp;

use super::authenticator::Authenticator;
use super::generation::Generation;
use super::refreshes::RefreshesInFlight;
use super::signing;
use crate::adapters::audit::AuditLog;
use crate::adapters::jwks::JwksCache;
use crate::adapters::logs;
use crate::adapters::metrics::{Metrics, MetricsError, Scrape};
use crate::adapters::net::body::{Body, ReadError, read_counted};
use crate::adapters::net::budget::{MemoryBudget, MemoryShare};
use crate::adapters::net::connection::Connection;
use crate::adapters::store::MarkStore;
use crate::adapters::upstream::client::UpstreamClient;
use crate::adapters::upstream::forward;
use crate::adapters::upstream::headers::PublicOrigin;
use crate::words::clock::Clock;
use crate::words::refusal::{Reason, Refusal, RetryAfter};

/// What all requests share.
#[derive(Debug)]
pub struct Services {
    generation: ArcSwap<Generation>,
    /// The identity provider.
    pub upstream: UpstreamClient,
    /// The marks of what was used or revoked.
    pub store: MarkStore,
    /// What client authentication keeps from one request to the next.
    pub(super) authenticator: Authenticator,
    /// Refresh tokens in use at this moment.
    pub refreshes: RefreshesInFlight,
    /// Everything that is counted.
    pub metrics: Arc<Metrics>,
    /// The memory that callers may make Cambio hold.
    pub budget: Arc<MemoryBudget>,
    /// Where decisions are written.
    pub audit: Arc<AuditLog>,
    /// The time.
    pub clock: Clock,
}

/// A whole form, and the trailers after it.
pub struct ReadForm {
    /// The bytes of the form.
    pub bytes: Bytes,
    /// The trailers, if any came.
    pub trailers: Option<HeaderMap>,
}

impl ReadForm {
    /// The body as it came.
    pub fn into_body(self) -> Body {
        Body::full_with_trailers(self.bytes, self.trailers)
    }
}

/// What Cambio reaches on behalf of all requests.
#[expect(missing_docs, reason = "the types say it")]
pub struct Systems {
    pub upstream: UpstreamClient,
    pub store: MarkStore,
    pub audit: AuditLog,
}

impl Services {
    /// Services with their first generation of the configuration.
    pub fn new(
        generation: Generation,
        systems: Systems,
        metrics: Arc<Metrics>,
        budget: Arc<MemoryBudget>,
        clock: Clock,
    ) -> Self {
        let (generation, authenticator) = (ArcSwap::from_pointee(generation), Authenticator::new());
        let Systems { upstream, store, audit } = systems;
        let audit = Arc::new(audit);
        let refreshes = RefreshesInFlight::default();
        Self { generation, upstream, store, authenticator, refreshes, metrics, budget, audit, clock }
    }

    /// The generation in force.
    pub fn generation(&self) -> Arc<Generation> {
        self.generation.load_full()
    }

    /// Puts a new generation in force. Requests in flight end with the old one.
    pub fn replace(&self, generation: Generation) {
        self.generation.store(Arc::new(generation));
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// All metrics in Prometheus' text format.
    ///
    /// # Errors
    /// A metric can't be encoded.
    pub fn exposition(&self) -> Result<String, MetricsError> {
        let (generation, now, mut scrape) = (self.generation(), self.now(), Scrape::default());
        scrape.memory(self.budget.held(), self.budget.total());
        generation.issuers.write_metrics(&mut scrape);
        for (cause, total) in logs::left_out() {
            scrape.log_lines_left_out(cause, total);
        }
        for kept in [true, false] {
            scrape.audience_files_broken(kept, generation.config.audience_files.count(kept));
        }
        if let Some(until) = generation.config.observed_until {
            scrape.observe_ends(until.end());
        }
        for realm in &generation.realms {
            realm.write_metrics(&mut scrape);
            signing::write_metrics(realm, &mut scrape, now);
        }
        self.metrics.exposition(scrape)
    }

    /// Checks that every issuer's keys are available.
    ///
    /// # Errors
    /// The names of the issuers without keys.
    pub fn keys_available(&self) -> Result<(), String> {
        let generation = self.generation();
        let has_none = |jwks: &JwksCache| jwks.held().is_none_or(|keys| keys.is_empty());
        let missing: Vec<_> =
            generation.issuers.key_caches().filter(|(_, jwks)| has_none(jwks)).map(|(name, _)| name).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("no keys of {}", missing.join(", "))) }
    }

    /// Checks that the identity provider answers.
    ///
    /// # Errors
    /// What is wrong, without internals.
    pub async fn upstream_reachable(&self) -> Result<(), String> {
        self.upstream.is_reachable().await.map_err(|error| error.to_string())
    }

    /// Sends a caller's request to the identity provider, under the origin that the caller named.
    ///
    /// # Errors
    /// The identity provider does not answer, or the caller has gone.
    pub async fn send(&self, request: Request<Body>, connection: &Arc<Connection>) -> Result<Response<Body>, Refusal> {
        self.forward(request, None, connection).await
    }

    /// Sends a request that Cambio makes or judged to the identity provider, under a configured origin.
    ///
    /// # Errors
    /// The identity provider does not answer, or the caller has gone.
    pub async fn send_as(
        &self,
        origin: &PublicOrigin,
        request: Request<Body>,
        connection: &Arc<Connection>,
    ) -> Result<Response<Body>, Refusal> {
        self.forward(request, Some(origin), connection).await
    }

    async fn forward(
        &self,
        request: Request<Body>,
        origin: Option<&PublicOrigin>,
        connection: &Arc<Connection>,
    ) -> Result<Response<Body>, Refusal> {
        let started = Instant::now();
        match forward::pass(&self.upstream, request, origin, connection).await {
            Ok(response) => {
                self.metrics.upstream_answered(started.elapsed());
                Ok(response)
            }
            // It is no fault of the identity provider's.
            Err(error) if error.is_callers() => Err(Refusal::new(error.reason(), error.to_string())),
            Err(error) => {
                let reason = error.reason();
                self.metrics.upstream_failed(reason);
                tracing::warn!(%error, "the identity provider did not answer");
                let retry_after = (reason == Reason::UpstreamBusy).then(|| RetryAfter::seconds(1));
                Err(Refusal::new(reason, error.to_string()).retry_after(retry_after))
            }
        }
    }

    /// Reads a form within the limits of the listener, and within the caller's share of the memory.
    ///
    /// # Errors
    /// The form is too large or too slow, the share is used up, or the caller has gone.
    pub async fn read_form(
        &self,
        generation: &Generation,
        body: Incoming,
        share: &MemoryShare,
    ) -> Result<ReadForm, Refusal> {
        let listen = &generation.config.listen;
        let read = read_counted(body, listen.max_form_bytes, listen.body_timeout, share).await;
        read.map(|(bytes, trailers)| ReadForm { bytes, trailers }).map_err(|error| match error {
            ReadError::TooLarge => {
                Refusal::new(Reason::BodyTooLarge, format!("more than {} bytes", listen.max_form_bytes))
            }
            ReadError::Timeout => Refusal::new(Reason::BodyTimeout, format!("not within {:?}", listen.body_timeout)),
            ReadError::Exhausted(_) => Refusal::new(Reason::Overloaded, "no memory for the form"),
            ReadError::Broken => Refusal::new(Reason::CallerGone, "the body broke off"),
            ReadError::Malformed => Refusal::new(Reason::FramingRefused, "the framing of the body is malformed"),
        })
    }
}
