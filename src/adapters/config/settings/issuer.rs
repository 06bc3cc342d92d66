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
    /// The `iss` of its tokens.
    pub url: String,
    /// Values of which one must be in `aud`. Never empty.
    pub audiences: Vec<String>,
    /// Where its keys come from.
    pub keys: KeySource,
    /// Own CA bundle for fetching them.
    pub ca: Option<PathBuf>,
    /// How its tokens are checked.
    pub tokens: TokenChecks,
    /// How its keys are kept.
    pub jwks: JwksLimits,
    /// Where it is asked about its opaque tokens.
    pub introspection: Option<Introspection>,
    /// CEL that gives the local name of its subjects.
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

/// How keys are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JwksLimits {
    /// Age at which keys are fetched again in the background.
    pub refresh_interval: Duration,
    /// Age until which keys are used when they can't be fetched.
    pub max_stale: Duration,
    /// Shortest time between two fetches for an unknown `kid`.
    pub unknown_kid_cooldown: Duration,
}
