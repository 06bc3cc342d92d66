//! From an allowed request and the identity provider's answer to the answer that is handed out.
//!
//! Pure: the gateway fetches the answer and verifies the token in it, then one of [`forward`] and [`reissue`] makes a
//! [`Conformed`]; [`mint`] needs no answer. Nothing else makes one, and only a `Conformed` may leave.

pub mod answer;
pub mod forward;
pub mod key;
pub mod mint;
pub mod refresh;
pub mod reissue;
pub mod ring;
pub mod translate;

use serde_json::{Map, Value};

use crate::judgement::dialect::Dialect;
use crate::judgement::jose::verify::VerifiedToken;
use crate::judgement::policy::roles::Roles;
use crate::words::oauth::scope::Scope;
use crate::words::refusal::Refusal;

/// The token that the identity provider issued, its signature verified.
#[derive(Clone, Copy)]
pub struct Verified<'a> {
    /// Its claims.
    claims: &'a Map<String, Value>,
    /// The key that signed it.
    kid: &'a str,
    /// The realm's `iss`.
    issuer: &'a str,
}

impl<'a> Verified<'a> {
    /// A token that was verified with the keys of the realm whose `iss` this is.
    pub fn new(token: &'a VerifiedToken, issuer: &'a str) -> Self {
        Self { claims: token.claims(), kid: token.kid().unwrap_or_default(), issuer }
    }
}

/// An answer that meets its contract. `Debug` hides the token in it.
pub struct Conformed {
    body: Vec<u8>,
    facts: Facts,
}

/// What audit says about an issued token.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// Its `sub`: not the subject token's where that is foreign.
    pub subject: Option<String>,
    /// Roles of the token that the identity provider issued.
    pub roles_before: Roles,
    /// Roles of the token that is handed out.
    pub roles_granted: Roles,
    /// The scope asked for; `None` when none was.
    pub scope_requested: Option<Scope>,
    /// The scope granted.
    pub scope_granted: Scope,
    /// Seconds from `iat` to `exp`.
    pub lifetime: i64,
    /// `exp`
    pub expires: i64,
    /// `jti`, which correlates with the identity provider's events.
    pub jti: Option<String>,
    /// The key that signed the token that is handed out.
    pub kid: String,
    /// Claims that the identity provider issued and the handed-out token lacks.
    pub dropped_claims: Vec<String>,
    /// Members of the answer that are not handed out, such as `refresh_token`.
    pub dropped_members: Vec<String>,
}

impl Conformed {
    /// The JSON body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The same with the members that a dialect's answers have.
    ///
    /// # Errors
    /// [`Reason::Internal`](crate::words::refusal::Reason::Internal) where the body is no answer.
    pub fn in_shape(self, dialect: Dialect) -> Result<Self, Refusal> {
        let body = answer::in_shape(&self.body, dialect.rules().members)?;
        Ok(Self { body: body.unwrap_or(self.body), facts: self.facts })
    }

    /// What audit says about it.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Both.
    pub fn into_parts(self) -> (Vec<u8>, Facts) {
        (self.body, self.facts)
    }
}

impl std::fmt::Debug for Conformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conformed").field("facts", &self.facts).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
