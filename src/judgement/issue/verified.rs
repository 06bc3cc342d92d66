//! The token that the identity provider issued.

use serde_json::{Map, Value};

use crate::judgement::jose::verify::VerifiedToken;

/// The token that the identity provider issued, its signature verified.
#[derive(Clone, Copy)]
pub struct Verified<'a> {
    /// The token's claims.
    pub(super) claims: &'a Map<String, Value>,
    /// The key that signed the token.
    pub(super) kid: &'a str,
    /// The realm's `iss`.
    pub(super) issuer: &'a str,
}

impl<'a> Verified<'a> {
    /// A token that was verified with the keys of the realm whose `iss` this is.
    pub fn new(token: &'a VerifiedToken, issuer: &'a str) -> Self {
        Self { claims: token.claims(), kid: token.kid().unwrap_or_default(), issuer }
    }
}
