//! Ungoverned requests, which stream to the identity provider and back through the answer lock.

use std::net::IpAddr;

use http::header::{ACCEPT_ENCODING, CONNECTION, HeaderValue, RANGE};
use http::request::Parts;
use http::{Method, Request, Response, Uri, Version};
use http_body::Body as _;
use hyper::body::Incoming;

use super::answer_lock::{self, Origin, no_memory};
use super::case::RequestContext;
use super::record::RequestHead;
use super::respond;
use crate::adapters::net::body::Body;
use crate::adapters::upstream::headers;
use crate::adapters::upstream::max_forwards::{self, Recipient};
use crate::edge::server::charge::buffered;
use crate::judgement::exchange::classify::carries_governed_grant;
use crate::words::refusal::{Reason, Refusal};

impl RequestContext<'_> {
    /// Streams to the identity provider and back through the answer lock.
    pub async fn pass(self, mut head: Parts, body: Body) -> Response<Body> {
        let origin = match head.method {
            Method::GET | Method::HEAD | Method::OPTIONS if !self.is_protocol(&head.uri) => Origin::Read,
            _ => Origin::Elsewhere,
        };
        if origin == Origin::Elsewhere {
            ask_for_readable_answer(&mut head);
        }
        // Clones by reference count, for the audit line of an answer that is withheld.
        let (method, uri) = (head.method.clone(), head.uri.clone());
        let peer = headers::caller(&head.headers, self.connection);
        let passed = match self.send_original(head, body).await {
            Ok(response) if answer_lock::is_free(&response, origin) => Ok(response),
            Ok(response) => {
                let (idle, status) = (self.services.upstream.idle_timeout(), response.status());
                let share = self.services.budget.share(peer);
                let on_cut = || {
                    let head = RequestHead { method: &method, uri: &uri, headers: None, peer };
                    let late = self.record_of(&head, None).into_late(status);
                    move |detail: &'static str| late.withheld(detail)
                };
                answer_lock::release(response, idle, origin, &share, on_cut).await
            }
            Err(refusal) => Err(refusal),
        };
        match passed.and_then(|response| self.count_buffer(peer, response)) {
            Ok(response) => response,
            Err(refusal) => {
                let head = RequestHead { method: &method, uri: &uri, headers: None, peer };
                self.record_of(&head, None).end_outside(&refusal).await
            }
        }
    }

    /// Counts what the connections buffer of an answer that streams.
    fn count_buffer(self, peer: IpAddr, response: Response<Body>) -> Result<Response<Body>, Refusal> {
        let body = response.body();
        let bytes = if body.streams() { buffered(body) } else { 0 };
        if bytes == 0 {
            return Ok(response);
        }
        let held = self.services.budget.share(peer).take(bytes).map_err(no_memory)?;
        Ok(response.map(|body| body.holding(held)))
    }

    /// Passes a form to a path that is no token endpoint. Cambio reads the form, because some server might take it
    /// for a token request.
    pub async fn form(self, head: Parts, body: Incoming) -> Response<Body> {
        let refusal = match self.services.read_form(self.generation, body, &self.share(&head)).await {
            Ok(form) if !carries_governed_grant(&form.bytes) => {
                return Box::pin(self.pass(head, form.into_body())).await;
            }
            Ok(_) => Refusal::new(
                Reason::ExchangeElsewhere,
                "a form with a governed grant on a path that is no token endpoint",
            ),
            Err(refusal) => refusal,
        };
        self.record(&head, None).end_outside(&refusal).await
    }

    /// Passes a request that must have no body, because some server might take one for a token request.
    pub async fn bodiless(self, head: Parts, body: Incoming) -> Response<Body> {
        if body.is_end_stream() {
            return Box::pin(self.pass(head, Body::empty())).await;
        }
        let refusal = match self.services.read_form(self.generation, body, &self.share(&head)).await {
            Ok(form) if form.bytes.is_empty() => return Box::pin(self.pass(head, form.into_body())).await,
            Ok(_) => Refusal::new(Reason::MethodNotAllowed, "a body with a method other than POST"),
            Err(refusal) => refusal,
        };
        self.record(&head, None).end_outside(&refusal).await
    }

    /// Whether a path belongs to a realm's protocol endpoints, whose answers are small JSON or pages.
    fn is_protocol(self, uri: &Uri) -> bool {
        memchr::memmem::find(uri.path().as_bytes(), b"/protocol/").is_some()
            || self.generation.table.is_configured_door(uri.path())
    }

    /// Refuses a request because of its head.
    pub async fn reject(self, head: &Parts, refusal: &Refusal) -> Response<Body> {
        let generation = self.generation;
        let realm = generation.table.realm_meant(head.uri.path()).and_then(|index| generation.realms.get(index));
        let mut response = self.record(head, realm).end_outside(refusal).await;
        if refusal.reason == Reason::FramingRefused && head.version < Version::HTTP_2 {
            // The end of the request is in doubt, so Cambio reads nothing more from this connection.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Sends the original bytes to the identity provider, or answers a request whose `Max-Forwards` lets it go no further.
    pub async fn send_original(self, mut head: Parts, body: Body) -> Result<Response<Body>, Refusal> {
        if max_forwards::count_hop(&mut head) == Recipient::Cambio {
            return Ok(respond::last_hop(&head.method));
        }
        self.generation.to_upstream(&mut head);
        self.services.send(Request::from_parts(head, body), self.connection).await
    }
}

/// Makes the answer readable for the answer lock: neither compressed nor partial.
pub(super) fn ask_for_readable_answer(head: &mut Parts) {
    head.headers.remove(ACCEPT_ENCODING);
    head.headers.remove(RANGE);
}
