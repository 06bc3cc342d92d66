//! A request to a token endpoint: read, classified, and sent on its way.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, RANGE};
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use serde::Deserialize;

use super::{Gateway, exchange};
use crate::adapters::net::body::Body;
use crate::edge::gateway::answer_lock::Origin;
use crate::edge::gateway::generation::{RealmState, State};
use crate::edge::gateway::record::Exit;
use crate::edge::server::Connection;
use crate::judgement::exchange::classify::{Classified, GovernedGrant, classify};
use crate::judgement::exchange::doors::Doors;
use crate::judgement::exchange::grant::Grant;
use crate::judgement::exchange::{api_access, json};
use crate::judgement::jose::verify;
use crate::judgement::route::Route;
use crate::words::refusal::{Reason, Refusal};

/// Who came to which door.
#[derive(Clone, Copy)]
pub struct Visit<'a> {
    /// The gate.
    pub gateway: &'a Gateway,
    /// The configuration by which the request is judged to its end.
    pub state: &'a State,
    /// The connection that it came on.
    pub connection: &'a Arc<Connection>,
}

impl Visit<'_> {
    /// Answers a request to a token endpoint.
    pub async fn enter(self, head: Parts, body: Incoming) -> Response<Body> {
        let seen = (&head.method, &head.uri, Some(&head.headers));
        let mut exit = self.gateway.exit(self.state, seen, self.connection, self.realm(&head));
        let read = self.gateway.read_form(self.state, body).await;
        // Judged by what is in force now that the request is complete: a body that comes slowly must not keep a
        // permission alive that was removed.
        let state = self.gateway.state();
        let visit = Visit { state: &state, ..self };
        exit.judged_by(visit.realm(&head), &state.config.policy.hash);
        let answered = match read {
            Ok((body, trailers)) => visit.inside(head, (body, trailers), &mut exit).await,
            Err(refusal) => Err(refusal),
        };
        let response = answered.unwrap_or_else(|refusal| {
            let response = exit.answer(&refusal);
            exit.refused(&refusal, response.status());
            response
        });
        exit.dressed(response)
    }

    /// The realm whose token endpoint this is; `None` where none is configured.
    fn realm(&self, head: &Parts) -> Option<&RealmState> {
        match self.state.table.route(head) {
            Route::Door { realm } => realm.and_then(|index| self.state.realms.get(index)),
            Route::ApiAccess(index) => self.state.realms.get(index),
            _ => None,
        }
    }

    async fn inside(
        self,
        head: Parts,
        (body, trailers): (Bytes, Option<HeaderMap>),
        exit: &mut Exit<'_>,
    ) -> Result<Response<Body>, Refusal> {
        let closed = Doors::default();
        let realm = self.realm(&head);
        if matches!(self.state.table.route(&head), Route::ApiAccess(_)) {
            let realm = known(realm)?;
            let access = api_access::parse(&head, &body, &realm.accepts)?;
            exit.is_exchange(Grant::ApiAccess);
            return Box::pin(exchange::api_access::judge(self, realm, access, head, exit)).await;
        }
        let doors = realm.map_or(&closed, |realm| &realm.config.doors);
        let json = realm.filter(|realm| realm.config.dialect.rules().json);
        match json.and_then(|_| json::classify(&head, &body)).unwrap_or_else(|| classify(&head, &body, doors))
        {
            Classified::Refused(refusal) => Err(refusal),
            Classified::Exchange(grant, form) => {
                exit.is_exchange(grant);
                exchange::judge(self, known(realm)?, (grant, form), head, exit).await
            }
            Classified::Refresh(form) => {
                exit.is_refresh();
                exchange::refresh::judge(self, known(realm)?, &form, head, exit).await
            }
            Classified::Other => {
                exit.passes();
                let (response, whole) =
                    match self.original(head, Body::full_with_trailers(body, trailers)).await {
                        Ok(response) => self.gateway.release(response, Origin::Door).await,
                        Err(refusal) => Err(refusal),
                    }
                    .inspect(|_| exit.forget())?;
                if let (Some(realm), Some(whole)) = (realm, &whole) {
                    learn_key(realm, whole).await;
                }
                Ok(response)
            }
            Classified::Open(door) => {
                exit.is_door(door.name());
                let response = self.original(head, Body::full_with_trailers(body, trailers)).await?;
                let response = match door {
                    // Opened in writing: the marks of an exchange are what this door's answers have.
                    GovernedGrant::RequestedIssuer | GovernedGrant::RequestedSubject => response,
                    GovernedGrant::JwtBearer | GovernedGrant::UmaTicket | GovernedGrant::Ciba => {
                        self.gateway.release(response, Origin::Door).await?.0
                    }
                };
                exit.door_passed(response.status())?;
                Ok(response)
            }
        }
    }

    /// Sends the original bytes. No content coding is asked for, so that the answer lock can read the answer.
    async fn original(self, mut head: Parts, body: Body) -> Result<Response<Body>, Refusal> {
        head.headers.remove(ACCEPT_ENCODING);
        head.headers.remove(RANGE);
        self.state.to_upstream(&mut head);
        self.gateway.send(Request::from_parts(head, body), self.connection).await
    }
}

/// The realm, if the configuration knows it.
fn known(realm: Option<&RealmState>) -> Result<&RealmState, Refusal> {
    realm.ok_or_else(|| {
        Refusal::new(
            Reason::RealmUnknown,
            "list the realm under `realms` in cambio.yaml to govern its exchanges",
        )
    })
}

/// A token signed by a key that we don't publish yet means that the identity provider has rotated: the keys are
/// fetched before the token leaves, so that no resource server meets a kid that our `certs` lacks.
async fn learn_key(realm: &RealmState, answer: &[u8]) {
    #[derive(Deserialize)]
    struct TokenAnswer<'a> {
        #[serde(borrow)]
        access_token: Option<std::borrow::Cow<'a, str>>,
    }
    let Ok(TokenAnswer { access_token: Some(token) }) = serde_json::from_slice(answer) else { return };
    let Ok(peeked) = verify::peek(&token) else { return };
    if let Some(kid) = peeked.kid() {
        // A failure is counted by the cache; the answer does not wait for a second try.
        let _ = realm.jwks.keys(Some(kid)).await;
    }
}
