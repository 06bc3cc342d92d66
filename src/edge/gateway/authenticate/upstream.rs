//! Authenticates a client through the identity provider. Its introspection endpoint (RFC 7662) authenticates the caller
//! before it looks at the token, so the status of the answer is about the client, whatever the token is.

use std::time::Duration;

use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE,
    HeaderMap, HeaderValue, RANGE, TE, TRAILER, TRANSFER_ENCODING,
};
use http::request::Parts;
use http::{Method, Request, Uri};
use jiff::SignedDuration;

use super::unavailable;
use crate::adapters::net::body::{Body, read_bounded};
use crate::adapters::net::outgoing::sign;
use crate::edge::gateway::generation::RealmState;
use crate::edge::gateway::token_endpoint::Visit;
use crate::judgement::client::credentials::{Credentials, Presented};
use crate::judgement::client::verify::{Proven, by_upstream};
use crate::words::oauth::introspection;
use crate::words::refusal::{Reason, Refusal};

/// The `token` of the request: it is no token, and nobody's secret.
const NO_TOKEN: &str = "cambio-asks-about-the-client";

/// Asks the identity provider, or uses its remembered answer for exactly these credentials. An assertion is good for
/// one use, so its answer is not remembered.
pub(super) async fn judge(
    visit: Visit<'_>,
    realm: &RealmState,
    credentials: &Credentials,
    head: &Parts,
    cache_for: Duration,
) -> Result<Proven, Refusal> {
    let Presented::Secret(secret) = credentials.presented() else {
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
) -> Result<Proven, Refusal> {
    let mut form = introspection::request(NO_TOKEN);
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
    let read =
        read_bounded(body, introspection::MAX_ANSWER_BYTES, visit.gateway.upstream.idle_timeout()).await;
    let (body, _) = read.map_err(|error| unavailable(&format!("the identity provider's answer: {error}")))?;
    by_upstream(credentials, answer.status.as_u16(), &body)
}

/// The realm's introspection endpoint at the host of the caller's request.
fn target(asked: &Uri, path: &str) -> Option<Uri> {
    let mut parts = asked.clone().into_parts();
    parts.path_and_query = format!("{path}/protocol/openid-connect/token/introspect").parse().ok();
    Uri::from_parts(parts).ok()
}

/// The caller's headers, because the identity provider's answer may depend on the host and on the headers of proxies;
/// without those about the content and about other identities.
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
    sign(&mut headers);
    if let Some(authorization) = credentials.authorization() {
        headers.insert(AUTHORIZATION, authorization.clone());
    }
    headers
}
