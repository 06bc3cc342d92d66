//! The audit record of a request. Every decision ends with one audit line and one metric, both with one reason.

mod facts;
mod late;
mod shadow;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};

pub use self::late::LateRecord;
use super::realm_runtime::RealmRuntime;
use super::respond;
use super::services::Services;
use crate::adapters::audit::{AuditError, DETAIL, Event, Line, LineWritten, METHOD, clip, first};
use crate::adapters::metrics::{AudienceMetrics, ExchangeEnd, Outcome, OwnEndpoint, RealmMetrics};
use crate::adapters::net::body::Body;
use crate::adapters::net::connection::Connection;
use crate::adapters::upstream::headers;
use crate::judgement::dialect::upstream::OAuthRefusal;
use crate::judgement::dialect::{Dialect, RequestKind};
use crate::judgement::exchange::classify::GovernedGrant;
use crate::judgement::exchange::grant::{API_ACCESS_DOOR, Grant};
use crate::judgement::permit::Permit;
use crate::judgement::policy::model::Issuance;
use crate::judgement::token::dpop::NONCE_HEADER;
use crate::words::refusal::{Reason, Refusal};

/// What is known so far about a request. A record that is dropped before its end is written as a caller that hung up.
pub struct AuditRecord<'a> {
    services: &'a Services,
    started: Instant,
    line: Line,
    peer: IpAddr,
    /// The caller sent an `Authorization` header.
    authorization: bool,
    /// The request is not governed: only a refusal by a lock is audited.
    ungoverned: bool,
    written: bool,
    grant: Option<Grant>,
    dialect: Dialect,
    nonce: Option<HeaderValue>,
    metrics: Arc<RealmMetrics>,
    /// The audiences that the request is for, as far as a file is about them.
    audiences: Vec<Arc<AudienceMetrics>>,
    issuance: Option<Issuance>,
}

/// What Cambio would have decided about a request that the identity provider has answered with success.
pub enum Shadow {
    /// The permissions allow it.
    Allowed(Box<Permit>),
    /// Cambio would have refused it.
    Refused(Refusal),
}

/// The parts of a request's head that the audit log needs. `headers` is absent if the headers have gone upstream.
#[expect(missing_docs, reason = "the types say it")]
pub struct RequestHead<'r> {
    pub method: &'r Method,
    pub uri: &'r Uri,
    pub headers: Option<&'r HeaderMap>,
    pub peer: IpAddr,
}

impl<'r> RequestHead<'r> {
    /// The head with its headers, which hold the trace id.
    pub fn of(head: &'r Parts, connection: &Connection) -> Self {
        let peer = headers::caller(&head.headers, connection);
        Self { method: &head.method, uri: &head.uri, headers: Some(&head.headers), peer }
    }
}

impl<'a> AuditRecord<'a> {
    /// Starts the record of a request.
    pub fn new(
        services: &'a Services,
        request: &RequestHead<'_>,
        realm: Option<&RealmRuntime>,
        policy_hash: &str,
    ) -> Self {
        let line = Line {
            time: services.now(),
            id: uuid::Uuid::now_v7().to_string(),
            outcome: Outcome::Failed.as_str(),
            peer: request.peer.to_string(),
            method: first(request.method.as_str(), METHOD),
            path: clip(request.uri.path()),
            trace_id: request.headers.and_then(trace_id),
            realm: realm.map(|realm| realm.config.name.clone()),
            policy_hash: policy_hash.to_owned(),
            ..Line::default()
        };
        Self {
            services,
            started: Instant::now(),
            authorization: request.headers.is_some_and(|headers| headers.contains_key(AUTHORIZATION)),
            line,
            peer: request.peer,
            ungoverned: false,
            written: false,
            grant: None,
            dialect: realm.map(|realm| realm.config.dialect).unwrap_or_default(),
            nonce: None,
            metrics: Arc::clone(realm.map_or(services.metrics.no_realm(), |realm| &realm.metrics)),
            audiences: Vec::new(),
            issuance: None,
        }
    }

    /// The correlation id.
    pub fn id(&self) -> &str {
        &self.line.id
    }

