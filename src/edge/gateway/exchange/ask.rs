//! Requests to the identity provider's token endpoint: a form under the caller's head.

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RANGE, TRAILER,
    TRANSFER_ENCODING,
};
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode, response};

use super::outcome::{Stop, UpstreamRefusal};
use crate::adapters::metrics::Outcome;
use crate::adapters::net::body::{Body, ReadError, read_counted};
use crate::adapters::net::outgoing::is_busy;
use crate::edge::gateway::answer_lock::{self, HOLD, Origin, Reading, no_memory};
use crate::edge::gateway::case::Case;
use crate::judgement::client::credentials::{Credentials, PresentedCredentials};
use crate::judgement::client::verify::UPSTREAM;
use crate::judgement::dialect::upstream::{OAuthRefusal, UpstreamRequest};
use crate::judgement::exchange::refresh;
use crate::judgement::jose::jws::JwsError;
use crate::judgement::jose::verify::{self, Expectations, TokenError, VerifiedToken};
use crate::judgement::token::dpop;
use crate::words::oauth::form::Form;
use crate::words::refusal::{Reason, Refusal, RetryAfter};
use crate::words::secret::Secret;

/// A form that was sent to the identity provider.
struct SentForm<'a> {
    credentials: &'a Credentials,
    form: &'a [u8],
}

/// What an answer of the identity provider says of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientJudgement {
    Accepted,
    Refused,
    Unclear,
}

/// A success of the identity provider.
pub struct UpstreamReply {
    /// The head of the answer.
    pub head: response::Parts,
    /// The whole body.
    pub body: Bytes,
}

