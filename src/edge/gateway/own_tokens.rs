//! What becomes of tokens of ours after they were issued. The identity provider does not know them, so introspection
//! (RFC 7662), userinfo and revocation (RFC 7009) are ours to answer for them; for all other tokens the request goes on as
//! it came.

mod family;
mod introspection;
mod presented;
mod revocation;
mod userinfo;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Response};
use hyper::body::Incoming;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::Algorithm;

use crate::adapters::metrics::{Outcome, OwnEndpoint, Way};
use crate::adapters::net::body::Body;
use crate::adapters::store::{Key, Kind, StoreError};
use crate::edge::gateway::generation::RealmState;
pub(super) use crate::edge::gateway::own_tokens::family::Family;
use crate::edge::gateway::own_tokens::presented::{Carried, Presented, carried};
use crate::edge::gateway::respond;
use crate::edge::gateway::token_endpoint::Visit;
use crate::judgement::dialect::RequestKind;
use crate::judgement::exchange::classify::carries_governed_grant;
use crate::judgement::jose::claims;
use crate::judgement::jose::verify::{self, Expectations, VerifiedToken};
use crate::judgement::route::Own;
use crate::judgement::token::Validated;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// Everything that our keys sign with.
const ALGORITHMS: [Algorithm; 4] = [Algorithm::RS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA];

/// Whether a token of ours with this `jti` was revoked at the realm.
///
/// # Errors
/// [`Reason::StoreUnavailable`]: then nobody may rely on the token.
pub async fn is_revoked(visit: Visit<'_>, realm: &RealmState, jti: &str) -> Result<bool, Refusal> {
    visit.gateway.store.is_marked(&revoked(&realm.config.name, jti)).await.map_err(away)
}

/// The request again, if its subject token, one of ours, was not revoked.
///
/// # Errors
/// It was, or that can't be told.
pub(super) async fn unrevoked(
    visit: Visit<'_>,
    realm: &RealmState,
    validated: Validated,
) -> Result<Validated, Refusal> {
    let token = validated.authenticated().parsed().subject_token();
    if is_revoked(visit, realm, &id(token, validated.subject())).await? {
        return Err(Refusal::new(Reason::SubjectTokenInactive, "a token of ours that was revoked"));
    }
    Ok(validated)
}

/// Answers a request to one of these endpoints.
pub(super) async fn answer(
    visit: Visit<'_>,
    (realm, endpoint): (usize, Own),
    head: Parts,
    body: Incoming,
) -> (Way, Response<Body>) {
    let Some(realm) = visit.state.realms.get(realm) else {
        return (Way::Own, respond::fault(Reason::Internal, head.uri.path()));
    };
    if head.method == Method::GET && !presented::is_in_head(realm, &head) {
        let body = Body::upstream(body, visit.gateway.upstream.idle_timeout());
        return (Way::Pass, visit.gateway.pass(visit.state, head, body, visit.connection).await);
    }
    // Kept for the record of a request that the lock refuses.
    let seen = (head.method.clone(), head.uri.clone());
    let read = match head.method {
        Method::GET => Ok((Bytes::new(), None)),
        _ => visit.gateway.read_form(visit.state, body).await,
    };
    let refusal = match read.and_then(|read| Ok((carries(realm, endpoint, &head, &read.0)?, read))) {
        Ok((Carried::Nothing, (body, trailers))) => {
            return (Way::Form, pass(visit, head, body, trailers).await);
        }
        Ok((Carried::Ours(presented), _)) => {
            let response = match endpoint {
                Own::Introspection => introspection::answer(visit, realm, &presented, &head).await,
                Own::Userinfo => userinfo::answer(visit, realm, &presented, &head).await,
                Own::Revocation => revocation::answer(visit, realm, &presented, head).await,
            };
            return (Way::Own, response);
        }
        Err(refusal) => refusal,
    };
    let exit = visit.gateway.exit(visit.state, (&seen.0, &seen.1, None), visit.connection, Some(realm));
    (Way::Own, exit.end_outside(&refusal))
}

/// What the request carries, once it is sure that no governed grant is in it.
fn carries(realm: &RealmState, endpoint: Own, head: &Parts, body: &Bytes) -> Result<Carried, Refusal> {
    if carries_governed_grant(body) {
        let detail = "a form with a governed grant on a path that is no token endpoint";
        return Err(Refusal::new(Reason::ExchangeElsewhere, detail));
    }
    carried(realm, endpoint, head, body)
}

async fn pass(visit: Visit<'_>, head: Parts, body: Bytes, trailers: Option<HeaderMap>) -> Response<Body> {
    let body = Body::full_with_trailers(body, trailers);
    visit.gateway.pass(visit.state, head, body, visit.connection).await
}

/// A token of ours that holds now; `None` if it does not, for whatever reason.
///
/// # Errors
/// Whether it was revoked can't be told.
async fn valid(
    visit: Visit<'_>,
    realm: &RealmState,
    token: &Secret,
) -> Result<Option<VerifiedToken>, Refusal> {
    let Some(verified) = verified(visit, realm, token) else { return Ok(None) };
    let revoked = is_revoked(visit, realm, &id(token, &verified)).await?;
    Ok(Some(verified).filter(|_| !revoked))
}

/// A token that we signed for the realm and that has not expired.
fn verified(visit: Visit<'_>, realm: &RealmState, token: &Secret) -> Option<VerifiedToken> {
    let ring = realm.signing.as_ref()?;
    let expect =
        Expectations { issuer: &realm.config.issuer, algorithms: &ALGORITHMS, leeway: SignedDuration::ZERO };
    let (read, now) = (verify::peek(token.expose()).ok()?, visit.gateway.clock.now());
    // The holder of an old key must not be able to make tokens with it.
    read.kid().filter(|kid| ring.holds(kid, now))?;
    read.verify(ring.key_set(), &expect, now).ok()
}

/// What names a token in the store: its `jti`, or its digest where it has none.
pub(super) fn id(token: &Secret, verified: &VerifiedToken) -> String {
    match claims::string(verified.claims(), "jti") {
        Ok(Some(jti)) if !jti.is_empty() => jti.to_owned(),
        _ => token.sha256(),
    }
}

/// Counts an answer about a token of ours.
fn count(visit: Visit<'_>, realm: &RealmState, endpoint: OwnEndpoint, outcome: Outcome) {
    visit.gateway.metrics.own_token_request(&realm.config.name, endpoint, outcome);
}

/// A refusal at an endpoint that is counted and not audited.
fn refused(visit: Visit<'_>, realm: &RealmState, endpoint: OwnEndpoint, refusal: &Refusal) -> Response<Body> {
    let id = uuid::Uuid::now_v7().to_string();
    let mut response = respond::refusal(realm.config.dialect, refusal, RequestKind::Exchange, &id);
    respond::challenge(&mut response, &realm.config.name);
    let outcome = if response.status().is_server_error() { Outcome::Failed } else { Outcome::Denied };
    count(visit, realm, endpoint, outcome);
    tracing::info!(%id, realm = %realm.config.name, reason = %refusal.reason, "not answered: {}", refusal.detail);
    response
}

fn revoked(realm: &str, jti: &str) -> Key {
    Key::new(Kind::RevokedToken, &[realm, jti])
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn away(error: StoreError) -> Refusal {
    Refusal::new(Reason::StoreUnavailable, error.to_string())
}

/// Revokes a token of ours until it expires.
async fn revoke(visit: Visit<'_>, realm: &RealmState, jti: &str, until: Timestamp) -> Result<(), Refusal> {
    visit.gateway.store.mark(&revoked(&realm.config.name, jti), until).await.map_err(away)
}
