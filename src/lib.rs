//! Cambio stands in front of an identity provider and governs token exchange.

// words
pub mod clock;
pub mod oauth;
pub mod secret;

// pure core
pub mod client;
pub mod conformance;
pub mod dialect;
pub mod exchange;
pub mod migrate;
pub mod permit;
pub mod policy;
pub mod route;
pub mod token;

// adapters
pub mod audit;
pub mod body;
pub mod config;
pub mod drain;
pub mod introspection;
pub mod issue;
pub mod jwks;
pub mod metrics;
pub mod seal;
pub mod store;
pub mod tls;
pub mod upstream;

// edge
pub mod admin;
pub mod app;
pub mod cli;
pub mod demo;
pub mod gateway;
pub mod server;
