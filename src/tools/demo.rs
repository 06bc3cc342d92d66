//! A small Keycloak-shaped identity provider for `cambio demo` and for the hermetic tests.
//!
//! It imitates the behaviour of Keycloak 26.7 that matters to a gate in front of it: an exchange keeps every realm role,
//! `actor_token` and `resource` are ignored, the answer has default scopes that nobody requested, the issuer follows the
//! Host header, and the HTTP layer reads requests that RFC 6749 does not allow. Do not build on this provider: users and
//! secrets are in the source, and nothing survives a restart.

mod admin;
mod answer;
mod bound;
pub mod command;
mod directory;
mod endpoints;
mod exchange;
mod form;
mod grants;
mod inventory;
mod keys;
mod login;
mod provider;
mod received;
mod respond;
mod server;
mod tokens;
pub mod walk;

pub use keys::{Keys, RealmKey, RealmKeyError};
pub use provider::Provider;
pub use received::{Layout, RealmEndpoint, Received};
pub use server::{Idp, IdpError, IdpOptions, Intervene, Intervention};

/// What tests make the provider do wrong.
#[cfg(test)]
#[path = "../../tests/it/support"]
pub mod misbehaviour {
    pub mod faults;
    pub mod lenient;
    pub mod tamper;
}
