//! Revocation of tokens that Cambio issued (RFC 7009), for the client that they were issued to.

use http::{Response, StatusCode};
use serde_json::Value;

use super::presented::Presented;
use crate::adapters::net::body::Body;
use crate::edge::gateway::case::Case;
use crate::edge::gateway::case::client::CaseClient;
use crate::edge::gateway::exchange::outcome::Stop;
use crate::edge::gateway::replay::{RefreshFamily, token_id};
use crate::edge::gateway::respond;
use crate::judgement::client::credentials::Credentials;
use crate::judgement::permit::renewal::Renewal;
use crate::words::oauth::form::Form;
use crate::words::refusal::{Reason, Refusal};

impl Case<'_> {
    /// Revokes the token. The answer to an invalid token is no different (RFC 7009 section 2.2).
    pub(super) async fn revocation(mut self, presented: &Presented) -> Response<Body> {
        self.record.is_revocation();
        let answered = match self.revoke_presented(presented).await {
            Ok(()) => self.record.allowed(StatusCode::OK).await.map(|()| respond::empty()),
            Err(stop) => Box::pin(self.ended(stop)).await,
        };
        self.conclude(answered).await
    }

    async fn revoke_presented(&mut self, presented: &Presented) -> Result<(), Stop> {
        self.admit()?;
        let workloads = &self.realm.config.clients.workloads;
        let credentials = Credentials::read(&self.head.headers, &presented.form, workloads)?;
        self.record.client(&credentials);
        self.page.names(credentials.client_id());
        if presented.is_refresh_token() {
            return self.revoke_refresh_token(presented, &credentials).await;
        }
        let client = self.prove_client(&credentials).await?;
        self.client = CaseClient::Proven(client.clone());
        if let Some(token) = self.unexpired_token(&presented.token) {
            let claim = |name: &str| token.claims().get(name).and_then(Value::as_str);
            if claim("azp").or(claim("client_id")) != Some(client.client_id()) {
                return Err(Refusal::new(Reason::TokenOfAnotherClient, "azp is not the client").into());
            }
            let id = token_id(&presented.token, &token);
            self.record.revoked(token.subject(), &id, token.kid());
            self.revoke(&id, token.expires()).await?;
        }
        Ok(())
    }

    /// Revokes a refresh token with its family, and with the identity provider's refresh token behind it. If there is
    /// one, the identity provider authenticates the clients that the configuration does not register.
    async fn revoke_refresh_token(&mut self, presented: &Presented, credentials: &Credentials) -> Result<(), Stop> {
        self.meet_client(credentials).await?;
        let renewal = self.presented_renewal(presented, credentials).await?;
        let upstream = renewal.as_ref().and_then(|renewal| renewal.upstream());
        if upstream.is_none() {
            self.require_client().await?;
        }
        let Some(renewal) = &renewal else { return Ok(()) };
        self.record.family(renewal);
        self.record.renewing(renewal);
        if let Some(token) = upstream {
            let mut form = Form::new();
            form.push("token", token.expose());
            form.push("token_type_hint", "refresh_token");
            credentials.write(&mut form);
            let head = self.head.clone();
            self.ask_upstream(credentials, form.encode(), head).await?;
        }
        RefreshFamily::new(renewal).revoke(&self.services.store).await?;
        Ok(())
    }

    /// What the presented refresh token stands for, with the identity provider's newest refresh token; `None` if it is
    /// invalid or another client's.
    ///
    /// # Errors
    /// [`Reason::StoreUnavailable`]
    pub(super) async fn presented_renewal(
        &self,
        presented: &Presented,
        credentials: &Credentials,
    ) -> Result<Option<Renewal>, Refusal> {
        let config = &self.realm.config;
        let opened = config
            .refresh_tokens
            .as_ref()
            .and_then(|tokens| tokens.seal.open(&presented.token, &config.name, credentials.client_id()).ok());
        let Some(renewal) = opened else { return Ok(None) };
        let family = RefreshFamily::new(&renewal);
        self.replaced(renewal, &family).await.map(Some)
    }
}