    /// The address of the caller.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Replaces the realm and the policy with those that apply now.
    pub fn governed_by(&mut self, realm: Option<&RealmRuntime>, policy_hash: &str) {
        self.line.realm = realm.map(|realm| realm.config.name.clone());
        self.dialect = realm.map(|realm| realm.config.dialect).unwrap_or_default();
        self.metrics = Arc::clone(realm.map_or(self.services.metrics.no_realm(), |realm| &realm.metrics));
        policy_hash.clone_into(&mut self.line.policy_hash);
    }

    /// The request is a governed grant; `None` is the refresh of an exchange.
    pub fn is_governed(&mut self, grant: Option<Grant>) {
        self.line.event = if grant.is_some() { Event::TokenExchange } else { Event::TokenRefresh };
        self.line.door = match grant {
            None | Some(Grant::TokenExchange) => None,
            Some(Grant::JwtBearer) => Some(GovernedGrant::JwtBearer.name()),
            Some(Grant::ApiAccess) => Some(API_ACCESS_DOOR),
        };
        self.grant = grant;
    }

    /// Whether the request is a token exchange, or another grant that is judged like one.
    pub fn is_exchange(&self) -> bool {
        self.line.event == Event::TokenExchange
    }

    /// The caller's answer to a refusal.
    pub fn refusal(&self, refusal: &Refusal) -> Response<Body> {
        let mut response = respond::refusal(self.dialect, refusal, self.kind(), &self.line.id);
        if self.authorization || self.dialect.rules().challenges {
            respond::challenge(&mut response, self.line.realm.as_deref().unwrap_or_default());
        }
        response
    }

    /// The caller's answer to a refusal of the identity provider: in its own words, if the dialect is its own.
    pub fn upstream_refusal(&self, mut response: Response<Body>, error: &OAuthRefusal) -> Response<Body> {
        if self.dialect.rules().upstream_refusals {
            respond::correlate(&mut response, &self.line.id);
            return response;
        }
        let (mut head, _) = response.into_parts();
        let (answer, body) = self.refusal(&Refusal::new(error.reason(), "")).into_parts();
        for name in [CONTENT_ENCODING, CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING, WWW_AUTHENTICATE] {
            head.headers.remove(name);
        }
        head.status = answer.status;
        head.headers.extend(answer.headers);
        Response::from_parts(head, body)
    }

    fn kind(&self) -> RequestKind {
        match (self.line.event, self.grant) {
            (Event::TokenRefresh, _) => RequestKind::Refresh,
            (_, Some(Grant::JwtBearer)) => RequestKind::Assertion,
            (_, Some(Grant::TokenExchange | Grant::ApiAccess) | None) => RequestKind::Exchange,
        }
    }

    /// The request revokes a token that Cambio signed.
    pub fn is_revocation(&mut self) {
        self.line.event = Event::TokenRevocation;
    }

    /// The nonce for the caller's next `DPoP` proof.
    pub fn next_nonce(&mut self, nonce: Option<HeaderValue>) {
        self.nonce = nonce;
    }

    /// The answer with the nonce for the caller's next proof (RFC 9449 section 8.2). Every answer has one.
    pub fn with_dpop_nonce(&mut self, mut answer: Response<Body>) -> Response<Body> {
        if let Some(nonce) = self.nonce.take() {
            answer.headers_mut().insert(NONCE_HEADER, nonce);
        }
        answer
    }

    /// The exchange is allowed: writes the line before the answer leaves.
    ///
    /// # Errors
    /// When the line can't be written; then nothing may be handed out.
    pub async fn allowed(&mut self, status: StatusCode) -> Result<(), Refusal> {
        self.confirm(Outcome::Allowed, None, status).await
    }

