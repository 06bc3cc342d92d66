//! Keycloak's logout with a refresh token, for refresh tokens that Cambio issued.

use http::{Response, StatusCode};

use super::presented::Presented;
use crate::adapters::net::body::Body;
use crate::edge::gateway::case::Case;
use crate::edge::gateway::exchange::outcome::Stop;
use crate::edge::gateway::replay::RefreshFamily;
use crate::judgement::client::credentials::Credentials;
use crate::words::oauth::form::Form;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

impl Case<'_> {
    /// Revokes the family of the refresh token, and ends the session behind it at the identity provider.
    pub(super) async fn logout(mut self, presented: &Presented) -> Response<Body> {
        self.record.is_revocation();
        let answered = match self.log_out(presented).await {
            Ok(()) => self.record.allowed(StatusCode::NO_CONTENT).await.map(|()| logged_out()),
            Err(stop) => Box::pin(self.ended(stop)).await,
        };
        self.conclude(answered).await
    }

    async fn log_out(&mut self, presented: &Presented) -> Result<(), Stop> {
        self.admit()?;
        let credentials = Credentials::read(&self.head.headers, &presented.form, &self.realm.config.clients.workloads)?;
        self.record.client(&credentials);
        self.page.names(credentials.client_id());
        self.meet_client(&credentials).await?;
        let renewal = self.presented_renewal(presented, &credentials).await?;
        if renewal.as_ref().and_then(|renewal| renewal.upstream()).is_none() {
            self.require_client().await?;
        }
        // Keycloak, too, refuses a refresh token that it does not know.
        let renewal = renewal
            .ok_or_else(|| Refusal::new(Reason::RefreshTokenInvalid, "it can't be opened, or is another client's"))?;
        self.record.family(&renewal);
        self.record.renewing(&renewal);
        if let Some(token) = renewal.upstream() {
            self.log_out_upstream(&credentials, token).await?;
        }
        self.end_kept_session(&renewal).await?;
        RefreshFamily::new(&renewal).revoke(&self.services.store).await?;
        Ok(())
    }

    /// Ends the session at the identity provider. A session that has ended already is no reason to keep the family, if
    /// the client is authentic.
    async fn log_out_upstream(&mut self, credentials: &Credentials, token: &Secret) -> Result<(), Stop> {
        let mut form = Form::new();
        form.push("refresh_token", token.expose());
        credentials.write(&mut form);
        let head = self.head.clone();
        match self.ask_upstream(credentials, form.encode(), head).await {
            Ok(_) => Ok(()),
            Err(Stop::Upstream(refused)) if refused.is_of_grant && !self.client.is_unproven() => Ok(()),
            Err(stop) => Err(stop),
        }
    }
}

/// Keycloak's answer.
fn logged_out() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
