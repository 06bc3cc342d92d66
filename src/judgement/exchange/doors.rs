//! Grants besides the standard exchange that turn one token into another.

/// Grants besides the standard exchange that turn one token into another. Closed unless the configuration opens them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doors {
    /// The RFC 7523 JWT authorization grant.
    pub jwt_bearer: GovernedDoor,
    /// The UMA ticket grant.
    pub uma_ticket: bool,
    /// Client-initiated backchannel authentication.
    pub ciba: bool,
    /// Token exchange with `requested_issuer` (Keycloak V1).
    pub requested_issuer: bool,
    /// Token exchange with `requested_subject` (Keycloak V1 impersonation).
    pub requested_subject: GovernedDoor,
}

/// How Cambio treats a grant that it can judge like the standard exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GovernedDoor {
    /// Refused.
    #[default]
    Closed,
    /// Passed to the identity provider, not judged.
    Open,
    /// Judged by the audiences' files, as a token exchange is.
    Judged,
}