    /// Writes the line of a request whose answer must not leave without the line. A caller that hangs up meanwhile has a
    /// line of its own.
    async fn confirm(&mut self, outcome: Outcome, reason: Option<Reason>, status: StatusCode) -> Result<(), Refusal> {
        self.ends(outcome, reason, status);
        let Err(error) = self.services.audit.confirm(&self.line).await else {
            self.written = true;
            self.count(outcome, reason);
            return Ok(());
        };
        tracing::error!(id = %self.line.id, %error, "an audit line could not be written");
        self.written = true;
        self.count(Outcome::Failed, Some(Reason::Internal));
        if !matches!(error, AuditError::Output(_)) {
            // The line that says `allowed` may still appear, and this one says what became of it.
            self.line.detail = format!("nothing was handed out: {error}");
            self.ends(Outcome::Failed, Some(Reason::Internal), StatusCode::INTERNAL_SERVER_ERROR);
            drop(self.services.audit.write(&self.line));
        }
        Err(unaudited())
    }

    /// Checks that the line of an allowed request could be written, before anything is used up.
    ///
    /// # Errors
    /// The output takes nothing at the moment.
    pub fn can_be_audited(&self) -> Result<(), Refusal> {
        if !self.services.audit.is_stuck() {
            return Ok(());
        }
        self.services.metrics.audit_failed();
        Err(unaudited())
    }

    /// The request is refused, or failed: whoever awaits the result waits for the line. This has no effect if the line is
    /// written, which is so only if writing failed.
    pub fn refused(&mut self, refusal: &Refusal, status: StatusCode) -> Option<LineWritten> {
        if self.written {
            return None;
        }
        let fault = matches!(
            refusal.reason,
            Reason::UpstreamUnavailable
                | Reason::UpstreamTimeout
                | Reason::UpstreamBusy
                | Reason::UpstreamGarbage
                | Reason::CallerGone
        );
        if self.ungoverned && fault {
            tracing::warn!(id = %self.line.id, path = %self.line.path, reason = %refusal.reason, "not answered: {}", refusal.detail);
            self.written = true;
            return None;
        }
        if refusal.reason == Reason::Overloaded {
            self.services.metrics.shed();
        }
        if matches!(refusal.reason, Reason::AnswerLocked | Reason::AnswerTooLong) {
            if !matches!(self.line.event, Event::TokenExchange | Event::TokenRefresh) {
                self.line.event = Event::AnswerWithheld;
            }
            self.services.metrics.answer_withheld();
            tracing::error!(id = %self.line.id, path = %self.line.path, "ALARM: an answer was withheld: {}", refusal.detail);
        }
        let noted = std::mem::take(&mut self.line.detail);
        self.line.detail = first(&refusal.detail, DETAIL);
        if !noted.is_empty() {
            self.line.detail.push_str("; ");
            self.line.detail.push_str(&noted);
        }
        Some(self.end(unsuccessful(status), Some(refusal.reason), status))
    }

    /// The request goes ungoverned through a door that the configuration opens.
    pub fn is_door(&mut self, door: &'static str) {
        self.line.event = Event::DoorPassed;
        self.line.door = Some(door);
    }

    /// The request is observed, and Cambio would have refused it before it knew the grant.
    pub fn is_observed_unread(&mut self) {
        self.line.event = Event::DoorPassed;
    }

    /// The request came to a door that is closed, or more often than a limit allows.
    pub fn is_refused_at_door(&mut self, door: &'static str) {
        self.line.door = Some(door);
    }

    /// The identity provider answered behind an open door: writes the line before the answer leaves.
    ///
    /// # Errors
    /// When the line can't be written; then nothing may be handed out.
    pub async fn door_passed(&mut self, status: StatusCode) -> Result<(), Refusal> {
        self.upstream_status(status);
        if status.is_success() {
            return self.allowed(status).await;
        }
        self.confirm(unsuccessful(status), Some(Reason::UpstreamRefused), status).await
    }

    /// The request is not governed. Faults of the identity provider and of the network go to logs and metrics, and
    /// only a refusal by a lock is audited.
    pub fn ungoverned(&mut self) {
        self.ungoverned = true;
    }

