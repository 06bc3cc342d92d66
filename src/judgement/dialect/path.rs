//! The paths of a dialect.

use super::{Dialect, Rules};

/// Where a realm is.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its endpoints at the identity provider, without a trailing slash.
    pub path: &'a str,
    /// The shape that its callers know.
    pub dialect: Dialect,
    /// The path parameter `realm`.
    pub realm: &'a str,
}

impl<'a> Place<'a> {
    /// A realm of Keycloak's own dialect.
    pub fn of_keycloak(path: &'a str) -> Self {
        Self { path, dialect: Dialect::Keycloak, realm: "" }
    }

    /// The dialect's paths of the token endpoint.
    pub fn token_paths(self) -> impl Iterator<Item = String> {
        self.filled(self.dialect.rules().token_paths)
    }

    /// The dialect's paths of the introspection endpoint.
    pub fn introspection_paths(self) -> impl Iterator<Item = String> {
        self.filled(self.dialect.rules().introspection_paths)
    }

    /// The dialect's paths where a client has tokens for its own service account.
    pub fn api_access_paths(self) -> impl Iterator<Item = String> {
        self.filled(self.dialect.rules().api_access_paths)
    }

    fn filled(self, templates: &'static [&'static str]) -> impl Iterator<Item = String> {
        templates
            .iter()
            .map(move |template| template.replace("{path}", self.path).replace("{realm}", self.realm))
    }
}

impl Rules {
    /// Whether its paths have the parameter `realm`.
    pub fn has_realm_parameter(&self) -> bool {
        let all = [self.token_paths, self.introspection_paths, self.api_access_paths];
        all.into_iter().flatten().any(|template| template.contains("{realm}"))
    }
}
