//! Issuers of subject tokens, and how issuers' keys are kept.

use std::path::PathBuf;
use std::time::Duration;

use super::introspection::Introspection;
use crate::judgement::expression::Expression;
use crate::judgement::jose::checks::TokenChecks;

/// A foreign issuer whose tokens may be subject tokens.
#[derive(Clone, Debug)]
pub struct TrustedIssuer {
    /// The name in the configuration.
    pub name: String,
    /// The `iss` claim of its tokens.
    pub url: String,
    /// Values for the `aud` claim: a token must have one of them. Never empty.
    pub audiences: Vec<String>,
    /// Where its keys come from.
    pub keys: KeySource,
    /// CA certificates for fetching the keys, instead of the system's.
    pub ca: Option<PathBuf>,
    /// How its tokens are checked.
    pub tokens: TokenChecks,
    /// How Cambio keeps its keys.
    pub jwks: JwksLimits,
    /// Its introspection endpoint for opaque tokens.
    pub introspection: Option<Introspection>,
    /// CEL expression that gives the local name of a subject.
    pub username: Option<Expression>,
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// An OpenID discovery document at this URL.
    Discovery(String),
    /// A JWK set at this URL.
    Url(String),
    /// A JWK set in this file.
    File(PathBuf),
}

/// How Cambio keeps keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JwksLimits {
    /// Age at which Cambio fetches keys again in the background.
    pub refresh_interval: Duration,
    /// Age until which Cambio uses keys that it can't fetch again.
    pub max_stale: Duration,
    /// Shortest time between two fetches because of an unknown `kid`.
    pub unknown_kid_cooldown: Duration,
}
