//! Cambio stands in front of an identity provider and governs token exchange.
//!
//! The modules are rows. A module uses its own row and the rows above it; `tests/it/layering.rs` holds the total order.

// Unit tests share files with `tests/it`, which name the crate.
#[cfg(test)]
extern crate self as cambio;

/// The vocabulary: names, syntax and reasons that every other module uses.
pub mod words {
    pub mod clock;
    pub mod oauth;
    pub mod refusal;
    pub mod secret;
}

/// The pure judgement: no `async`, no I/O, no clock, no environment, no logging.
pub mod judgement {
    pub mod client;
    pub mod dialect;
    pub mod exchange;
    pub mod expression;
    pub mod issue;
    pub mod jose;
    pub mod permit;
    pub mod policy;
    pub mod route;
    pub mod token;
}

/// What connects the judgement with files, networks and other systems.
pub mod adapters {
    pub mod audit;
    pub mod config;
    pub mod descriptors;
    pub mod drain;
    pub mod introspection;
    pub mod jwks;
    pub mod limits;
    pub mod logs;
    pub mod memory;
    pub mod metrics;
    pub mod net;
    pub mod peer;
    pub mod seal;
    pub mod store;
    pub mod tls;
    pub mod upstream;
}

/// The listeners and the way of a request.
pub mod edge {
    pub mod admin;
    pub mod app;
    pub mod explain;
    pub mod gateway;
    pub mod health;
    #[cfg(test)]
    mod linear;
    pub mod server;
}

/// Programs that use the gate and are not the gate.
pub mod tools {
    mod audience_drafts;
    pub mod check;
    pub mod config_file;
    pub mod conformance;
    pub mod demo;
    pub mod diff;
    pub mod explain;
    pub mod failure;
    pub mod keys;
    pub mod learn;
    pub mod migrate;
    pub mod policy_test;
    pub mod private_file;
    pub mod replay;
    pub mod secrets;
    pub mod texts;
    pub mod verify;
}

pub mod cli;
