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
            && (matches!(rest, "clients" | "users") || rest.starts_with("users/") || rest.starts_with("clients/"))
        {
            return Some((realm, RealmEndpoint::Admin));
        }
        let path = path.strip_prefix("/realms/")?;
        let Some((realm, rest)) = path.split_once('/') else {
            return Some((path, RealmEndpoint::Realm));
        };
        let endpoint = match rest.strip_suffix('/').unwrap_or(rest) {
            ".well-known/openid-configuration" => RealmEndpoint::Discovery,
            "protocol/openid-connect/auth" => RealmEndpoint::Auth,
            "protocol/openid-connect/certs" => RealmEndpoint::Certs,
            "protocol/openid-connect/logout" => RealmEndpoint::Logout,
            "protocol/openid-connect/revoke" => RealmEndpoint::Revoke,
            "protocol/openid-connect/token" => RealmEndpoint::Token,
            "protocol/openid-connect/token/introspect" => RealmEndpoint::Introspect,
            "protocol/openid-connect/userinfo" => RealmEndpoint::Userinfo,
            _ => return None,
        };
        Some((realm, endpoint))
    }
}

impl std::fmt::Debug for Received {
    /// Method and target only: header and body hold credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.target)
    }
}
