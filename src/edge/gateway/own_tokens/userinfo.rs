//! Userinfo for tokens that Cambio issued (`OpenID` Connect Core section 5.3): the user's claims in the token.

use http::header::{HeaderValue, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use super::presented::{Presented, Scheme};
use crate::adapters::metrics::{Outcome, OwnEndpoint};
use crate::adapters::net::body::Body;
use crate::edge::gateway::case::Case;
use crate::edge::gateway::realm_runtime::RealmRuntime;
use crate::edge::gateway::respond;
use crate::judgement::jose::verify::VerifiedToken;
use crate::judgement::policy::claim_names::ClaimClass;
use crate::judgement::token::dpop::ProofTarget;
use crate::words::oauth::confirmation::Binding;
use crate::words::oauth::scope::Scope;
use crate::words::refusal::{Cause, Reason, Refusal};

/// Why the token is not accepted (RFC 6750 section 3.1, RFC 9449 section 7.1), in Keycloak's words if it has any.
enum Unfit {
    Invalid,
    Scope,
    Proof,
    Nonce,
}

impl Unfit {
    /// Status, scheme of the challenge, code and text.
    fn challenge(&self) -> (StatusCode, &'static str, &'static str, &'static str) {
        let unauthorized = StatusCode::UNAUTHORIZED;
        match self {
            Self::Invalid => (unauthorized, "Bearer", "invalid_token", "Token verification failed"),
            Self::Scope => (StatusCode::FORBIDDEN, "Bearer", "insufficient_scope", "Missing openid scope"),
            Self::Proof => (unauthorized, "DPoP", "invalid_dpop_proof", "DPoP proof is invalid"),
            Self::Nonce => (unauthorized, "DPoP", "use_dpop_nonce", "DPoP proof needs a nonce"),
        }
    }
}

impl Case<'_> {
    /// Answers every bearer of the token. The sender of a bound token must prove the binding.
    pub(super) async fn userinfo(mut self, presented: &Presented) -> Response<Body> {
        self.record.not_audited();
        let told = self.user(presented).await;
        // Like Keycloak, Cambio lets every page read that its token is not accepted.
        let cause = match &told {
            Ok(user) => user.is_err().then_some(Cause::Client),
            Err(refusal) => Some(refusal.reason.cause()),
        };
        let response = match told {
            Ok(user) => {
                let outcome = if user.is_ok() { Outcome::Allowed } else { Outcome::Denied };
                self.count(OwnEndpoint::Userinfo, outcome);
                match user {
                    Ok(user) => respond::json(StatusCode::OK, Value::Object(user).to_string().into_bytes()),
                    Err(unfit) => challenged(self.realm, &unfit),
                }
            }
            Err(refusal) => self.refuse(OwnEndpoint::Userinfo, &refusal),
        };
        let response = self.record.with_dpop_nonce(response);
        self.readers(cause).await.of(response)
    }

    async fn user(&mut self, presented: &Presented) -> Result<Result<Map<String, Value>, Unfit>, Refusal> {
        self.admit()?;
        if presented.is_refresh_token() {
            return Ok(Err(Unfit::Invalid));
        }
        let Some(token) = self.valid_token(&presented.token).await? else { return Ok(Err(Unfit::Invalid)) };
        self.page.learn_from_own_token(token.claims());
        // An ID token is no access token.
        if token.claims().get("typ").is_some_and(|typ| typ == "ID") {
            return Ok(Err(Unfit::Invalid));
        }
        if let Err(unfit) = self.check_binding(presented, &token).await? {
            return Ok(Err(unfit));
        }
        let scope = token.claims().get("scope").and_then(Value::as_str).and_then(|text| Scope::parse(text).ok());
        if scope.is_some_and(|scope| scope.contains("openid")) { Ok(Ok(user(&token))) } else { Ok(Err(Unfit::Scope)) }
    }

    /// Checks the binding of the token to its sender. Only a token that is bound to a key has the scheme `DPoP` (RFC
    /// 9449 section 7.1).
    async fn check_binding(
        &mut self,
        presented: &Presented,
        token: &VerifiedToken,
    ) -> Result<Result<(), Unfit>, Refusal> {
        let to_key = token.claims().get("cnf").is_some_and(|cnf| cnf.get("jkt").is_some());
        if to_key != (presented.scheme == Some(Scheme::DPoP)) {
            return Ok(Err(Unfit::Invalid));
        }
        let sender = match self.sender(&presented.token, ProofTarget::Resource).await {
            Ok(sender) => sender,
            Err(refusal) if refusal.reason == Reason::DpopNonceRequired => return Ok(Err(Unfit::Nonce)),
            Err(refusal) if refusal.reason == Reason::DpopProofInvalid => return Ok(Err(Unfit::Proof)),
            Err(refusal) => return Err(refusal),
        };
        let proved = Binding::read(token.claims()).and_then(|binding| binding.proved_by(sender.evidence()));
        Ok(proved.map_err(|_| Unfit::Invalid))
    }
}

/// `sub`, and the claims of the standard scopes that the token has.
fn user(token: &VerifiedToken) -> Map<String, Value> {
    let shown = token
        .claims()
        .iter()
        .filter(|(name, _)| *name == "sub" || matches!(ClaimClass::of(name), ClaimClass::OfScope(_)));
    shown.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn challenged(realm: &RealmRuntime, unfit: &Unfit) -> Response<Body> {
    let (status, scheme, code, description) = unfit.challenge();
    let body = json!({ "error": code, "error_description": description });
    let mut response = respond::json(status, body.to_string().into_bytes());
    let name = &realm.config.name;
    let challenge = format!("{scheme} realm=\"{name}\", error=\"{code}\", error_description=\"{description}\"");
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}
