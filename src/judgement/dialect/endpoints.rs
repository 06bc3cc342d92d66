//! Where an identity provider has the endpoints of a realm.

/// OpenID Connect Discovery 1.0 section 4, below the path of a realm.
pub const DISCOVERY: &str = "/.well-known/openid-configuration";
/// RFC 8414 section 3, before the path of a realm.
pub const METADATA: &str = "/.well-known/oauth-authorization-server";

/// Keycloak's endpoints, below the path of a realm.
pub mod keycloak {
    /// The token endpoint.
    pub const TOKEN: &str = "/protocol/openid-connect/token";
    /// Token introspection (RFC 7662), below the token endpoint.
    pub const INTROSPECT: &str = "/protocol/openid-connect/token/introspect";
    /// The keys.
    pub const CERTS: &str = "/protocol/openid-connect/certs";
    /// The end of a session.
    pub const LOGOUT: &str = "/protocol/openid-connect/logout";
    /// Revocation (RFC 7009).
    pub const REVOKE: &str = "/protocol/openid-connect/revoke";
    /// Userinfo.
    pub const USERINFO: &str = "/protocol/openid-connect/userinfo";
}

/// The paths of a realm's endpoints at an identity provider that is not Keycloak. Each path is whole, not below the realm's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// The token endpoint.
    pub token: String,
    /// The keys.
    pub jwks: String,
    /// Token introspection (RFC 7662).
    pub introspection: Option<String>,
    /// Revocation (RFC 7009).
    pub revocation: Option<String>,
    /// Userinfo.
    pub userinfo: Option<String>,
    /// The end of a session.
    pub end_session: Option<String>,
}

impl Endpoints {
    /// The endpoints that a discovery document names (OpenID Connect Discovery 1.0, RFC 8414): its member, the key in the
    /// configuration, and the path.
    pub fn named(&self) -> [(&'static str, &'static str, Option<&str>); 6] {
        [
            ("token_endpoint", "token", Some(self.token.as_str())),
            ("jwks_uri", "jwks", Some(self.jwks.as_str())),
            ("introspection_endpoint", "introspection", self.introspection.as_deref()),
            ("revocation_endpoint", "revocation", self.revocation.as_deref()),
            ("userinfo_endpoint", "userinfo", self.userinfo.as_deref()),
            ("end_session_endpoint", "endSession", self.end_session.as_deref()),
        ]
    }

    /// Every path.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.named().into_iter().filter_map(|(_, _, path)| path)
    }
}
