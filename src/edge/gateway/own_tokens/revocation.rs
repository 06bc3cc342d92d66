//! Revocation of tokens of ours (RFC 7009) by the client that they were issued to.

use http::request::Parts;
use http::{Response, StatusCode};
use serde_json::Value;

use super::{Family, Presented, id, revoke, verified};
use crate::adapters::net::body::Body;
use crate::edge::gateway::exchange::refresh::revoke_upstream;
use crate::edge::gateway::generation::RealmState;
use crate::edge::gateway::record::Exit;
use crate::edge::gateway::token_endpoint::Visit;
use crate::edge::gateway::{authenticate, respond};
use crate::judgement::client::credentials::Credentials;
use crate::words::oauth::form::Form;
use crate::words::refusal::{Reason, Refusal};

/// Revokes the token, if it holds at all; the answer is the same where it does not (RFC 7009 section 2.2).
pub(super) async fn answer(
    visit: Visit<'_>,
    realm: &RealmState,
    presented: &Presented,
    head: Parts,
) -> Response<Body> {
    // Clones by reference count.
    let seen = (head.method.clone(), head.uri.clone(), head.headers.clone());
    let mut exit =
        visit.gateway.exit(visit.state, (&seen.0, &seen.1, Some(&seen.2)), visit.connection, Some(realm));
    match judged(visit, realm, presented, head, &mut exit).await {
        Ok(response) => response,
        Err(refusal) => {
            let response = exit.answer(&refusal);
            exit.refused(&refusal, response.status());
            response
        }
    }
}

async fn judged(
    visit: Visit<'_>,
    realm: &RealmState,
    presented: &Presented,
    head: Parts,
    exit: &mut Exit<'_>,
) -> Result<Response<Body>, Refusal> {
    exit.is_revocation();
    let workloads = &realm.config.clients.workloads;
    let credentials = Credentials::read(&head.headers, &presented.form, workloads)?;
    exit.client(&credentials);
    if presented.is_refresh_token() {
        return refresh_token(visit, realm, (presented, &credentials), head, exit).await;
    }
    let client = authenticate::client(visit, realm, &credentials, &head).await?;
    if let Some(token) = verified(visit, realm, &presented.token) {
        let claim = |name: &str| token.claims().get(name).and_then(Value::as_str);
        if claim("azp").or(claim("client_id")) != Some(client.client_id()) {
            return Err(Refusal::new(Reason::TokenOfAnotherClient, "azp is not the client"));
        }
        let jti = id(&presented.token, &token);
        exit.revoked(token.subject(), &jti, token.kid());
        revoke(visit, realm, &jti, token.expires()).await?;
    }
    done(exit)
}

/// A refresh token goes with its family, and with the identity provider's refresh token behind it. Where there is one, the
/// identity provider judges the credentials of clients that we don't know.
async fn refresh_token(
    visit: Visit<'_>,
    realm: &RealmState,
    (presented, credentials): (&Presented, &Credentials),
    head: Parts,
    exit: &mut Exit<'_>,
) -> Result<Response<Body>, Refusal> {
    let client = credentials.client_id();
    let renewal = realm
        .config
        .refresh_tokens
        .as_ref()
        .and_then(|tokens| tokens.seal.open(&presented.token, &realm.config.name, client).ok());
    let upstream = renewal.as_ref().and_then(|renewal| renewal.upstream());
    if upstream.is_none() || realm.config.clients.methods(client).is_some() {
        authenticate::client(visit, realm, credentials, &head).await?;
    }
    let Some(renewal) = &renewal else { return done(exit) };
    exit.family(renewal);
    exit.renewing(renewal);
    if let Some(token) = upstream {
        let mut form = Form::new();
        form.push("token", token.expose());
        form.push("token_type_hint", "refresh_token");
        if let Some((response, why)) = revoke_upstream(visit, realm, (credentials, form), head, exit).await? {
            exit.refused(&why, response.status());
            return Ok(response);
        }
    }
    Family::new(renewal).revoke(visit).await?;
    done(exit)
}

fn done(exit: &mut Exit<'_>) -> Result<Response<Body>, Refusal> {
    exit.allowed(StatusCode::OK)?;
    Ok(respond::empty())
}
