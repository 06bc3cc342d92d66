//! Settings of the identity provider's clients, for `check --online`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use crate::adapters::upstream::client::UpstreamClient;
use crate::adapters::upstream::directory::{DirectoryClient, DirectoryError, escaped};

/// A client as Keycloak's admin API shows it. The client's secret is not read.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientSettings {
    /// Keycloak's own id of the client.
    pub id: String,
    /// The client id.
    pub client_id: String,
    /// Whether the client may do anything.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// Whether the client has no credentials.
    #[serde(default)]
    pub public_client: bool,
    #[serde(default)]
    attributes: BTreeMap<String, Value>,
    /// The client scopes of every token; `None`: the answer does not say.
    pub default_client_scopes: Option<Vec<String>>,
    /// The client scopes that a request may name.
    #[serde(default)]
    pub optional_client_scopes: Vec<String>,
    /// The client's own mappers.
    #[serde(default)]
    pub protocol_mappers: Vec<ProtocolMapper>,
}

/// A protocol mapper, which writes into tokens.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProtocolMapper {
    /// What kind of mapper it is.
    #[serde(default)]
    pub protocol_mapper: String,
    /// Its settings.
    #[serde(default)]
    pub config: BTreeMap<String, Value>,
}

/// A setting that changes what the tokens of a client look like. `Display` goes on after the client's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusualSetting {
    /// Lightweight access tokens.
    #[error("has lightweight access tokens")]
    Lightweight,
    /// Nothing writes `sub`.
    #[error("lacks the client scope \"basic\", so that its tokens have no sub")]
    NoSub,
    /// Pairwise subject identifiers.
    #[error("has pairwise subject identifiers")]
    Pairwise,
    /// HS256 and its like.
    #[error("signs access tokens with a secret, so that nobody else can verify them")]
    SharedSecret,
}

fn enabled() -> bool {
    true
}

/// The client scope of a scope with a parameter, such as `organization:*`.
pub fn without_parameter(scope: &str) -> &str {
    scope.split_once(':').map_or(scope, |(name, _)| name)
}

impl DirectoryClient {
    /// The settings of a client; `None` if the identity provider shows no client with this id.
    ///
    /// # Errors
    /// The identity provider does not answer, or refuses Cambio's own client.
    pub async fn client_settings(
        &self,
        upstream: &UpstreamClient,
        client: &str,
    ) -> Result<Option<ClientSettings>, DirectoryError> {
        let path = format!("{}/clients?clientId={}", self.admin_path, escaped(client));
        let found: Vec<ClientSettings> = self.get(upstream, path, "a question for a client").await?;
        Ok(found.into_iter().find(|found| found.client_id == client))
    }
}

impl ClientSettings {
    /// An attribute; empty if the client does not have it.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether an attribute is switched on.
    pub fn is_on(&self, name: &str) -> bool {
        self.attribute(name) == "true"
    }

    /// The client scopes of the client, optional ones included.
    pub fn client_scopes(&self) -> impl Iterator<Item = &str> {
        let default = self.default_client_scopes.iter().flatten();
        default.chain(&self.optional_client_scopes).map(String::as_str)
    }

    /// The client scopes of the client that are in force if a request has this `scope`: the default ones, and those of the
    /// optional ones that the request names, with or without a parameter.
    pub fn client_scopes_with(&self, scope: &str) -> BTreeSet<&str> {
        let requested: BTreeSet<_> = scope.split(' ').flat_map(|one| [one, without_parameter(one)]).collect();
        let optional = self.optional_client_scopes.iter().filter(|one| requested.contains(one.as_str()));
        self.default_client_scopes.iter().flatten().chain(optional).map(String::as_str).collect()
    }

    /// What is unusual in the tokens of the client.
    pub fn unusual(&self) -> Vec<UnusualSetting> {
        let lacks_basic = self.default_client_scopes.as_ref().is_some_and(|all| !all.iter().any(|one| one == "basic"));
        let writes_sub = |one: &ProtocolMapper| one.protocol_mapper == "oidc-sub-mapper";
        let is_pairwise = |one: &ProtocolMapper| one.protocol_mapper.contains("pairwise-sub");
        let mappers = &self.protocol_mappers;
        [
            (self.is_on("client.use.lightweight.access.token.enabled"), UnusualSetting::Lightweight),
            (lacks_basic && !mappers.iter().any(writes_sub), UnusualSetting::NoSub),
            (mappers.iter().any(is_pairwise), UnusualSetting::Pairwise),
            (self.attribute("access.token.signed.response.alg").starts_with("HS"), UnusualSetting::SharedSecret),
        ]
        .into_iter()
        .filter_map(|(holds, setting)| holds.then_some(setting))
        .collect()
    }
}

