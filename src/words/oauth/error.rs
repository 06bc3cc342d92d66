//! Error codes of the token endpoint: RFC 6749 section 5.2, RFC 8693 section 2.2.2 and Keycloak's own.

/// The value of `error` in an answer of the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The client may not do this (RFC 6749 section 4.1.2.1; Keycloak answers a forbidden exchange with it).
    AccessDenied,
    /// Client authentication failed or is missing.
    InvalidClient,
    /// The `DPoP` proof is invalid (RFC 9449 section 5).
    InvalidDpopProof,
    /// The grant is invalid, expired or revoked.
    InvalidGrant,
    /// The request is malformed, or a token in it is invalid.
    InvalidRequest,
    /// The scope is unknown or exceeds what may be granted.
    InvalidScope,
    /// The audience or resource is unknown or not acceptable (RFC 8693 section 2.2.2).
    InvalidTarget,
    /// The token is not valid here (RFC 6750 section 3.1).
    InvalidToken,
    /// Keycloak's refusal of an offline token.
    NotAllowed,
    /// The server met an unexpected condition.
    ServerError,
    /// The server is overloaded, or the identity provider is not available.
    TemporarilyUnavailable,
    /// The client may not use this grant.
    UnauthorizedClient,
    /// The grant type is not supported.
    UnsupportedGrantType,
    /// The `DPoP` proof must carry the nonce in the answer's `DPoP-Nonce` (RFC 9449 section 8).
    UseDpopNonce,
}

impl ErrorCode {
    /// The value on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::InvalidClient => "invalid_client",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidToken => "invalid_token",
            Self::NotAllowed => "not_allowed",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UseDpopNonce => "use_dpop_nonce",
        }
    }
}
