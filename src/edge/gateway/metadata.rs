//! Answers requests for the metadata of a realm: its keys and its discovery document.

pub mod amend;
pub mod cache;

use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use jiff::Timestamp;

use super::case::RequestContext;
use super::{answer_lock, respond};
use crate::adapters::net::body::{Body, read_counted};
use crate::adapters::net::budget::MemoryShare;
use crate::adapters::net::coding::undo;
use crate::adapters::net::outgoing::sign;
use crate::edge::gateway::metadata::amend::{Offers, UnamendableDocument, amend};
use crate::edge::gateway::metadata::cache::DocumentRequest;
use crate::edge::gateway::realm_runtime::RealmRuntime;
use crate::judgement::exchange::doors::GovernedDoor;
use crate::words::oauth::urn::{GRANT_JWT_BEARER, GRANT_TOKEN_EXCHANGE};
use crate::words::refusal::Reason;

/// Wait for the headers of `certs` if the identity provider hangs.
const HEADERS_WAIT: Duration = Duration::from_secs(2);

/// The identity provider's answer to a fetch.
enum Fetched {
    Document(HeaderMap, Bytes),
    /// The realm does not exist or is disabled: the answer is passed on.
    Refused(Response<Body>),
    /// No usable document: the answer if there is no older document.
    Failed(Response<Body>),
}

/// What the realm's discovery document must say about Cambio.
fn offers(realm: &RealmRuntime, now: Timestamp) -> Offers {
    let mut offers = Offers::default();
    // Without a key, Cambio only forwards, and another identity provider than Keycloak says itself whether it exchanges.
    if realm.signing.is_some() || !realm.config.is_elsewhere() {
        offers.add("grant_types_supported", GRANT_TOKEN_EXCHANGE);
    }
    if realm.config.doors.jwt_bearer == GovernedDoor::Judged {
        offers.add("grant_types_supported", GRANT_JWT_BEARER);
    }
    for key in realm.signing.iter().flat_map(|ring| ring.published(now)) {
        offers.add("id_token_signing_alg_values_supported", key.algorithm);
    }
    offers
}

impl RequestContext<'_> {
    /// The realm's keys, with Cambio's among them. While Cambio knows of no keys, the identity provider's answer passes
    /// as it came, whatever it is: nothing can be added to it.
    pub async fn keys(self, realm: Option<&RealmRuntime>, head: &Parts) -> Response<Body> {
        let Some(realm) = realm else { return respond::fault(Reason::Internal, head.uri.path()) };
        let keys = match realm.jwks.published(None).await {
            Ok(keys) => keys,
            Err(error) => {
                let message = "certs pass as the identity provider sends them, without the keys of Cambio";
                tracing::warn!(realm = %realm.config.name, %error, "{message}");
                return Box::pin(self.pass(head.clone(), Body::empty())).await;
            }
        };
        let (own, now) = (realm.signing.as_ref(), self.services.now());
        if let Some(document) = realm.published.keys(&keys, own, now) {
            return document.answer(head);
        }
        // The keys come from the cache that checks tokens. Only the identity provider's headers are fetched, once,
        // and no caller waits long for them.
        let share = self.share(head);
        let fetch = self.fetch(DocumentRequest::of(&realm.origins, head, self.connection), &share);
        let headers = match tokio::time::timeout(HEADERS_WAIT, Box::pin(fetch)).await {
            Ok(Fetched::Document(headers, _)) => headers,
            Ok(Fetched::Refused(_) | Fetched::Failed(_)) | Err(_) => HeaderMap::new(),
        };
        realm.published.keep_keys(keys, own, headers, now).answer(head)
    }

    /// The realm's discovery document, per configured origin. A caller who reached Cambio under another name gets the
    /// document of the issuer's origin: neither does the caller's `Host` choose the URLs, nor is there a document that
    /// leads past Cambio.
    pub async fn discovery(self, realm: Option<&RealmRuntime>, head: &Parts) -> Response<Body> {
        let Some(realm) = realm else { return respond::fault(Reason::Internal, head.uri.path()) };
        let request = DocumentRequest::of(&realm.origins, head, self.connection);
        let name = request.name.clone();
        let (now, steady) = (self.services.now(), self.services.clock.steady());
        if let Some(document) = realm.published.discovery(&name, steady).await {
            return document.answer(head);
        }
        let instead = match Box::pin(self.fetch(request, &self.share(head))).await {
            Fetched::Document(headers, body) => {
                let amended = amend(&body, &offers(realm, now)).unwrap_or_else(|UnamendableDocument| {
                    let message = "discovery passes as the identity provider sends it, without what Cambio offers";
                    tracing::warn!(realm = %realm.config.name, path = head.uri.path(), "{message}");
                    None
                });
                let amended = amended.map_or_else(|| body.clone(), Bytes::from);
                match realm.published.keep_discovery(name.clone(), headers.clone(), amended, steady).await {
                    Some(document) => return document.answer(head),
                    None => as_it_came(headers, body, head),
                }
            }
            Fetched::Refused(response) => return response,
            Fetched::Failed(response) => response,
        };
        match realm.published.stale_discovery(&name).await {
            Some(document) => document.answer(head),
            None => instead,
        }
    }

    /// Fetches the whole document.
    async fn fetch(self, document: DocumentRequest<'_>, share: &MemoryShare) -> Fetched {
        let DocumentRequest { origin, path, .. } = document;
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = path.parse().unwrap_or_default();
        *request.headers_mut() = document.headers;
        sign(request.headers_mut());
        match self.services.send_as(origin, request, self.connection).await {
            Ok(response) if response.status() == StatusCode::OK => {
                let (mut parts, body) = response.into_parts();
                let idle = self.services.upstream.idle_timeout();
                let read = read_counted(body, answer_lock::HOLD, idle, share).await;
                let whole = read.map_err(|error| error.to_string()).and_then(|(body, _)| {
                    undo(&mut parts.headers, body, answer_lock::HOLD).map_err(|error| error.to_string())
                });
                match whole {
                    Ok(body) => Fetched::Document(parts.headers, body),
                    Err(error) => {
                        tracing::warn!(%error, path, "a document of the identity provider can't be read");
                        Fetched::Failed(respond::fault(Reason::UpstreamGarbage, path))
                    }
                }
            }
            Ok(response) if response.status().is_client_error() => Fetched::Refused(response),
            Ok(response) => Fetched::Failed(response),
            Err(refusal) => Fetched::Failed(respond::fault(refusal.reason, path)),
        }
    }
}

/// The identity provider's answer in place of a document, for this caller only.
fn as_it_came(headers: HeaderMap, body: Bytes, head: &Parts) -> Response<Body> {
    if answer_lock::bears_mark(&body) {
        return respond::fault(Reason::AnswerLocked, head.uri.path());
    }
    let mut response = Response::new(Body::full(body));
    *response.headers_mut() = headers;
    response
}
