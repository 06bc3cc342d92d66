//! An answer that meets its contract, and what audit says about the token in it.

use serde_json::Value;

use super::members::AnswerMembers;
use crate::judgement::dialect::Dialect;
use crate::judgement::policy::contract::Contract;
use crate::judgement::policy::narrow::Narrowed;
use crate::judgement::policy::roles::RoleNames;
use crate::words::oauth::scope::Scope;
use crate::words::oauth::urn::TokenType;
use crate::words::secret::Secret;

/// An answer that meets its contract. `Debug` hides the token in it.
pub struct Conformed {
    members: AnswerMembers,
    facts: IssuedFacts,
}

/// What audit says about an issued token.
#[derive(Clone, Debug, PartialEq)]
pub struct IssuedFacts {
    /// The token's `sub`, which differs from a foreign subject token's.
    pub subject: Option<String>,
    /// Roles of the token that the identity provider issued.
    pub roles_before: RoleNames,
    /// Roles of the token that is handed out.
    pub roles_granted: RoleNames,
    /// The granted scope.
    pub scope_granted: Scope,
    /// Seconds from `iat` to `exp`.
    pub lifetime: i64,
    /// `exp`
    pub expires: i64,
    /// `jti`, which correlates with the identity provider's events.
    pub jti: Option<String>,
    /// The key that signed the token that is handed out.
    pub kid: String,
    /// Claims that the identity provider issued and the token that is handed out lacks.
    pub dropped_claims: Vec<String>,
    /// Members of the answer that are not handed out, such as `refresh_token`.
    pub dropped_members: Vec<String>,
}

/// Which request an answer with a refresh token answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshTokenFor {
    /// An exchange that asked for a refresh token: `issued_token_type` names a refresh token, as in Keycloak.
    Exchange,
    /// An exchange that asked for an access token: the refresh token is an extra.
    AccessToken,
    /// A refresh, whose answer has no `issued_token_type` (RFC 6749 section 5.1).
    Refresh,
}

impl IssuedFacts {
    /// What audit says about a token that Cambio signed.
    pub(super) fn of_signed(contract: &Contract, token: Narrowed, kid: &str, dropped_members: Vec<String>) -> Self {
        let claim = |name: &str| token.claims.get(name);
        Self {
            subject: contract.subject.clone(),
            lifetime: token.expires - claim("iat").and_then(Value::as_i64).unwrap_or_default(),
            expires: token.expires,
            jti: claim("jti").and_then(Value::as_str).map(str::to_owned),
            kid: kid.to_owned(),
            roles_before: token.roles_before,
            roles_granted: token.roles,
            scope_granted: token.scope,
            dropped_claims: token.dropped,
            dropped_members,
        }
    }
}

impl Conformed {
    /// Only the modules that check a contract call this.
    pub(super) fn new(members: AnswerMembers, facts: IssuedFacts) -> Self {
        Self { members, facts }
    }

    /// The answer with the members that a dialect's answers have.
    #[must_use]
    pub fn in_shape(self, dialect: Dialect) -> Self {
        Self { members: self.members.in_shape(dialect.rules().members), ..self }
    }

    /// The answer with a refresh token that Cambio issues, which lives for so many seconds.
    #[must_use]
    pub fn with_refresh_token(mut self, token: &Secret, expires_in: i64, request: RefreshTokenFor) -> Self {
        self.members.set("refresh_token", token.expose());
        self.members.set("refresh_expires_in", expires_in);
        match request {
            RefreshTokenFor::Exchange => {
                self.members.set("issued_token_type", TokenType::RefreshToken.urn());
            }
            RefreshTokenFor::AccessToken => {}
            RefreshTokenFor::Refresh => drop(self.members.take("issued_token_type")),
        }
        self
    }

    /// The answer with the ID token that stood beside the issued token.
    #[must_use]
    pub(super) fn with_id_token(mut self, token: &str) -> Self {
        self.members.set("id_token", token);
        self.facts.dropped_members.retain(|name| name != "id_token");
        self
    }

    /// What audit says about the token.
    pub fn facts(&self) -> &IssuedFacts {
        &self.facts
    }

    /// The JSON body.
    pub fn body(&self) -> Vec<u8> {
        self.members.to_json().into_bytes()
    }

    /// The JSON body, and what audit says about the token.
    pub fn into_parts(self) -> (Vec<u8>, IssuedFacts) {
        (self.body(), self.facts)
    }
}

impl std::fmt::Debug for Conformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conformed").field("facts", &self.facts).finish_non_exhaustive()
    }
}
