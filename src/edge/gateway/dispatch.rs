//! Routes each request according to its head, and counts the answer.

use std::sync::Arc;
use std::time::Instant;

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
        let takes_no_body = head.version == Version::HTTP_2 && head.method == Method::HEAD;
        let generation = self.generation();
        let context = RequestContext { services: self, generation: &generation, connection };
        let route = match self.upstream.via().loop_mark(&head.headers) {
            // Whatever Cambio did with the request, it would do again.
            Some(mark) => Route::Reject(Refusal::new(Reason::LoopDetected, mark.detail())),
            None => generation.table.route(&head),
        };
        let (way, mut response) = match route {
            Route::Pass => {
                let body = Body::of_caller(body, generation.config.listen.idle_timeout);
                (Way::Pass, context.pass(head, body).await)
            }
            Route::Form => (Way::Form, context.form(head, body).await),
            Route::Bodiless => (Way::Form, context.bodiless(head, body).await),
            Route::Keys(realm) => (Way::Keys, context.keys(generation.realms.get(realm), &head).await),
            Route::Discovery(realm) => (Way::Discovery, context.discovery(generation.realms.get(realm), &head).await),
            Route::Own { realm, endpoint } => Box::pin(own_tokens::respond(context, realm, endpoint, head, body)).await,
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
            // hyper leaves out the body of an answer to HEAD in HTTP/1 only (RFC 9110 section 9.3.2).
            *response.body_mut() = Body::empty();
        }
        response
    }
}