impl Case<'_> {
    /// Sends `form`, with the client's credentials, to the endpoint that the caller called.
    ///
    /// # Errors
    /// The identity provider refuses, does not answer, or answers with something that is not OAuth.
    pub async fn ask_upstream(
        &mut self,
        credentials: &Credentials,
        form: String,
        head: Parts,
    ) -> Result<UpstreamReply, Stop> {
        if self.client.is_spent(credentials) {
            let detail = "the identity provider has seen the assertion already, when Cambio asked it about the client";
            return Err(Refusal::new(Reason::CredentialsSingleUse, detail).into());
        }
        let is_first = !self.client.is_proven();
        if is_first {
            self.may_guess(credentials)?;
            self.has_room(credentials.client_id())?;
        }
        let form = Bytes::from(form);
        let response = self.send_form(credentials, form.clone(), head).await;
        if response.is_err() && is_first {
            self.count_judgement(ClientJudgement::Unclear);
        }
        let response = response?;
        self.record.upstream_status(response.status());
        let (head, body) = self.whole(response).await?;
        if is_first {
            self.count_judgement(ClientJudgement::of(head.status, &body));
        }
        // Guesses that were sent at once learn nothing, once there were too many of them. But who holds a token that was
        // renewed or revoked must learn of it.
        if is_first && (self.record.is_exchange() || !head.status.is_success()) {
            self.may_guess(credentials)?;
        }
        if head.status.is_success() {
            self.client.accept();
            if is_first {
                self.guessed(credentials, true);
                match self.count_client(credentials.client_id()) {
                    Err(limited) if self.record.is_exchange() => return Err(limited.into()),
                    // The identity provider has revoked or renewed a token, which the caller must learn.
                    Err(_) | Ok(()) => {}
                }
            }
            self.page.learn_from_answer(&head.headers);
            return Ok(UpstreamReply { head, body });
        }
        if is_first && head.status == StatusCode::UNAUTHORIZED {
            self.guessed(credentials, false);
        }
        Err(self.refused(&SentForm { credentials, form: &form }, head, body))
    }

    /// Sends `form` to the identity provider's path, under one of the realm's origins: Keycloak takes its issuer from the
    /// host, and accepts assertions for that issuer.
    async fn send_form(
        &self,
        credentials: &Credentials,
        form: Bytes,
        mut head: Parts,
    ) -> Result<Response<Body>, Refusal> {
        let origin = self.realm.origins.of(&head, self.connection);
        announce_form(&mut head.headers, credentials, form.len());
        self.generation.to_upstream(&mut head);
        let request = Request::from_parts(head, Body::full(form));
        self.services.send_as(origin, request, self.connection).await
    }

    /// The whole answer.
    async fn whole(&self, response: Response<Body>) -> Result<(response::Parts, Bytes), Refusal> {
        let (head, body) = response.into_parts();
        let idle = self.services.upstream.idle_timeout();
        let (body, _) = read_counted(body, HOLD, idle, &self.share).await.map_err(|error| match error {
            ReadError::Exhausted(exhausted) => no_memory(exhausted),
            error => Refusal::new(Reason::UpstreamGarbage, format!("the identity provider's answer: {error}")),
        })?;
        Ok((head, body))
    }

    /// Whether the endpoint that the caller called accepts the client's credentials, which it judges before the rest of
    /// a request. The rest is a refresh without a refresh token, so nothing is issued. If the credentials are not
    /// accepted, the error is the identity provider's answer. `None`: its answer does not tell. `is_checked`: the secret was
    /// found wrong in this request already, and is not counted again.
    pub(super) async fn judged_upstream(
        &mut self,
        credentials: &Credentials,
        is_checked: bool,
    ) -> Option<Result<(), Stop>> {
        if !is_checked && let Err(locked_out) = self.may_guess(credentials) {
            return Some(Err(locked_out.into()));
        }
        let mut form = Form::new();
        form.push("grant_type", refresh::GRANT);
        credentials.write(&mut form);
        let mut head = self.head.clone();
        // Only the caller's own request uses up the proof.
        head.headers.remove(dpop::HEADER);
        let form = Bytes::from(form.encode());
        let response = self.send_form(credentials, form.clone(), head).await.ok()?;
        let (head, body) = self.whole(response).await.ok()?;
        if !is_checked && let Err(locked_out) = self.may_guess(credentials) {
            return Some(Err(locked_out.into()));
        }
        let judgement = ClientJudgement::of(head.status, &body);
        let about_client = judgement == ClientJudgement::Refused;
        match head.status {
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED if about_client => {
                self.record.upstream_status(head.status);
                if !is_checked {
                    self.count_judgement(judgement);
                }
                if !is_checked && head.status == StatusCode::UNAUTHORIZED {
                    self.guessed(credentials, false);
                }
                Some(Err(self.refused(&SentForm { credentials, form: &form }, head, body)))
            }
            status if is_busy(status) => {
                self.record.upstream_status(status);
                if !is_checked {
                    self.count_judgement(judgement);
                }
                Some(Err(self.refused(&SentForm { credentials, form: &form }, head, body)))
            }
            StatusCode::OK | StatusCode::BAD_REQUEST => {
                self.client.accept();
                if !is_checked {
                    self.count_judgement(judgement);
                }
                self.guessed(credentials, true);
                if let Err(limited) = self.count_client(credentials.client_id()) {
                    return Some(Err(limited.into()));
                }
                self.page.learn_from_answer(&head.headers);
                Some(Ok(()))
            }
            _ => None,
        }
    }

    /// Counts in the metrics what the identity provider said of a client that Cambio has not authenticated.
    fn count_judgement(&self, judgement: ClientJudgement) {
        let metrics = &self.realm.metrics;
        match judgement {
            ClientJudgement::Accepted => metrics.client_authenticated(UPSTREAM),
            ClientJudgement::Refused => metrics.client_refused(UPSTREAM, Outcome::Denied),
            ClientJudgement::Unclear => metrics.client_refused(UPSTREAM, Outcome::Failed),
        }
    }

    /// The caller's answer to a refusal of the identity provider.
    fn refused(&mut self, sent: &SentForm<'_>, head: response::Parts, body: Bytes) -> Stop {
        if answer_lock::reading(Origin::TokenEndpoint, head.status, &head.headers) == Reading::Coded
            || answer_lock::bears_mark(&body)
            || has_token(&body)
        {
            self.client.accept();
            return Refusal::new(Reason::AnswerLocked, "a refusal that bears a token, or can't be read").into();
        }
        let status = head.status;
        let (error, cause) = sent.read_error(&self.realm.config.name, status, &body);
        if is_busy(status) {
            self.client.accept();
            return Refusal::new(Reason::UpstreamBusy, cause).retry_after(RetryAfter::of(&head.headers)).into();
        }
        if status.is_server_error() || status.is_redirection() || status.is_informational() {
            self.client.accept();
            return Refusal::new(Reason::UpstreamGarbage, cause).into();
        }
        if !error.is_about_client() {
            self.client.accept();
            self.page.learn_from_answer(&head.headers);
        }
        let response = Response::from_parts(head, Body::full(body));
        let response = self.record.upstream_refusal(response, &error);
        let is_of_grant = error.code() == "invalid_grant";
        let refusal = Refusal::new(Reason::UpstreamRefused, cause);
        Stop::Upstream(Box::new(UpstreamRefusal { response, is_of_grant, refusal }))
    }

    /// A token of an answer, verified with the realm's keys.
    ///
    /// # Errors
    /// The token is invalid, or the realm's keys are not available.
    pub(super) async fn verified(&self, token: &Secret) -> Result<VerifiedToken, Refusal> {
        let untrusted = |error: TokenError| {
            let realm = &self.realm.config.name;
            let reason = match error {
                TokenError::Expired(_) | TokenError::NotYetValid { .. } => Reason::AnswerLifetime,
                TokenError::Issuer => Reason::AnswerSubject,
                TokenError::ClaimMissing(_) | TokenError::ClaimType(_) => Reason::AnswerClaims,
                TokenError::AlgorithmNotAllowed | TokenError::Jws(JwsError::Algorithm) => {
                    let detail = format!(
                        "the algorithm of an issued token is none of realms.{realm}.algorithms: set the client's signature \
                         algorithms for access tokens and ID tokens in Keycloak to one of these (HS256, HS384 and HS512 are \
                         never accepted)"
                    );
                    return Refusal::new(Reason::AnswerAlgorithm, detail);
                }
                TokenError::KeyUnknown | TokenError::Jws(_) => Reason::AnswerSignature,
            };
            Refusal::new(reason, error.to_string())
        };
        let peeked = verify::peek(token.expose()).map_err(untrusted)?;
        let config = &self.realm.config;
        let jwks = &self.realm.jwks;
        let keys = jwks.keys(peeked.kid()).await;
        let keys = keys.map_err(|error| {
            let detail = format!("{}: {error}", config.name);
            Refusal::new(error.reason(), detail).retry_after(error.retry_after())
        })?;
        let expect = Expectations {
            issuer: &config.issuer,
            algorithms: &config.tokens.algorithms,
            leeway: config.tokens.leeway,
        };
        match peeked.verify_issued(&keys, &expect, self.services.now()) {
            Err(error @ (TokenError::Jws(JwsError::Signature) | TokenError::KeyUnknown)) => {
                // The identity provider may have new keys under an old `kid`.
                let peeked = verify::peek(token.expose()).map_err(untrusted)?;
                let lacks_key = peeked.lacks_its_key(&keys, expect.algorithms);
                let newer = if lacks_key { Box::pin(jwks.newer(&keys)).await } else { None };
                let newer = newer.ok_or_else(|| untrusted(error))?;
                peeked.verify_issued(&newer, &expect, self.services.now()).map_err(untrusted)
            }
            verified => verified.map_err(untrusted),
        }
    }
}

