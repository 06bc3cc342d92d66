//! Endpoints, besides the token endpoint, that turn one token into another: refused, or passed and audited.

use http::Response;
use http::request::Parts;
use hyper::body::Incoming;

use super::case::RequestContext;
use super::realm_runtime::RealmRuntime;
use super::services::ReadForm;
use crate::adapters::metrics::Way;
use crate::adapters::net::body::Body;
use crate::judgement::exchange::classify::{GovernedGrant, carries_governed_grant};
use crate::judgement::route::doors::EndpointDoor;
use crate::judgement::route::may_be_form;
use crate::words::refusal::{Reason, Refusal};

impl RequestContext<'_> {
    /// Answers a request to such an endpoint. At a realm that is not configured, every door is closed.
    pub async fn endpoint_door(
        self,
        door: EndpointDoor,
        realm: Option<&RealmRuntime>,
        head: Parts,
        body: Incoming,
    ) -> (Way, Response<Body>) {
        let door = match door {
            EndpointDoor::BrokerToken => GovernedGrant::BrokerToken,
            EndpointDoor::CredentialOffer => GovernedGrant::PreAuthorizedCode,
        };
        let mut record = self.record(&head, realm);
        let closed = (!realm.is_some_and(|realm| door.is_open(realm.config.doors))).then(|| door.closed());
        let observed = closed.clone().filter(|_| self.observes_realm(realm));
        let limited = || realm.and_then(|realm| realm.admit(record.peer()).err());
        if observed.is_none()
            && let Some(refusal) = limited().or(closed)
        {
            record.is_refused_at_door(door.name());
            return (Way::Rejected, record.conclude(Err(refusal)).await);
        }
        record.is_door(door.name());
        let answered = async {
            let response = self.send_through(head, body).await?;
            record.passed(response.status(), observed).await?;
            Ok(response)
        };
        let answered = answered.await;
        (Way::Pass, record.conclude(answered).await)
    }

    /// Answers an introspection whose answer is a JWT. Keycloak makes a full token for all audiences out of the
    /// introspected token, however little that token says.
    pub async fn introspection_as_jwt(self, realm: &RealmRuntime, head: Parts, form: ReadForm) -> Response<Body> {
        let (mut record, door) = (self.record(&head, Some(realm)), GovernedGrant::IntrospectionJwt);
        let closed = (!door.is_open(realm.config.doors)).then(|| door.closed());
        let observed = closed.clone().filter(|_| self.observes_realm(Some(realm)));
        if observed.is_none()
            && let Some(refusal) = realm.admit(record.peer()).err().or(closed)
        {
            record.is_refused_at_door(door.name());
            return record.conclude(Err(refusal)).await;
        }
        record.is_door(door.name());
        let response = self.pass(head, form.into_body()).await;
        let passed = record.passed(response.status(), observed).await;
        record.conclude(passed.map(|()| response)).await
    }

    /// Sends the original bytes. A form must have no governed grant.
    async fn send_through(self, head: Parts, body: Incoming) -> Result<Response<Body>, Refusal> {
        if !may_be_form(&head) {
            let body = Body::of_caller(body, self.generation.config.listen.idle_timeout);
            return self.send_original(head, body).await;
        }
        let form = self.services.read_form(self.generation, body, &self.share(&head)).await?;
        if carries_governed_grant(&form.bytes) {
            let detail = "a form with a governed grant on a path that is no token endpoint";
            return Err(Refusal::new(Reason::ExchangeElsewhere, detail));
        }
        Box::pin(self.send_original(head, form.into_body())).await
    }
}