    /// The answer to a request. For a refusal, its line is written.
    pub fn conclude(
        mut self,
        response: Result<Response<Body>, Refusal>,
    ) -> impl Future<Output = Response<Body>> + Send + use<> {
        let mut written = None;
        let response = response.unwrap_or_else(|refusal| {
            let response = self.refusal(&refusal);
            written = self.refused(&refusal, response.status());
            response
        });
        after(written, self.with_dpop_nonce(response))
    }

    /// The answer to a request that ended outside the pipeline.
    pub fn end_outside(mut self, refusal: &Refusal) -> impl Future<Output = Response<Body>> + Send + use<> {
        let response = respond::refusal(self.dialect, refusal, RequestKind::Exchange, &self.line.id);
        self.ungoverned();
        let written = self.refused(refusal, response.status());
        after(written, response)
    }

    /// The record of an answer whose head leaves with this status, and whose body is still read. Its line is written only if
    /// the body is cut.
    pub fn into_late(mut self, status: StatusCode) -> LateRecord {
        self.not_audited();
        LateRecord::new(self.services, std::mem::take(&mut self.line), self.started, status)
    }

    /// The request has its answer, and no line is written.
    pub fn not_audited(&mut self) {
        self.written = true;
    }

    /// Writes the line of a request that is not allowed, and counts the request.
    fn end(&mut self, outcome: Outcome, reason: Option<Reason>, status: StatusCode) -> LineWritten {
        self.written = true;
        self.ends(outcome, reason, status);
        let written = self.services.audit.write(&self.line);
        self.count(outcome, reason);
        written
    }

    /// Says in the line how the request ends.
    fn ends(&mut self, outcome: Outcome, reason: Option<Reason>, status: StatusCode) {
        self.line.status = status.as_u16();
        let (reason, took) = (reason.map(Reason::as_str), self.started.elapsed());
        self.line.ends(outcome.as_str(), reason, took, self.services.now());
    }

    fn count(&self, outcome: Outcome, reason: Option<Reason>) {
        match self.line.event {
            Event::TokenRefresh => self.metrics.own_token_request(OwnEndpoint::Refresh, outcome),
            Event::TokenRevocation => self.metrics.own_token_request(OwnEndpoint::Revocation, outcome),
            _ => {}
        }
        if let Some(door) = self.line.door {
            self.metrics.at_door(door, outcome);
        }
        match (self.line.event, reason) {
            (Event::TokenExchange, _) => self.metrics.exchanged(&ExchangeEnd {
                audiences: &self.audiences,
                issuance: self.issuance,
                client: self.line.client.as_deref(),
                outcome,
                reason,
                took: self.started.elapsed(),
            }),
            // Cambio did not refuse it.
            (Event::DoorPassed, Some(Reason::UpstreamRefused)) | (_, None) => {}
            (_, Some(reason)) => self.services.metrics.rejected(reason),
        }
    }
}

fn unaudited() -> Refusal {
    Refusal::new(Reason::Internal, "the audit line could not be written")
}

/// The answer, once its line is written or has waited long enough.
async fn after(written: Option<LineWritten>, response: Response<Body>) -> Response<Body> {
    if let Some(written) = written {
        written.await;
    }
    response
}

impl Drop for AuditRecord<'_> {
    fn drop(&mut self) {
        if self.written || self.ungoverned {
            return;
        }
        let (reason, status) = if std::thread::panicking() {
            (Reason::Internal, StatusCode::INTERNAL_SERVER_ERROR)
        } else {
            (Reason::CallerGone, StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST))
        };
        // Nobody is left who could wait.
        drop(self.end(Outcome::Failed, Some(reason), status));
    }
}

/// The outcome of a request whose answer has this status.
pub(super) fn unsuccessful(status: StatusCode) -> Outcome {
    if status.is_server_error() { Outcome::Failed } else { Outcome::Denied }
}

/// The trace id of a W3C `traceparent`, with which an operator finds the audit line of a trace.
fn trace_id(headers: &HeaderMap) -> Option<String> {
    let mut parts = headers.get("traceparent")?.to_str().ok()?.split('-');
    let (_version, trace) = (parts.next()?, parts.next()?);
    let valid = trace.len() == 32 && trace.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase());
    valid.then(|| trace.to_owned())
}
