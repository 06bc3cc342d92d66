//! Introspection (RFC 7662), userinfo, revocation (RFC 7009) and logout for tokens that Cambio issued. The identity
//! provider does not know these tokens. A request about any other token goes on as it came.

mod introspection;
mod logout;
mod presented;
mod revocation;
mod userinfo;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response};
use hyper::body::Incoming;

use self::presented::{Carried, carried, is_in_head};
use super::case::{Case, RequestContext};
use super::limits::is_limit;
use super::realm_runtime::RealmRuntime;
use super::record::unsuccessful;
use super::respond;
use super::services::ReadForm;
use crate::adapters::metrics::{Outcome, OwnEndpoint, Way};
use crate::adapters::net::body::Body;
use crate::judgement::dialect::RequestKind;
use crate::judgement::exchange::classify::carries_governed_grant;
use crate::judgement::route::OwnTokenEndpoint;
use crate::judgement::route::doors::asks_for_jwt;
use crate::words::refusal::{Reason, Refusal};

/// Answers a request to these endpoints.
pub(super) async fn respond(
    context: RequestContext<'_>,
    realm: usize,
    endpoint: OwnTokenEndpoint,
    head: Parts,
    body: Incoming,
) -> (Way, Response<Body>) {
    let Some(realm) = context.generation.realms.get(realm) else {
        return (Way::Own, respond::fault(Reason::Internal, head.uri.path()));
    };
    if head.method == Method::GET && !is_in_head(realm, endpoint, &head) {
        let body = Body::of_caller(body, context.generation.config.listen.idle_timeout);
        return (Way::Pass, Box::pin(context.pass(head, body)).await);
    }
    let read = match head.method {
        Method::GET => Ok(ReadForm { bytes: Bytes::new(), trailers: None }),
        _ => context.services.read_form(context.generation, body, &context.share(&head)).await,
    };
    Box::pin(judge(context, realm, endpoint, head, read)).await
}

/// Answers a request whose body has been read. Only this part is large, so an open form takes little memory.
async fn judge(
    context: RequestContext<'_>,
    realm: &RealmRuntime,
    endpoint: OwnTokenEndpoint,
    head: Parts,
    read: Result<ReadForm, Refusal>,
) -> (Way, Response<Body>) {
    let refusal = match read.and_then(|read| Ok((carries(realm, endpoint, &head, &read.bytes)?, read))) {
        Ok((Carried::Nothing, form)) if endpoint == OwnTokenEndpoint::Introspection && asks_for_jwt(&head.headers) => {
            return (Way::Form, context.introspection_as_jwt(realm, head, form).await);
        }
        Ok((Carried::Nothing, form)) => return (Way::Form, context.pass(head, form.into_body()).await),
        Ok((Carried::OwnToken(presented), _)) => {
            let record = context.record(&head, Some(realm));
            let case = Case::new(context, realm, head, record);
            let response = match endpoint {
                OwnTokenEndpoint::Introspection => case.introspection(&presented).await,
                OwnTokenEndpoint::Userinfo => case.userinfo(&presented).await,
                OwnTokenEndpoint::Revocation => case.revocation(&presented).await,
                OwnTokenEndpoint::Logout => case.logout(&presented).await,
            };
            return (Way::Own, response);
        }
        Err(refusal) => refusal,
    };
    (Way::Own, context.record(&head, Some(realm)).end_outside(&refusal).await)
}

/// The token in the request, after the check that the request has no governed grant.
fn carries(realm: &RealmRuntime, endpoint: OwnTokenEndpoint, head: &Parts, body: &Bytes) -> Result<Carried, Refusal> {
    if carries_governed_grant(body) {
        let detail = "a form with a governed grant on a path that is no token endpoint";
        return Err(Refusal::new(Reason::ExchangeElsewhere, detail));
    }
    carried(realm, endpoint, head, body)
}

impl Case<'_> {
    /// Counts an answer that is not audited: introspection and userinfo.
    fn count(&self, endpoint: OwnEndpoint, outcome: Outcome) {
        self.realm.metrics.own_token_request(endpoint, outcome);
    }

    /// The answer to a refusal, which is counted and logged.
    fn refuse(&self, endpoint: OwnEndpoint, refusal: &Refusal) -> Response<Body> {
        let (config, id) = (&self.realm.config, self.record.id());
        let mut response = respond::refusal(config.dialect, refusal, RequestKind::Exchange, id);
        respond::challenge(&mut response, &config.name);
        self.count(endpoint, unsuccessful(response.status()));
        // Whoever floods Cambio must not flood the log: the metric counts what a limit refuses.
        if !is_limit(refusal.reason) {
            tracing::info!(%id, realm = %config.name, reason = %refusal.reason, "not answered: {}", refusal.detail);
        }
        response
    }
}
