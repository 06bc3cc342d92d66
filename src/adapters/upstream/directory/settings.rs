//! Settings of the identity provider's clients that change what their tokens look like, for `check --online`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::adapters::upstream::client::UpstreamClient;
use crate::adapters::upstream::directory::{DirectoryClient, DirectoryError, escaped};

/// A client as Keycloak's admin API shows it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    client_id: String,
    #[serde(default)]
    attributes: BTreeMap<String, Value>,
    /// `None`: the answer does not say.
    default_client_scopes: Option<Vec<String>>,
    #[serde(default)]
    protocol_mappers: Vec<Mapper>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mapper {
    #[serde(default)]
    protocol_mapper: String,
}

impl DirectoryClient {
    /// What is unusual in the tokens of a client, in words. Nothing is unusual in those of an unknown client.
    ///
    /// # Errors
    /// The identity provider does not answer, or refuses Cambio's own client.
    pub async fn unusual_settings(
        &self,
        upstream: &UpstreamClient,
        client: &str,
    ) -> Result<Vec<&'static str>, DirectoryError> {
        let path = format!("{}/clients?clientId={}", self.admin_path, escaped(client));
        let found: Vec<Shown> = self.get(upstream, path, "a question for a client").await?;
        Ok(found.iter().find(|found| found.client_id == client).map(Shown::unusual).unwrap_or_default())
    }
}

impl Shown {
    fn unusual(&self) -> Vec<&'static str> {
        let attribute = |name: &str| self.attributes.get(name).and_then(Value::as_str).unwrap_or_default();
        let lacks_basic = self.default_client_scopes.as_ref().is_some_and(|all| !all.iter().any(|one| one == "basic"));
        let writes_sub = |one: &Mapper| one.protocol_mapper == "oidc-sub-mapper";
        let is_pairwise = |one: &Mapper| one.protocol_mapper.contains("pairwise-sub");
        [
            (attribute("client.use.lightweight.access.token.enabled") == "true", "has lightweight access tokens"),
            (
                lacks_basic && !self.protocol_mappers.iter().any(writes_sub),
                "lacks the client scope basic, so that its tokens have no sub",
            ),
            (self.protocol_mappers.iter().any(is_pairwise), "has pairwise subject identifiers"),
            (
                attribute("access.token.signed.response.alg").starts_with("HS"),
                "signs access tokens with a secret, so that nobody else can verify them",
            ),
        ]
        .into_iter()
        .filter_map(|(holds, text)| holds.then_some(text))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_unusual_in_the_tokens_of_a_client() {
        let pairwise = json!([{"name": "pairwise", "protocolMapper": "oidc-sha256-pairwise-sub-mapper"}]);
        let sub = json!([{"name": "sub", "protocolMapper": "oidc-sub-mapper"}]);
        for (name, settings, expected) in [
            ("nothing is said", json!({}), vec![]),
            ("usual", json!({"defaultClientScopes": ["basic", "roles"], "attributes": {"x": "true"}}), vec![]),
            (
                "lightweight",
                json!({"attributes": {"client.use.lightweight.access.token.enabled": "true"}}),
                vec!["has lightweight access tokens"],
            ),
            (
                "not lightweight",
                json!({"attributes": {"client.use.lightweight.access.token.enabled": "false"}}),
                vec![],
            ),
            (
                "no basic",
                json!({"defaultClientScopes": ["roles"]}),
                vec!["lacks the client scope basic, so that its tokens have no sub"],
            ),
            ("no basic, but a mapper", json!({"defaultClientScopes": ["roles"], "protocolMappers": sub}), vec![]),
            ("pairwise", json!({"protocolMappers": pairwise}), vec!["has pairwise subject identifiers"]),
            (
                "HS256",
                json!({"attributes": {"access.token.signed.response.alg": "HS256"}}),
                vec!["signs access tokens with a secret, so that nobody else can verify them"],
            ),
            ("ES256", json!({"attributes": {"access.token.signed.response.alg": "ES256"}}), vec![]),
        ] {
            let mut settings = settings;
            settings["clientId"] = json!("front-end-app");
            let shown: Shown = serde_json::from_value(settings).unwrap();
            assert_eq!(shown.unusual(), expected, "{name}");
        }
    }
}
