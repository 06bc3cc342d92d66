//! The grants that Cambio judges.

/// A grant that turns one token into another, and that Cambio judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// RFC 8693.
    TokenExchange,
    /// The JWT authorization grant (RFC 7523 section 2.1).
    JwtBearer,
    /// A token for a client's own service account, for an audience: CERN's `api-access/token`.
    ApiAccess,
}

/// The name of [`Grant::ApiAccess`] as a door, in audit lines and metrics.
pub const API_ACCESS_DOOR: &str = "api_access";
