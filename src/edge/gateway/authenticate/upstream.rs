//! The identity provider's word about a client: its introspection endpoint (RFC 7662) authenticates the caller before it
//! looks at the token, so its status tells, whatever the token is.

use std::time::Duration;

use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE,
    HeaderMap, HeaderValue, RANGE, TE, TRAILER, TRANSFER_ENCODING,
};
use http::request::Parts;
use http::{Method, Request, Uri};
use jiff::SignedDuration;
use serde::Deserialize;

use super::unavailable;
use crate::adapters::net::body::{Body, read_bounded};
use crate::edge::gateway::generation::RealmState;
use crate::edge::gateway::token_endpoint::Visit;
use crate::judgement::client::credentials::{Credentials, PresentedCredentials};
use crate::judgement::client::verify::{AuthenticatedClient, UpstreamSays, authenticate_by_introspection};
use crate::words::oauth::form::Form;
use crate::words::refusal::{Reason, Refusal};

/// What is asked about: no token, and nobody's secret.
const NO_TOKEN: &str = "cambio-asks-about-the-client";
/// Longest answer that is read.
const LONGEST: usize = 64 * 1024;

/// Asks, or remembers what was said about these very credentials. An assertion is good for one use, so nothing is
/// remembered of it.
pub(super) async fn judge(
    visit: Visit<'_>,
    realm: &RealmState,
    credentials: &Credentials,
    head: &Parts,
    cache_for: Duration,
) -> Result<AuthenticatedClient, Refusal> {
    let PresentedCredentials::Secret(secret) = credentials.presented() else {
        return Box::pin(ask(visit, realm, credentials, head)).await;
    };
    let header = credentials.authorization().and_then(|header| header.to_str().ok()).unwrap_or_default();
    let parts = [
        "upstream",
        &realm.config.name,
        &realm.config.issuer,
        credentials.client_id(),
        credentials.method().name(),
        header,
        secret.expose(),
    ];
    let keep = SignedDuration::try_from(cache_for).unwrap_or_default();
    let now = || visit.gateway.clock.now();
    visit
        .gateway
        .authenticator
        .remembered
        .or_else(&parts, keep, now, || Box::pin(ask(visit, realm, credentials, head)))
        .await
}

async fn ask(
    visit: Visit<'_>,
    realm: &RealmState,
    credentials: &Credentials,
    head: &Parts,
) -> Result<AuthenticatedClient, Refusal> {
    let mut form = Form::new();
    form.push("token", NO_TOKEN);
    credentials.write(&mut form);
    let form = form.encode();
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = target(&head.uri, &realm.config.path)
        .ok_or_else(|| Refusal::new(Reason::Internal, "the introspection endpoint has no URI"))?;
    *request.version_mut() = head.version;
    *request.headers_mut() = headers(&head.headers, credentials, form.len());
    let request = request.map(|()| Body::full(form));
    let response = visit
        .gateway
        .send(request, visit.connection)
        .await
        .map_err(|refusal| unavailable(&refusal.detail))?;
    let (answer, body) = response.into_parts();
    let read = read_bounded(body, LONGEST, visit.gateway.upstream.idle_timeout()).await;
    let (body, _) = read.map_err(|error| unavailable(&format!("the identity provider's answer: {error}")))?;
    authenticate_by_introspection(credentials, answer.status.as_u16(), &said(&body))
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
