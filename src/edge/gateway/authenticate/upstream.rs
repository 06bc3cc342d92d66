//! The identity provider's word about a client: its introspection endpoint (RFC 7662) authenticates the caller before it
//! looks at the token, so its status tells, whatever the token is.

use std::time::Duration;

use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE,
    HeaderMap, HeaderValue, RANGE, TE, TRAILER, TRANSFER_ENCODING,
};
use http::{Method, Request, Uri};
use jiff::SignedDuration;
use serde::Deserialize;

use crate::adapters::net::body::{Body, read_bounded};
use crate::edge::gateway::authenticator::remembered::Finding;
use crate::edge::gateway::authenticator::unavailable;
use crate::edge::gateway::case::Case;
use crate::judgement::client::credentials::{Credentials, Presented};
use crate::judgement::client::verify::{Proven, UpstreamSays, by_upstream};
use crate::words::oauth::form::Form;
use crate::words::refusal::{Reason, Refusal};

/// What is asked about: no token, and nobody's secret.
const NO_TOKEN: &str = "cambio-asks-about-the-client";
/// Longest answer that is read.
const LONGEST: usize = 64 * 1024;

impl Case<'_> {
    /// Asks, or remembers what was said about these very credentials. An assertion is good for one use, so nothing is
    /// remembered of it.
    pub(super) async fn authenticate_upstream(
        &self,
        credentials: &Credentials,
        cache_for: Duration,
    ) -> Result<Proven, Refusal> {
        let Presented::Secret(secret) = credentials.presented() else {
            return Box::pin(self.ask_about_client(credentials)).await;
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
        let ask = || Box::pin(self.ask_about_client(credentials)) as Finding<'_>;
        remembered.or_else(&parts, keep, || self.services.now(), ask).await
    }

    async fn ask_about_client(&self, credentials: &Credentials) -> Result<Proven, Refusal> {
        let mut form = Form::new();
        form.push("token", NO_TOKEN);
        credentials.write(&mut form);
        let form = form.encode();
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = target(&self.head.uri, &self.realm.config.path)
            .ok_or_else(|| Refusal::new(Reason::Internal, "the introspection endpoint has no URI"))?;
        *request.version_mut() = self.head.version;
        *request.headers_mut() = headers(&self.head.headers, credentials, form.len());
        let request = request.map(|()| Body::full(form));
        let response = self.services.send(request, self.connection).await;
        let response = response.map_err(|refusal| unavailable(&refusal.detail))?;
        let (answer, body) = response.into_parts();
        let read = read_bounded(body, LONGEST, self.services.upstream.idle_timeout()).await;
        let (body, _) =
            read.map_err(|error| unavailable(&format!("the identity provider's answer: {error}")))?;
        by_upstream(credentials, answer.status.as_u16(), &said(&body))
    }
}

/// What an introspection answer or an OAuth error says, as far as it is one.
fn said(body: &[u8]) -> UpstreamSays {
    #[derive(Default, Deserialize)]
    struct Answer {
        #[serde(default)]
        active: Option<bool>,
        #[serde(default)]
        error: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(body).unwrap_or_default();
    UpstreamSays { active: answer.active, error: answer.error }
}

/// The realm's introspection endpoint, at the host that the caller asked for.
fn target(asked: &Uri, path: &str) -> Option<Uri> {
    let mut parts = asked.clone().into_parts();
    parts.path_and_query = format!("{path}/protocol/openid-connect/token/introspect").parse().ok();
    Uri::from_parts(parts).ok()
}

/// The caller's headers, since the identity provider's answer may depend on its host and on what proxies say of it, but
/// for those about the content and about other identities.
fn headers(caller: &HeaderMap, credentials: &Credentials, length: usize) -> HeaderMap {
    let mut headers = caller.clone();
    for name in
        [ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, COOKIE, RANGE, TE, TRAILER, TRANSFER_ENCODING]
    {
        headers.remove(name);
    }
    headers.remove("dpop");
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    if let Some(authorization) = credentials.authorization() {
        headers.insert(AUTHORIZATION, authorization.clone());
    }
    headers
}
