//! Routes each request according to its head, and counts the answer.

use std::sync::Arc;
use std::time::Instant;

use http::request::Parts;
use http::{Method, Request, Response, Version};
use hyper::body::Incoming;

use super::case::RequestContext;
use super::services::Services;
use super::{own_tokens, respond, token_endpoint};
use crate::adapters::metrics::Way;
use crate::adapters::net::body::Body;
use crate::adapters::net::connection::Connection;
use crate::edge::server::Handler;
use crate::judgement::route::Route;
use crate::words::refusal::{Reason, Refusal};

impl Handler for Services {
    async fn handle(&self, request: Request<Incoming>, connection: &Arc<Connection>) -> Response<Body> {
        let started = Instant::now();
        let (head, body) = request.into_parts();
        let takes_no_body = takes_no_body(&head);
        let generation = self.generation();
        let context = RequestContext { services: self, generation: &generation, connection };
        let route = match self.upstream.via().loop_mark(&head.headers) {
            // Whatever Cambio did with the request, it would do again.
            Some(mark) => Route::Reject(Refusal::new(Reason::LoopDetected, mark.detail())),
            None => generation.table.route(&head),
        };
        // The futures are boxed, because hyper keeps the place of this one for as long as the connection is open.
        let (way, mut response) = match route {
            Route::Pass => {
                let body = Body::of_caller(body, generation.config.listen.idle_timeout);
                (Way::Pass, Box::pin(context.pass(head, body)).await)
            }
            Route::Form => (Way::Form, context.form(head, body).await),
            Route::Bodiless => (Way::Form, context.bodiless(head, body).await),
            Route::Keys(realm) => (Way::Keys, context.keys(generation.realms.get(realm), &head).await),
            Route::Discovery(realm) => (Way::Discovery, context.discovery(generation.realms.get(realm), &head).await),
            Route::Own { realm, endpoint } => own_tokens::respond(context, realm, endpoint, head, body).await,
            Route::Endpoint { door, realm } => {
                let realm = realm.and_then(|index| generation.realms.get(index));
                Box::pin(context.endpoint_door(door, realm, head, body)).await
            }
            Route::Door { .. } | Route::ApiAccess(_) => {
                (Way::Token, token_endpoint::respond(context, head, body).await)
            }
            Route::Preflight => (Way::Token, respond::preflight(&head)),
            Route::Reject(refusal) => (Way::Rejected, context.reject(&head, &refusal).await),
        };
        self.metrics.answered(way, response.status(), started.elapsed());
        if takes_no_body {
            *response.body_mut() = Body::empty();
        }
        response
    }

    async fn overloaded(&self, head: Parts, connection: &Arc<Connection>) -> Response<Body> {
        let started = Instant::now();
        let generation = self.generation();
        let context = RequestContext { services: self, generation: &generation, connection };
        let mut response = context.reject(&head, &Refusal::new(Reason::Overloaded, "no memory for the request")).await;
        self.metrics.answered(Way::Rejected, response.status(), started.elapsed());
        if takes_no_body(&head) {
            *response.body_mut() = Body::empty();
        }
        response
    }
}

/// Whether Cambio leaves out the body of the answer. For an answer to HEAD, hyper does so in HTTP/1 only (RFC 9110 section
/// 9.3.2).
fn takes_no_body(head: &Parts) -> bool {
    head.version == Version::HTTP_2 && head.method == Method::HEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_answer<F>(_: impl FnOnce(&'static Services, Request<Incoming>, &'static Arc<Connection>) -> F) -> usize {
        size_of::<F>()
    }

    /// Every idle connection has a place for this future, and every open form has one.
    #[test]
    fn the_future_of_an_open_request_is_small() {
        let size = size_of_answer(<Services as Handler>::handle);
        assert!(size <= 4096, "{size}");
    }
}
