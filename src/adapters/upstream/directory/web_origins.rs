//! The origins of a client's web pages, as Keycloak knows them.

use std::sync::Arc;

use serde::Deserialize;

use crate::adapters::upstream::client::UpstreamClient;
use crate::adapters::upstream::directory::{DirectoryClient, DirectoryError, escaped};
use crate::judgement::client::web_origins::WebOrigins;

impl DirectoryClient {
    /// The origins whose pages may read the answers to the client; none if the directory shows no such client.
    ///
    /// # Errors
    /// The identity provider does not answer, or does not show its clients to Cambio.
    pub async fn web_origins(
        &self,
        upstream: &UpstreamClient,
        client: &str,
    ) -> Result<Arc<WebOrigins>, DirectoryError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Shown {
            client_id: String,
            root_url: Option<String>,
            #[serde(default)]
            web_origins: Vec<String>,
            #[serde(default)]
            redirect_uris: Vec<String>,
        }
        let fetch = async {
            let path = format!("{}/clients?clientId={}", self.admin_path, escaped(client));
            let found: Vec<Shown> = self.get(upstream, path, "a question for a client's web origins").await?;
            let found = found.into_iter().find(|found| found.client_id == client);
            let origins = found.map(|client| {
                WebOrigins::of_client(&client.web_origins, &client.redirect_uris, client.root_url.as_deref())
            });
            Ok(Arc::new(origins.unwrap_or_default()))
        };
        Box::pin(self.web_origins.try_get_with(client.to_owned(), fetch)).await.map_err(Arc::unwrap_or_clone)
    }
}
