//! Grants besides the standard exchange by which one token becomes another.

/// Ways besides the standard exchange by which one token becomes another; closed unless opened in writing.
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

/// What becomes of a way besides the standard exchange that can be judged like one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GovernedDoor {
    /// Refused.
    #[default]
    Closed,
    /// Passed to the upstream, not judged.
    Open,
    /// Judged by the audiences' files, as a token exchange is.
    Judged,
}