impl ProtocolMapper {
    /// Whether the mapper writes this audience into access tokens.
    pub fn adds_audience(&self, audience: &str) -> bool {
        let named = |key: &str| self.config.get(key).and_then(Value::as_str) == Some(audience);
        let kind = self.protocol_mapper == "oidc-audience-mapper";
        kind && self.is_for_access_tokens() && (named("included.client.audience") || named("included.custom.audience"))
    }

    /// Whether the mapper makes each client an audience of which the user has a role.
    pub fn resolves_audiences(&self) -> bool {
        self.protocol_mapper == "oidc-audience-resolve-mapper"
    }

    /// Whether the mapper writes realm roles into access tokens.
    pub fn writes_realm_roles(&self) -> bool {
        self.protocol_mapper == "oidc-usermodel-realm-role-mapper" && self.is_for_access_tokens()
    }

    fn is_for_access_tokens(&self) -> bool {
        self.config.get("access.token.claim").and_then(Value::as_str) == Some("true")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_unusual_in_the_tokens_of_a_client() {
        use UnusualSetting::{Lightweight, NoSub, Pairwise, SharedSecret};
        let pairwise = json!([{"name": "pairwise", "protocolMapper": "oidc-sha256-pairwise-sub-mapper"}]);
        let sub = json!([{"name": "sub", "protocolMapper": "oidc-sub-mapper"}]);
        let lightweight = |value: &str| json!({"attributes": {"client.use.lightweight.access.token.enabled": value}});
        for (name, settings, expected) in [
            ("nothing is said", json!({}), vec![]),
            ("usual", json!({"defaultClientScopes": ["basic", "roles"], "attributes": {"x": "true"}}), vec![]),
            ("lightweight", lightweight("true"), vec![Lightweight]),
            ("not lightweight", lightweight("false"), vec![]),
            ("no basic", json!({"defaultClientScopes": ["roles"]}), vec![NoSub]),
            ("no basic, but a mapper", json!({"defaultClientScopes": ["roles"], "protocolMappers": sub}), vec![]),
            ("pairwise", json!({"protocolMappers": pairwise}), vec![Pairwise]),
            ("HS256", json!({"attributes": {"access.token.signed.response.alg": "HS256"}}), vec![SharedSecret]),
            ("ES256", json!({"attributes": {"access.token.signed.response.alg": "ES256"}}), vec![]),
        ] {
            let mut settings = settings;
            settings["clientId"] = json!("front-end-app");
            settings["id"] = json!("0b8f");
            let shown: ClientSettings = serde_json::from_value(settings).unwrap();
            assert_eq!(shown.unusual(), expected, "{name}");
        }
    }

    #[test]
    fn which_client_scopes_are_in_force() {
        let shown: ClientSettings = serde_json::from_value(json!({"id": "0b8f", "clientId": "front-end-app",
            "defaultClientScopes": ["basic"], "optionalClientScopes": ["email", "organization", "read:orders"]}))
        .unwrap();
        for (scope, expected) in [
            ("", vec!["basic"]),
            ("openid email", vec!["basic", "email"]),
            ("organization:*", vec!["basic", "organization"]),
            ("read:orders", vec!["basic", "read:orders"]),
            ("read:others", vec!["basic"]),
        ] {
            assert_eq!(shown.client_scopes_with(scope).into_iter().collect::<Vec<_>>(), expected, "{scope}");
        }
    }

    #[test]
    fn which_mappers_write_realm_roles() {
        for (kind, config, expected) in [
            ("oidc-usermodel-realm-role-mapper", json!({"access.token.claim": "true"}), true),
            ("oidc-usermodel-realm-role-mapper", json!({"access.token.claim": "false"}), false),
            ("oidc-usermodel-realm-role-mapper", json!({"id.token.claim": "true"}), false),
            ("oidc-sub-mapper", json!({"access.token.claim": "true"}), false),
        ] {
            let mapper = json!({"protocolMapper": kind, "config": config});
            let mapper: ProtocolMapper = serde_json::from_value(mapper).unwrap();
            assert_eq!(mapper.writes_realm_roles(), expected, "{kind} {config}");
        }
    }

    #[test]
    fn which_mappers_add_an_audience() {
        let mapper = |kind: &str, config: Value| -> ProtocolMapper {
            serde_json::from_value(json!({"protocolMapper": kind, "config": config})).unwrap()
        };
        let kind = "oidc-audience-mapper";
        for (kind, config, expected) in [
            (kind, json!({"included.client.audience": "api", "access.token.claim": "true"}), true),
            (kind, json!({"included.custom.audience": "api", "access.token.claim": "true"}), true),
            (kind, json!({"included.client.audience": "api", "access.token.claim": "false"}), false),
            (kind, json!({"included.client.audience": "other", "access.token.claim": "true"}), false),
            ("oidc-sub-mapper", json!({"included.client.audience": "api", "access.token.claim": "true"}), false),
        ] {
            assert_eq!(mapper(kind, config.clone()).adds_audience("api"), expected, "{kind} {config}");
        }
    }
}
