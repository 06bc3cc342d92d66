//! Wire vocabulary of OAuth 2.0 and token exchange: names, syntax and the confirmation of senders.

pub(crate) mod bytes;
pub mod confirmation;
pub mod error;
pub mod form;
pub mod introspection;
pub mod json;
pub mod names;
pub mod scope;
pub mod urn;
