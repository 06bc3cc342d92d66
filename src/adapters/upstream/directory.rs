//! Users and their roles, from Keycloak's admin REST API: for minted tokens whose audience takes roles from the
//! directory, and for impersonation. Roles are cached for a short time, with one request at a time per user.

pub mod client;
pub mod error;
pub mod roles;
pub mod user;

#[cfg(test)]
mod tests;
