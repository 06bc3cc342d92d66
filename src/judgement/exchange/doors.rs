//! Grants and endpoints besides the standard exchange that turn one token into another.

/// Grants and endpoints besides the standard exchange that turn one token into another. Closed unless the configuration opens them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent doors, each with a name")]
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
    /// The endpoint that hands out the tokens of brokered identity providers.
    pub broker_token: bool,
    /// The grant of pre-authorized codes (`OpenID` for Verifiable Credential Issuance 1.0), and the endpoints with offers,
    /// which have these codes.
    pub pre_authorized_code: bool,
    /// Introspection whose answer is a JWT.
    pub introspection_jwt: bool,
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
