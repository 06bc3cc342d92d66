//! A small Keycloak-shaped identity provider for `cambio demo` and for the hermetic tests.
//!
//! It imitates what Keycloak 26.7 does where it matters for a gate in front of it: an exchange keeps every realm role,
//! `actor_token` and `resource` are ignored, default scopes come back unasked, the issuer follows the Host header, and
//! its HTTP layer reads shapes that RFC 6749 does not allow. It is no identity provider to build on: users and
//! secrets stand in the source, and nothing survives a restart.

mod admin;
mod answer;
mod bound;
mod directory;
mod endpoints;
mod exchange;
mod form;
mod grants;
mod keys;
mod login;
mod provider;
mod received;
mod respond;
mod server;
mod tokens;
pub mod walk;

/// What tests make the provider do wrong.
#[cfg(test)]
#[path = "../../tests/it/support"]
pub mod misbehaviour {
    pub mod faults;
    pub mod lenient;
    pub mod tamper;
}

pub use keys::{Keys, RealmKey};
pub use provider::Provider;
pub use received::{RealmEndpoint, Received};
pub use server::{Idp, IdpError, IdpOptions, Intervene, Intervention};
