//! The token endpoint's answer, read strictly (RFC 6749 section 5.1, RFC 8693 section 2.2.1).

use serde_json::{Map, Value};

use super::members::AnswerMembers;
use crate::judgement::jose::verify::VerifiedToken;
use crate::judgement::policy::contract::{Contract, Issued};
use crate::judgement::policy::roles::RoleNames;
use crate::words::oauth::scope::Scope;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// A successful answer of the identity provider: its members in their order, no name twice. `Debug` shows the names only.
#[derive(Clone)]
pub struct UpstreamAnswer {
    members: AnswerMembers,
    token: Secret,
}

/// The token that the identity provider issued, its signature verified.
#[derive(Clone, Copy)]
pub struct Verified<'a> {
    /// The token's claims.
    pub(super) claims: &'a Map<String, Value>,
    /// The key that signed the token.
    pub(super) kid: &'a str,
    /// The realm's `iss`.
    pub(super) issuer: &'a str,
    /// The header's `typ`.
    pub(super) typ: Option<&'a str>,
    /// The subject's roles in the directory, if the contract asks for them.
    pub(super) directory: Option<&'a RoleNames>,
}

impl UpstreamAnswer {
    /// Reads an answer. Any status but 200 is [`Reason::UpstreamRefused`]: the gateway passes such an answer on after it
    /// has made sure that the answer bears no marks of an exchange. A body that is no object with an `access_token` is
    /// [`Reason::UpstreamGarbage`].
    pub fn read(status: u16, body: &[u8]) -> Result<Self, Refusal> {
        if status != 200 {
            return Err(Refusal::new(Reason::UpstreamRefused, format!("status {status}")));
        }
        let garbage = |text: &str| Refusal::new(Reason::UpstreamGarbage, text);
        let members =
            AnswerMembers::read(body).map_err(|_| garbage("the answer is no JSON object with distinct members"))?;
        let token = members.text("access_token").ok_or_else(|| garbage("the answer has no access_token"))?;
        let token = Secret::new(token);
        Ok(Self { members, token })
    }

    /// The issued token, whatever its type (RFC 8693 section 2.2.1). Verify it before any other use.
    pub fn token(&self) -> &Secret {
        &self.token
    }

    /// The ID token beside the issued token, if the contract lets it go out.
    pub fn id_token_beside(&self, contract: &Contract) -> Option<Secret> {
        let wanted = contract.id_token_beside && contract.requested != TokenType::IdToken;
        self.members.text("id_token").filter(|text| wanted && !text.is_empty()).map(Secret::new)
    }

    /// The scope that the identity provider granted: the token's claim, or what the answer says about a token without it.
    ///
    /// # Errors
    /// [`Reason::AnswerScope`]: the scope can't be read.
    pub fn granted_scope(&self, token: &Verified<'_>) -> Result<Scope, Refusal> {
        self.issued(token).scope()
    }

    /// The token with what the answer says about it.
    pub(super) fn issued<'a>(&'a self, token: &Verified<'a>) -> Issued<'a> {
        Issued {
            claims: token.claims,
            issuer: token.issuer,
            issued_token_type: self.members.text("issued_token_type"),
            token_type: self.members.text("token_type"),
            scope: self.members.text("scope"),
            directory: token.directory,
        }
    }

    /// Removes every member that is, or looks like, another token than the checked one, and returns their names. A refresh
    /// token would bring back what the contract took away.
    pub(super) fn drop_other_tokens(&mut self) -> Vec<String> {
        let dropped = self.members.drop_where(|name, value| {
            name != "access_token"
                && (matches!(name, "refresh_token" | "id_token") || value.as_str().is_some_and(looks_like_jwt))
        });
        // RFC 6749 section 3.3 knows no empty scope.
        if self.members.text("scope") == Some("") {
            self.members.take("scope");
        }
        // Keycloak's 0 means that there is no refresh token.
        if self.members.has("refresh_expires_in") {
            self.members.set("refresh_expires_in", 0);
        }
        dropped
    }

    /// Names the token type that the caller asked for, if the identity provider was asked for the token by another name.
    pub(super) fn rename_token(&mut self, contract: &Contract) {
        if contract.requested != contract.upstream_type() {
            self.members.set("issued_token_type", contract.requested.urn());
        }
    }

    /// The members.
    pub(super) fn members_mut(&mut self) -> &mut AnswerMembers {
        &mut self.members
    }

    /// The members.
    pub(super) fn into_members(self) -> AnswerMembers {
        self.members
    }
}

impl<'a> Verified<'a> {
    /// A token that was verified with the keys of the realm whose `iss` this is.
    pub fn new(token: &'a VerifiedToken, issuer: &'a str) -> Self {
        Self { claims: token.claims(), kid: token.kid().unwrap_or_default(), issuer, typ: token.typ(), directory: None }
    }

    /// The token, with the roles that the directory has for the subject.
    #[must_use]
    pub fn with_roles(self, directory: Option<&'a RoleNames>) -> Self {
        Self { directory, ..self }
    }

    /// The header's `typ` of the token that Cambio signs in the place of this token: an RFC 9068 access token stays one
    /// (section 2.1).
    pub(super) fn header_typ(&self, contract: &Contract) -> &'static str {
        let typ = self.typ.unwrap_or_default().to_ascii_lowercase();
        let is_access_token = matches!(typ.as_str(), "at+jwt" | "application/at+jwt");
        if is_access_token && contract.upstream_type() == TokenType::AccessToken {
            "at+jwt"
        } else {
            contract.header_typ()
        }
    }
}

impl std::fmt::Debug for UpstreamAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.members.fmt(f)
    }
}

/// Whether a text looks like a compact JWS or JWE: base64url of `{"…`, and dots.
fn looks_like_jwt(text: &str) -> bool {
    text.starts_with("ey") && matches!(text.bytes().filter(|&byte| byte == b'.').count(), 2 | 4)
}

#[cfg(test)]
mod tests;
