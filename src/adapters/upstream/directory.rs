//! Users and the roles that the identity provider holds for them, asked through Keycloak's admin REST API: for minted
//! tokens whose audience wants more than the subject token says, and for impersonation. Roles are cached for a short time,
//! one question at a time per user.

pub mod client;
pub mod error;
pub mod roles;
pub mod user;

#[cfg(test)]
mod tests;