impl ClientJudgement {
    fn of(status: StatusCode, body: &[u8]) -> Self {
        if status.is_success() {
            Self::Accepted
        } else if is_busy(status) || !status.is_client_error() {
            Self::Unclear
        } else if OAuthRefusal::read(status.as_u16(), body, []).is_about_client() {
            Self::Refused
        } else {
            Self::Accepted
        }
    }
}

impl SentForm<'_> {
    /// Parameters with a token, a secret or a code.
    const SECRETS: [&'static str; 9] = [
        "actor_token",
        "assertion",
        "client_assertion",
        "client_secret",
        "code",
        "password",
        "refresh_token",
        "subject_token",
        "token",
    ];

    /// The error in an answer, and what it means for the audit log.
    fn read_error(&self, realm: &str, status: StatusCode, body: &[u8]) -> (OAuthRefusal, String) {
        let form = Form::parse(self.form).unwrap_or_default();
        let named = Self::SECRETS.into_iter().flat_map(|name| form.all(name));
        let basic = match self.credentials.presented() {
            PresentedCredentials::Secret(secret) => Some(secret.expose()),
            PresentedCredentials::Nothing | PresentedCredentials::Assertion(_) => None,
        };
        let error = OAuthRefusal::read(status.as_u16(), body, named.chain(basic));
        let (client, audience) = (self.credentials.client_id(), form.one("audience"));
        let cause = error.detail(UpstreamRequest { realm, client, audience });
        (error, cause)
    }
}

/// Turns a caller's headers into those of Cambio's own form with the client's credentials.
pub fn announce_form(headers: &mut HeaderMap, credentials: &Credentials, length: usize) {
    for name in [CONTENT_ENCODING, TRANSFER_ENCODING, TRAILER, ACCEPT_ENCODING, AUTHORIZATION, RANGE] {
        headers.remove(name);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    if let Some(authorization) = credentials.authorization() {
        headers.insert(AUTHORIZATION, authorization.clone());
    }
}

/// Whether a supposed refusal has an `access_token`.
fn has_token(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(body).is_ok_and(|answer| answer.get("access_token").is_some())
}
