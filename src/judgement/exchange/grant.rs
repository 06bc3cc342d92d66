//! The grants that are judged.

/// A grant by which one token becomes another, and that is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// RFC 8693.
    TokenExchange,
    /// The JWT authorization grant (RFC 7523 section 2.1).
    JwtBearer,
    /// A token for a client's own service account, for an audience: CERN's `api-access/token`.
    ApiAccess,
}
