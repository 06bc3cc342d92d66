//! A request to the demo's identity provider, and the endpoint that it is for.

use bytes::Bytes;
use http::{HeaderMap, Method};

/// The endpoints of a realm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RealmEndpoint {
    /// The admin REST API.
    Admin,
    /// The login page.
    Auth,
    /// The keys.
    Certs,
    /// The discovery document.
    Discovery,
    /// Token introspection (RFC 7662).
    Introspect,
    /// Logout.
    Logout,
    /// The realm's own page.
    Realm,
    /// Revocation (RFC 7009).
    Revoke,
    /// The token endpoint.
    Token,
    /// The userinfo endpoint.
    Userinfo,
}

/// Where the provider has the endpoints of corp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// As Keycloak, below `/realms/corp`, which the issuer names.
    #[default]
    Keycloak,
    /// At the root of the host, which is the issuer, under the names that oidc-provider gives to them.
    Root,
}

impl Layout {
    /// The paths of the endpoints below the issuer, without a slash before them.
    fn names(self) -> [(RealmEndpoint, &'static str); 8] {
        use RealmEndpoint::{Auth, Certs, Discovery, Introspect, Logout, Revoke, Token, Userinfo};
        match self {
            Self::Keycloak => [
                (Discovery, ".well-known/openid-configuration"),
                (Auth, "protocol/openid-connect/auth"),
                (Certs, "protocol/openid-connect/certs"),
                (Logout, "protocol/openid-connect/logout"),
                (Revoke, "protocol/openid-connect/revoke"),
                (Token, "protocol/openid-connect/token"),
                (Introspect, "protocol/openid-connect/token/introspect"),
                (Userinfo, "protocol/openid-connect/userinfo"),
            ],
            Self::Root => [
                (Discovery, ".well-known/openid-configuration"),
                (Auth, "auth"),
                (Certs, "jwks"),
                (Logout, "session/end"),
                (Revoke, "token/revocation"),
                (Token, "token"),
                (Introspect, "token/introspection"),
                (Userinfo, "me"),
            ],
        }
    }

    /// The path of an endpoint below the issuer.
    pub(super) fn name(self, endpoint: RealmEndpoint) -> &'static str {
        self.names().into_iter().find(|(one, _)| *one == endpoint).map_or("", |(_, name)| name)
    }

    fn endpoint(self, path: &str) -> Option<RealmEndpoint> {
        let path = path.strip_suffix('/').unwrap_or(path);
        self.names().into_iter().find(|(_, name)| *name == path).map(|(endpoint, _)| endpoint)
    }

    /// The issuer of a realm.
    pub(super) fn issuer(self, base: &str, realm: &str) -> String {
        match self {
            Self::Root if realm == ROOT_REALM => base.to_owned(),
            Self::Root | Self::Keycloak => format!("{base}/realms/{realm}"),
        }
    }
}

/// The realm that is at the root of the host, in the layout of that name.
const ROOT_REALM: &str = "corp";

/// A request as it came.
#[derive(Clone)]
pub struct Received {
    /// The method.
    pub method: Method,
    /// The request target.
    pub target: String,
    /// The header.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Received {
    /// The realm and the endpoint that the target names. Keycloak ignores one trailing slash and refuses a path that is
    /// not normal.
    pub fn route(&self) -> Option<(&str, RealmEndpoint)> {
        let path = self.target.split(['?', '#']).next()?;
        if let Some((realm, rest)) = path.strip_prefix("/admin/realms/").and_then(|rest| rest.split_once('/'))
            && matches!(
                rest.split('/').next(),
                Some("clients" | "users" | "client-scopes" | "roles" | "identity-provider")
            )
        {
            return Some((realm, RealmEndpoint::Admin));
        }
        let path = path.strip_prefix("/realms/")?;
        let Some((realm, rest)) = path.split_once('/') else {
            return Some((path, RealmEndpoint::Realm));
        };
        Some((realm, Layout::Keycloak.endpoint(rest)?))
    }

    /// [`Received::route`] in this layout.
    pub fn route_in(&self, layout: Layout) -> Option<(&str, RealmEndpoint)> {
        let path = self.target.split(['?', '#']).next()?;
        match layout {
            Layout::Keycloak => self.route(),
            Layout::Root if path.starts_with("/realms/corp/") => None,
            Layout::Root => {
                let found = path.strip_prefix('/').and_then(|name| layout.endpoint(name));
                found.map(|endpoint| (ROOT_REALM, endpoint)).or_else(|| self.route())
            }
        }
    }
}

impl std::fmt::Debug for Received {
    /// Method and target only: header and body hold credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.target)
    }
}
