//! The claims that the identity provider would state about a user now.

use serde_json::{Map, Value};

use crate::adapters::upstream::client::UpstreamClient;
use crate::adapters::upstream::directory::{DirectoryClient, DirectoryError, escaped, segment};

impl DirectoryClient {
    /// The claims of an access token that the client would get for the user now, with every protocol mapper of the client
    /// and its scopes. The admin API calls this an example token; nobody has its session. Nothing of this is cached.
    ///
    /// # Errors
    /// [`DirectoryError::NoUser`] if there is no such user; [`DirectoryError::NoClient`] if there is no such client, or
    /// Cambio's client lacks `view-clients`.
    pub async fn present_claims(
        &self,
        upstream: &UpstreamClient,
        subject: &str,
        client: &str,
        scope: &str,
    ) -> Result<Map<String, Value>, DirectoryError> {
        let id = self.client_uuid(upstream, client).await?;
        let id = id.ok_or_else(|| DirectoryError::NoClient(client.to_owned()))?;
        let user = self.id_of(upstream, subject).await?;
        let path = format!(
            "{}/clients/{}/evaluate-scopes/generate-example-access-token?scope={}&userId={}",
            self.admin_path,
            escaped(&id),
            escaped(scope),
            segment(&user)?
        );
        let claims: Map<String, Value> = self.get(upstream, path, "a question for a user's claims").await?;
        if claims.get("sub").and_then(Value::as_str) == Some(subject) {
            Ok(claims)
        } else {
            Err(DirectoryError::Unavailable("an answer about another user".to_owned()))
        }
    }
}
