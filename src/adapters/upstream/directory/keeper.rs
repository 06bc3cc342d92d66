//! A part in a user's session for Cambio's own client. The identity provider knows nothing of a refresh token that belongs
//! to a minted token, so that using the refresh token does not keep the session alive. Cambio's own client therefore
//! exchanges the subject token for a refresh token of its own, and uses this one beside the other.

use http::{Method, StatusCode};
use serde::Deserialize;

use crate::adapters::upstream::client::UpstreamClient;
use crate::adapters::upstream::directory::{DirectoryClient, DirectoryError, post, read};
use crate::judgement::dialect::endpoints::keycloak::LOGOUT;
use crate::words::oauth::form::Form;
use crate::words::oauth::urn::{GRANT_TOKEN_EXCHANGE, TokenType};
use crate::words::secret::Secret;

#[derive(Deserialize)]
struct Granted {
    #[serde(default)]
    refresh_token: Option<String>,
}

impl DirectoryClient {
    /// A refresh token of Cambio's own client for the session of this access token.
    ///
    /// # Errors
    /// [`DirectoryError::Status`] if the identity provider refuses.
    pub async fn join_session(&self, upstream: &UpstreamClient, subject: &Secret) -> Result<Secret, DirectoryError> {
        const WHAT: &str = "an exchange of the subject token for a refresh token of Cambio's own client";
        let mut form = Form::new();
        form.push("grant_type", GRANT_TOKEN_EXCHANGE);
        form.push("subject_token", subject.expose());
        form.push("subject_token_type", TokenType::AccessToken.urn());
        form.push("requested_token_type", TokenType::RefreshToken.urn());
        let (status, body) = self.post_as_itself(upstream, &self.token_path, form).await?;
        if status != StatusCode::OK {
            return Err(DirectoryError::Status(status, WHAT));
        }
        let granted: Granted = read(&body)?;
        let token = granted.refresh_token.filter(|token| !token.is_empty());
        token.map(Secret::new).ok_or(DirectoryError::Status(status, WHAT))
    }

    /// Uses the refresh token of Cambio's own client, so that the session does not become idle. The next one; `None` if the
    /// session has ended.
    ///
    /// # Errors
    /// The identity provider does not answer, or refuses Cambio's own client: of its refusals, only `invalid_grant` is about
    /// the session.
    pub async fn keep_session(
        &self,
        upstream: &UpstreamClient,
        token: &Secret,
    ) -> Result<Option<Secret>, DirectoryError> {
        let mut form = Form::new();
        form.push("grant_type", "refresh_token");
        form.push("refresh_token", token.expose());
        let (status, body) = self.post_as_itself(upstream, &self.token_path, form).await?;
        if status == StatusCode::BAD_REQUEST && is_invalid_grant(&body) {
            return Ok(None);
        }
        if status != StatusCode::OK {
            return Err(DirectoryError::Status(status, "a refresh of Cambio's own client"));
        }
        let granted: Granted = read(&body)?;
        // Without a new one, the old one stays valid (RFC 6749 section 6).
        Ok(Some(granted.refresh_token.filter(|token| !token.is_empty()).map_or_else(|| token.clone(), Secret::new)))
    }

    /// Ends the session. A session that has ended already stays so.
    ///
    /// # Errors
    /// The identity provider does not answer, or refuses Cambio's own client.
    pub async fn end_session(&self, upstream: &UpstreamClient, token: &Secret) -> Result<(), DirectoryError> {
        let mut form = Form::new();
        form.push("refresh_token", token.expose());
        let path = format!("{}{LOGOUT}", self.realm_path);
        let (status, _) = self.post_as_itself(upstream, &path, form).await?;
        match status {
            StatusCode::OK | StatusCode::NO_CONTENT | StatusCode::BAD_REQUEST => Ok(()),
            status => Err(DirectoryError::Status(status, "a logout of Cambio's own client")),
        }
    }

    async fn post_as_itself(
        &self,
        upstream: &UpstreamClient,
        path: &str,
        mut form: Form,
    ) -> Result<(StatusCode, bytes::Bytes), DirectoryError> {
        form.push("client_id", &self.client.id);
        form.push("client_secret", self.client.secret.expose());
        post(upstream, self.request(Method::POST, path, form.encode())?).await
    }
}

/// Whether a refusal is about the refresh token (RFC 6749 section 5.2), and not about the client or the request.
fn is_invalid_grant(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Refused {
        error: String,
    }
    serde_json::from_slice::<Refused>(body).is_ok_and(|refused| refused.error == "invalid_grant")
}
