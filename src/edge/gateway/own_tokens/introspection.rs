//! Introspection of tokens that Cambio issued (RFC 7662), in Keycloak's shape and with its rule: a token is active
//! only for the clients that its `aud` names.

use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use super::presented::Presented;
use crate::adapters::metrics::{Outcome, OwnEndpoint};
use crate::adapters::net::body::Body;
use crate::edge::gateway::case::Case;
use crate::edge::gateway::case::client::CaseClient;
use crate::edge::gateway::replay::{MemberState, RefreshFamily};
use crate::edge::gateway::respond;
use crate::judgement::client::credentials::Credentials;
use crate::judgement::client::verify::AuthenticatedClient;
use crate::judgement::jose::claims;
use crate::judgement::jose::verify::VerifiedToken;
use crate::words::refusal::{Reason, Refusal};

impl Case<'_> {
    /// Answers every client of the realm that has credentials. Like Keycloak, Cambio refuses public clients: anybody
    /// could find out with a public client's id what a stolen token is good for.
    pub(super) async fn introspection(mut self, presented: &Presented) -> Response<Body> {
        self.record.not_audited();
        let told = self.introspect_own_token(presented).await;
        let cause = told.as_ref().err().map(|refusal| refusal.reason.cause());
        let response = match told {
            Ok(claims) => {
                let outcome = if claims.is_some() { Outcome::Allowed } else { Outcome::Denied };
                self.count(OwnEndpoint::Introspection, outcome);
                let body = claims.map_or_else(|| json!({"active": false}), Value::Object);
                respond::json(StatusCode::OK, body.to_string().into_bytes())
            }
            Err(refusal) => self.refuse(OwnEndpoint::Introspection, &refusal),
        };
        self.readers(cause).await.of(response)
    }

    /// The claims of the token; `None` if the token is not active.
    async fn introspect_own_token(&mut self, presented: &Presented) -> Result<Option<Map<String, Value>>, Refusal> {
        self.admit()?;
        let workloads = &self.realm.config.clients.workloads;
        let credentials = Credentials::read(&self.head.headers, &presented.form, workloads)?;
        self.page.names(credentials.client_id());
        let client = self.prove_client(&credentials).await?;
        self.client = CaseClient::Proven(client.clone());
        if client.is_public() {
            return Err(Refusal::new(Reason::ClientUnauthenticated, "a public client may not introspect tokens"));
        }
        if presented.is_refresh_token() {
            return self.introspect_refresh_token(presented, &client).await;
        }
        let token = self.valid_token(&presented.token).await?;
        let is_audience = |token: &VerifiedToken| {
            claims::audiences(token.claims()).is_ok_and(|audiences| audiences.contains(&client.client_id()))
        };
        Ok(token.filter(is_audience).map(|token| access_token(&token)))
    }

    /// A refresh token is active for the client that it was issued to, until it is used.
    async fn introspect_refresh_token(
        &self,
        presented: &Presented,
        client: &AuthenticatedClient,
    ) -> Result<Option<Map<String, Value>>, Refusal> {
        let config = &self.realm.config;
        let Some(tokens) = &config.refresh_tokens else { return Ok(None) };
        let opened = tokens.seal.open(&presented.token, &config.name, client.client_id());
        let Some(renewal) = opened.ok().filter(|one| !one.has_expired(self.services.now())) else {
            return Ok(None);
        };
        if RefreshFamily::new(&renewal).state(&self.services.store).await? != MemberState::Unused {
            return Ok(None);
        }
        if !self.session_goes_on(&renewal.lineage_claims(&config.name, None)).await? {
            return Ok(None);
        }
        let mut members = json!({
            "active": true, "iss": config.issuer, "sub": renewal.subject_id(), "client_id": renewal.client(),
            "azp": renewal.client(), "typ": "Refresh", "iat": renewal.issued(), "exp": renewal.expires(),
        });
        if !renewal.scope().is_empty() {
            members["scope"] = Value::from(renewal.scope().to_string());
        }
        Ok(members.as_object().cloned())
    }
}

/// Every claim, and the names that RFC 7662 section 2.2 has for some.
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
