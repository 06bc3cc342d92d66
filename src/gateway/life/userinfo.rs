//! Userinfo for tokens of ours (OpenID Connect Core section 5.3): what the token says of its user.

use http::header::{HeaderValue, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use super::presented::Scheme;
use super::{Presented, count, refused, valid};
use crate::body::Body;
use crate::gateway::door::Visit;
use crate::gateway::respond;
use crate::gateway::state::RealmState;
use crate::metrics::{Outcome, OwnEndpoint};
use crate::oauth::scope::Scope;
use crate::policy::narrow::is_profile_claim;
use crate::policy::reason::Refusal;
use crate::token::verify::VerifiedToken;

/// Why the token is not accepted (RFC 6750 section 3.1), in Keycloak's words.
enum Unfit {
    Invalid,
    Scope,
}

/// Answers whoever bears the token.
pub(super) async fn answer(
    visit: Visit<'_>,
    realm: &RealmState,
    presented: &Presented,
    _head: &Parts,
) -> Response<Body> {
    let told = match told(visit, realm, presented).await {
        Ok(told) => told,
        Err(refusal) => return refused(visit, realm, OwnEndpoint::Userinfo, &refusal),
    };
    let outcome = if told.is_ok() { Outcome::Allowed } else { Outcome::Denied };
    count(visit, realm, OwnEndpoint::Userinfo, outcome);
    let (status, code, description) = match told {
        Ok(told) => return respond::json(StatusCode::OK, Value::Object(told).to_string().into_bytes()),
        Err(Unfit::Invalid) => (StatusCode::UNAUTHORIZED, "invalid_token", "Token verification failed"),
        Err(Unfit::Scope) => (StatusCode::FORBIDDEN, "insufficient_scope", "Missing openid scope"),
    };
    let body = json!({ "error": code, "error_description": description });
    let mut response = respond::json(status, body.to_string().into_bytes());
    let name = &realm.config.name;
    let challenge = format!("Bearer realm=\"{name}\", error=\"{code}\", error_description=\"{description}\"");
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

async fn told(
    visit: Visit<'_>,
    realm: &RealmState,
    presented: &Presented,
) -> Result<Result<Map<String, Value>, Unfit>, Refusal> {
    if presented.is_refresh_token() {
        return Ok(Err(Unfit::Invalid));
    }
    let Some(token) = valid(visit, realm, &presented.token).await? else { return Ok(Err(Unfit::Invalid)) };
    // An ID token is no access token, and a bound one asks for a proof that is not looked at here.
    let id_token = token.claims().get("typ").is_some_and(|typ| typ == "ID");
    if id_token || token.claims().contains_key("cnf") || presented.scheme == Some(Scheme::DPoP) {
        return Ok(Err(Unfit::Invalid));
    }
    let scope = token.claims().get("scope").and_then(Value::as_str).and_then(|text| Scope::parse(text).ok());
    if scope.is_some_and(|scope| scope.contains("openid")) {
        Ok(Ok(user(&token)))
    } else {
        Ok(Err(Unfit::Scope))
    }
}

/// `sub`, and the claims of the standard scopes that the token has.
fn user(token: &VerifiedToken) -> Map<String, Value> {
    let told = token.claims().iter().filter(|(name, _)| *name == "sub" || is_profile_claim(name));
    told.map(|(name, value)| (name.clone(), value.clone())).collect()
}
