//! Userinfo for tokens of ours (`OpenID` Connect Core section 5.3): what the token says of its user.

use http::header::{HeaderValue, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use super::{Presented, count, refused, valid};
use crate::adapters::metrics::{Outcome, OwnEndpoint};
use crate::adapters::net::body::Body;
use crate::edge::gateway::evidence::certificate;
use crate::edge::gateway::evidence::dpop::proof;
use crate::edge::gateway::generation::RealmState;
use crate::edge::gateway::own_tokens::presented::Scheme;
use crate::edge::gateway::record::Exit;
use crate::edge::gateway::respond;
use crate::edge::gateway::token_endpoint::Visit;
use crate::judgement::client::certificate::ClientCertificate;
use crate::judgement::jose::verify::VerifiedToken;
use crate::judgement::policy::claim_names::ClaimClass;
use crate::judgement::token::confirmation::{Binding, Evidence};
use crate::judgement::token::dpop::Place;
use crate::words::oauth::scope::Scope;
use crate::words::refusal::{Reason, Refusal};

/// Why the token is not accepted (RFC 6750 section 3.1, RFC 9449 section 7.1), in Keycloak's words where it has some.
enum Unfit {
    Invalid,
    Scope,
    Proof,
    Nonce,
}

impl Unfit {
    /// Status, scheme of the challenge, code and text.
    fn answer(&self) -> (StatusCode, &'static str, &'static str, &'static str) {
        let unauthorized = StatusCode::UNAUTHORIZED;
        match self {
            Self::Invalid => (unauthorized, "Bearer", "invalid_token", "Token verification failed"),
            Self::Scope => (StatusCode::FORBIDDEN, "Bearer", "insufficient_scope", "Missing openid scope"),
            Self::Proof => (unauthorized, "DPoP", "invalid_dpop_proof", "DPoP proof is invalid"),
            Self::Nonce => (unauthorized, "DPoP", "use_dpop_nonce", "DPoP proof needs a nonce"),
        }
    }
}

/// Answers whoever bears the token, and if it is bound, proves to be the one that it is bound to.
pub(super) async fn answer(
    visit: Visit<'_>,
    realm: &RealmState,
    presented: &Presented,
    head: &Parts,
) -> Response<Body> {
    let seen = (&head.method, &head.uri, None);
    let mut exit = visit.gateway.exit(visit.state, seen, visit.connection, Some(realm));
    // Counted below, and not audited.
    exit.forget();
    let response = match told(visit, realm, presented, head, &mut exit).await {
        Ok(told) => {
            let outcome = if told.is_ok() { Outcome::Allowed } else { Outcome::Denied };
            count(visit, realm, OwnEndpoint::Userinfo, outcome);
            match told {
                Ok(told) => respond::json(StatusCode::OK, Value::Object(told).to_string().into_bytes()),
                Err(unfit) => challenged(realm, &unfit),
            }
        }
        Err(refusal) => refused(visit, realm, OwnEndpoint::Userinfo, &refusal),
    };
    exit.dressed(response)
}

async fn told(
    visit: Visit<'_>,
    realm: &RealmState,
    presented: &Presented,
    head: &Parts,
    exit: &mut Exit<'_>,
) -> Result<Result<Map<String, Value>, Unfit>, Refusal> {
    if presented.is_refresh_token() {
        return Ok(Err(Unfit::Invalid));
    }
    let Some(token) = valid(visit, realm, &presented.token).await? else { return Ok(Err(Unfit::Invalid)) };
    // An ID token is no access token.
    if token.claims().get("typ").is_some_and(|typ| typ == "ID") {
        return Ok(Err(Unfit::Invalid));
    }
    if let Err(unfit) = bound(visit, realm, (presented, &token), head, exit).await? {
        return Ok(Err(unfit));
    }
    let scope = token.claims().get("scope").and_then(Value::as_str).and_then(|text| Scope::parse(text).ok());
    if scope.is_some_and(|scope| scope.contains("openid")) {
        Ok(Ok(user(&token)))
    } else {
        Ok(Err(Unfit::Scope))
    }
}

/// Whether the caller is the one that the token is bound to. A token that is bound to a key comes as `DPoP`, and no other
/// (RFC 9449 section 7.1).
async fn bound(
    visit: Visit<'_>,
    realm: &RealmState,
    (presented, token): (&Presented, &VerifiedToken),
    head: &Parts,
    exit: &mut Exit<'_>,
) -> Result<Result<(), Unfit>, Refusal> {
    let to_key = token.claims().get("cnf").is_some_and(|cnf| cnf.get("jkt").is_some());
    if to_key != (presented.scheme == Some(Scheme::DPoP)) {
        return Ok(Err(Unfit::Invalid));
    }
    let proof = match proof(visit, realm, head, (&presented.token, Place::Resource), exit).await {
        Ok(proof) => proof,
        Err(refusal) if refusal.reason == Reason::DpopNonceRequired => return Ok(Err(Unfit::Nonce)),
        Err(refusal) if refusal.reason == Reason::DpopProofInvalid => return Ok(Err(Unfit::Proof)),
        Err(refusal) => return Err(refusal),
    };
    let certificate = certificate::of(visit, head)?;
    let thumbprint = certificate.as_deref().map(ClientCertificate::thumbprint_s256);
    let evidence = Evidence { dpop: proof.as_ref(), certificate_thumbprint: thumbprint.as_deref() };
    let proved = Binding::read(token.claims()).and_then(|binding| binding.proved_by(evidence));
    Ok(proved.map_err(|_| Unfit::Invalid))
}

/// `sub`, and the claims of the standard scopes that the token has.
fn user(token: &VerifiedToken) -> Map<String, Value> {
    let told = token
        .claims()
        .iter()
        .filter(|(name, _)| *name == "sub" || matches!(ClaimClass::of(name), ClaimClass::OfScope(_)));
    told.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn challenged(realm: &RealmState, unfit: &Unfit) -> Response<Body> {
    let (status, scheme, code, description) = unfit.answer();
    let body = json!({ "error": code, "error_description": description });
    let mut response = respond::json(status, body.to_string().into_bytes());
    let name = &realm.config.name;
    let challenge =
        format!("{scheme} realm=\"{name}\", error=\"{code}\", error_description=\"{description}\"");
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}
