//! Authenticates a client through the identity provider. Its introspection endpoint (RFC 7662) authenticates the
//! caller before it looks at the token, so the status of the answer tells whether the client is authentic, whatever
//! the token is.

use std::time::Duration;

use http::header::{ACCEPT, COOKIE, HeaderMap, HeaderName, HeaderValue, TE};
use http::{Method, Request};
use jiff::SignedDuration;

use crate::adapters::net::body::{Body, ReadError, read_counted};
use crate::adapters::net::coding::undo;
use crate::adapters::net::outgoing::{is_busy, sign};
use crate::edge::gateway::answer_lock::no_memory;
use crate::edge::gateway::authenticator::{Finding, unavailable};
use crate::edge::gateway::case::Case;
use crate::edge::gateway::exchange::ask::announce_form;
use crate::judgement::client::credentials::{Credentials, PresentedCredentials};
use crate::judgement::client::verify::{AuthenticatedClient, authenticate_by_introspection};
use crate::judgement::token::dpop;
use crate::words::oauth::introspection;
use crate::words::refusal::{Reason, Refusal, RetryAfter};

/// The `token` of the request, which is neither a token nor a secret.
const NO_TOKEN: &str = "cambio-asks-about-the-client";

impl Case<'_> {
    /// Introspects at the identity provider, or uses its remembered answer for exactly these credentials. An
    /// assertion is good for one use, so the answer about it is not remembered.
    pub(super) async fn authenticate_upstream(
        &self,
        credentials: &Credentials,
        cache_for: Duration,
    ) -> Result<AuthenticatedClient, Refusal> {
        let PresentedCredentials::Secret(secret) = credentials.presented() else {
            return Box::pin(self.introspect_for_client(credentials)).await;
        };
        let header = credentials.authorization().and_then(|header| header.to_str().ok()).unwrap_or_default();
        let parts = [
            "upstream",
            &self.realm.config.name,
            &self.realm.config.issuer,
            credentials.client_id(),
            credentials.method().name(),
            header,
            secret.expose(),
        ];
        let keep = SignedDuration::try_from(cache_for).unwrap_or_default();
        let remembered = &self.services.authenticator.remembered;
        let introspect = || Box::pin(self.introspect_for_client(credentials)) as Finding<'_>;
        remembered.or_else(&parts, keep, || self.services.clock.steady(), introspect).await
    }

    /// Asks about the client. Keycloak's endpoint is known to authenticate its callers. Of another one, Cambio does not know
    /// whether it does, for this client: some accept anybody, or any secret of a public client. So Cambio asks once more
    /// with a secret that nobody has, and believes the first answer only if the second is a refusal.
    async fn introspect_for_client(&self, credentials: &Credentials) -> Result<AuthenticatedClient, Refusal> {
        if !self.realm.config.is_elsewhere() {
            return self.ask_about_client(credentials).await;
        }
        let Some(nobodys) = credentials.with_secret(&uuid::Uuid::new_v4().to_string()) else {
            return Err(unauthenticated(
                "at an identity provider that is not Keycloak, only a secret can be asked about: list the client in \
                 realms.*.clients",
            ));
        };
        let proven = self.ask_about_client(credentials).await?;
        match self.ask_about_client(&nobodys).await {
            Err(refusal) if refusal.reason == Reason::ClientUnauthenticated => Ok(proven),
            Err(unclear) => Err(unclear),
            Ok(_) => Err(unauthenticated(
                "the identity provider's introspection endpoint accepts any secret for it, so it proves nothing: list the \
                 client in realms.*.clients",
            )),
        }
    }

    async fn ask_about_client(&self, credentials: &Credentials) -> Result<AuthenticatedClient, Refusal> {
        let mut form = introspection::request(NO_TOKEN);
        credentials.write(&mut form);
        let form = form.encode();
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        let target = self.realm.config.place().introspection();
        *request.uri_mut() = target
            .and_then(|target| target.parse().ok())
            .ok_or_else(|| Refusal::new(Reason::Internal, "the introspection endpoint has no URI"))?;
        *request.version_mut() = self.head.version;
        *request.headers_mut() = headers(&self.head.headers, credentials, form.len());
        let request = request.map(|()| Body::full(form));
        let origin = self.realm.origins.of(&self.head, self.connection);
        let response = self.services.send_as(origin, request, self.connection).await;
        let response = response.map_err(|refusal| unavailable(&refusal.detail).retry_after(refusal.retry_after))?;
        let (mut answer, body) = response.into_parts();
        if is_busy(answer.status) {
            let refusal =
                unavailable(&format!("the identity provider answered with status {}", answer.status.as_u16()));
            return Err(refusal.retry_after(RetryAfter::of(&answer.headers)));
        }
        let idle = self.services.upstream.idle_timeout();
        let read = read_counted(body, introspection::MAX_ANSWER_BYTES, idle, &self.share).await;
        let (body, _) = read.map_err(|error| match error {
            ReadError::Exhausted(exhausted) => no_memory(exhausted),
            error => unavailable(&format!("the identity provider's answer: {error}")),
        })?;
        let body = undo(&mut answer.headers, body, introspection::MAX_ANSWER_BYTES);
        let body = body.map_err(|error| unavailable(&format!("the identity provider: {error}")))?;
        authenticate_by_introspection(credentials, answer.status.as_u16(), &body)
    }
}

fn unauthenticated(detail: &str) -> Refusal {
    Refusal::new(Reason::ClientUnauthenticated, detail)
}

/// The caller's headers without those about the content and about other identities. The identity provider's answer
/// may depend on the headers of proxies. The host is the realm's.
fn headers(caller: &HeaderMap, credentials: &Credentials, length: usize) -> HeaderMap {
    let mut headers = caller.clone();
    for name in [COOKIE, TE, HeaderName::from_static(dpop::HEADER)] {
        headers.remove(name);
    }
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    announce_form(&mut headers, credentials, length);
    sign(&mut headers);
    headers
}
