//! The shape of answers that a realm's callers know.

pub mod keycloak;
