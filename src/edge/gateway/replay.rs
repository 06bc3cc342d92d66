//! What may be used once and what was revoked, in the store.

pub mod family;
pub mod revoked;
mod subject_token;
