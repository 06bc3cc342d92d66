//! The paths of a realm in its dialect.

use super::keycloak;
use super::rules::DialectRules;

/// Where a realm's endpoints are.
#[derive(Clone, Copy, Debug)]
pub struct RealmPath<'a> {
    /// The path of the realm's endpoints at the identity provider, without a trailing slash.
    pub path: &'a str,
    /// The rules of the realm's dialect.
    pub rules: &'static DialectRules,
    /// The path parameter `realm`.
    pub realm: &'a str,
}

impl<'a> RealmPath<'a> {
    /// A realm with Keycloak's own dialect.
    pub fn of_keycloak(path: &'a str) -> Self {
        Self { path, rules: &keycloak::RULES, realm: "" }
    }

    /// The dialect's paths of the token endpoint.
    pub fn token_paths(self) -> impl Iterator<Item = String> {
        self.filled(self.rules.token_paths)
    }

    /// The dialect's paths of the introspection endpoint.
    pub fn introspection_paths(self) -> impl Iterator<Item = String> {
        self.filled(self.rules.introspection_paths)
    }

    /// The dialect's paths where a client gets tokens for its own service account.
    pub fn api_access_paths(self) -> impl Iterator<Item = String> {
        self.filled(self.rules.api_access_paths)
    }

    fn filled(self, templates: &'static [&'static str]) -> impl Iterator<Item = String> {
        templates.iter().map(move |template| template.replace("{path}", self.path).replace("{realm}", self.realm))
    }
}
