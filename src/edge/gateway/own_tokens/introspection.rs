//! Introspection of tokens of ours (RFC 7662), in Keycloak's shape and by its rule: a token is active for the clients that
//! its `aud` names, and for nobody else.

use http::request::Parts;
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use super::{Family, Presented, count, refused, valid};
use crate::adapters::metrics::{Outcome, OwnEndpoint};
use crate::adapters::net::body::Body;
use crate::edge::gateway::generation::RealmState;
use crate::edge::gateway::token_endpoint::Visit;
use crate::edge::gateway::{authenticate, respond};
use crate::judgement::client::credentials::Credentials;
use crate::judgement::client::verify::AuthenticatedClient;
use crate::judgement::jose::claims;
use crate::judgement::jose::verify::VerifiedToken;
use crate::words::refusal::Refusal;

/// Answers whoever proves to be a client of the realm.
pub(super) async fn answer(
    visit: Visit<'_>,
    realm: &RealmState,
    presented: &Presented,
    head: &Parts,
) -> Response<Body> {
    match told(visit, realm, presented, head).await {
        Ok(told) => {
            let outcome = if told.is_some() { Outcome::Allowed } else { Outcome::Denied };
            count(visit, realm, OwnEndpoint::Introspection, outcome);
            let body = told.map_or_else(|| json!({"active": false}), Value::Object);
            respond::json(StatusCode::OK, body.to_string().into_bytes())
        }
        Err(refusal) => refused(visit, realm, OwnEndpoint::Introspection, &refusal),
    }
}

/// What the caller is told of the token; `None`: that it is not active.
async fn told(
    visit: Visit<'_>,
    realm: &RealmState,
    presented: &Presented,
    head: &Parts,
) -> Result<Option<Map<String, Value>>, Refusal> {
    let workloads = &realm.config.clients.workloads;
    let credentials = Credentials::read(&head.headers, &presented.form, workloads)?;
    let client = authenticate::client(visit, realm, &credentials, head).await?;
    if presented.is_refresh_token() {
        return refresh_token(visit, realm, presented, &client).await;
    }
    let token = valid(visit, realm, &presented.token).await?;
    let named = |token: &VerifiedToken| {
        claims::audiences(token.claims()).is_ok_and(|audiences| audiences.contains(&client.client_id()))
    };
    Ok(token.filter(named).map(|token| access_token(&token)))
}

/// Every claim, and what RFC 7662 section 2.2 calls some of them.
fn access_token(token: &VerifiedToken) -> Map<String, Value> {
    let mut members = token.claims().clone();
    for (name, claim) in [("client_id", "azp"), ("username", "preferred_username"), ("token_type", "typ")] {
        if let Some(value) = token.claims().get(claim).filter(|_| !members.contains_key(name)) {
            members.insert(name.to_owned(), value.clone());
        }
    }
    members.insert("active".to_owned(), Value::from(true));
    members
}

/// A refresh token is active for the client that it was issued to, until it is used.
async fn refresh_token(
    visit: Visit<'_>,
    realm: &RealmState,
    presented: &Presented,
    client: &AuthenticatedClient,
) -> Result<Option<Map<String, Value>>, Refusal> {
    let Some(tokens) = &realm.config.refresh_tokens else { return Ok(None) };
    let opened = tokens.seal.open(&presented.token, &realm.config.name, client.client_id());
    let Some(renewal) = opened.ok().filter(|one| !one.has_expired(visit.gateway.clock.now())) else {
        return Ok(None);
    };
    if Family::new(&renewal).is_spent(visit).await? {
        return Ok(None);
    }
    let told = json!({
        "active": true, "iss": realm.config.issuer, "sub": renewal.subject_id(), "client_id": renewal.client(),
        "azp": renewal.client(), "typ": "Refresh", "scope": renewal.scope().to_string(),
        "iat": renewal.issued(), "exp": renewal.expires(),
    });
    Ok(told.as_object().cloned())
}
