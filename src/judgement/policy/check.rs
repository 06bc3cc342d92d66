//! The check that an issued token meets its contract.
//!
//! The identity provider's answer is not trusted: the token is checked before anybody sees it. `forward` can only refuse
//! a token that exceeds the contract; `reissue` narrows the token first ([`super::narrow`]) and then passes the same check.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::judgement::policy::claim_names::is_bound_to_key;
use crate::judgement::policy::claim_values::{audience, scope, scope_claim, seconds};
use crate::judgement::policy::contract::{Contract, DPOP, Issued};
use crate::judgement::policy::roles::RoleNames;
use crate::words::oauth::confirmation::Binding;
use crate::words::oauth::scope::Scope;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};

impl Contract {
    /// Whether the issued token may be handed out as it is. The refusal names what exceeds the contract and the ways out.
    pub fn check(&self, issued: &Issued<'_>) -> Result<(), Refusal> {
        self.check_unchangeable(issued, self.requested)?;
        // Lost, it would have been somebody else's act.
        if issued.claims.get("act") != self.act.as_ref() {
            return Err(refuse(Reason::AnswerSubject, "act is not the chain of actors that the contract has"));
        }
        if self.may_act.is_some() && !issued.claims.contains_key("may_act") {
            return Err(refuse(Reason::AnswerSubject, "the subject token's may_act is gone"));
        }
        if self.binding.is_some() && !issued.claims.contains_key("cnf") {
            return Err(refuse(Reason::AnswerBinding, "the issued token has no cnf: it is bound to nobody"));
        }
        let audience = audience(issued.claims)?;
        if audience != self.audience() {
            return Err(refuse(
                Reason::AnswerAudience,
                format!("aud is [{}], not [{}]", join(&audience), join(&self.audience())),
            ));
        }
        self.check_roles(&RoleNames::read(issued.claims)?)?;
        self.check_role_claims(issued.claims)?;
        for scope in [issued.claims.get("scope").map(scope_claim).transpose()?, issued.scope.map(scope).transpose()?]
            .iter()
            .flatten()
        {
            self.check_scope(scope)?;
        }
        self.check_lifetime(issued.claims)
    }

    /// What no narrowing can mend: another token type than `expected`, another subject, issuer or client, an audience
    /// that is missing, a delegation that nobody asked for, a binding to somebody else.
    pub(super) fn check_unchangeable(&self, issued: &Issued<'_>, expected: TokenType) -> Result<(), Refusal> {
        self.check_type(issued, expected)?;
        let claim = |name: &str| issued.claims.get(name);
        if claim("iss").and_then(Value::as_str) != Some(issued.issuer) {
            return Err(refuse(Reason::AnswerSubject, "iss is not the realm's"));
        }
        // A subject that is not known is nobody's.
        if self.subject.is_none() || claim("sub").and_then(Value::as_str) != self.subject.as_deref() {
            return Err(refuse(Reason::AnswerSubject, "sub is not the one that the contract is about"));
        }
        // The identity provider is not told of a new actor, so it may have the earlier ones only.
        let earlier = self.act.as_ref().and_then(|act| act.get("act"));
        if let Some(act) = claim("act").filter(|act| Some(*act) != self.act.as_ref())
            && Some(act) != earlier
        {
            return Err(refuse(Reason::AnswerSubject, "the issued token carries an act that nobody asked for"));
        }
        if let (Some(may_act), Some(expected)) = (claim("may_act"), &self.may_act)
            && may_act != expected
        {
            return Err(refuse(Reason::AnswerSubject, "may_act is not the subject token's"));
        }
        let party = if self.is_rfc9068() { "client_id" } else { "azp" };
        if claim(party).and_then(Value::as_str) != Some(self.client.as_str()) {
            return Err(refuse(Reason::AnswerAudience, format!("{party} is not the requesting client")));
        }
        let audience = audience(issued.claims)?;
        let missing: BTreeSet<_> = self.audience().difference(&audience).cloned().collect();
        if !missing.is_empty() {
            return Err(refuse(Reason::AnswerAudience, format!("aud lacks {}", join(&missing))));
        }
        if let (Some(binding), Some(cnf)) = (&self.binding, claim("cnf"))
            && !is_same(cnf, binding)
        {
            return Err(refuse(
                Reason::AnswerBinding,
                "cnf is neither the subject token's nor that of the caller's DPoP proof",
            ));
        }
        Ok(())
    }

    fn check_type(&self, issued: &Issued<'_>, expected: TokenType) -> Result<(), Refusal> {
        if issued.issued_token_type != Some(expected.urn()) {
            return Err(refuse(Reason::AnswerTokenType, format!("issued_token_type is not {}", expected.name())));
        }
        let bound_to_key = is_bound_to_key(issued.claims);
        let typ = issued.claims.get("typ").and_then(Value::as_str);
        let token_type = issued.token_type.unwrap_or_default();
        let fits = match self.upstream_type() {
            TokenType::AccessToken if self.is_rfc9068() => {
                let expected = if bound_to_key { DPOP } else { "Bearer" };
                typ.is_none() && token_type.eq_ignore_ascii_case(expected)
            }
            // RFC 9449 section 5: who gets DPoP for token_type must show a key, and who must show one is told so.
            // Keycloak writes typ DPoP into such a token.
            TokenType::AccessToken if bound_to_key => {
                matches!(typ, Some("Bearer" | DPOP)) && token_type.eq_ignore_ascii_case(DPOP)
            }
            TokenType::AccessToken => typ == Some("Bearer") && token_type.eq_ignore_ascii_case("Bearer"),
            // RFC 8693 section 2.2.1: not an access token.
            TokenType::IdToken => typ == Some("ID") && token_type.eq_ignore_ascii_case("N_A"),
            TokenType::Jwt | TokenType::IdJag | TokenType::RefreshToken | TokenType::Saml1 | TokenType::Saml2 => false,
        };
        if fits {
            Ok(())
        } else {
            Err(refuse(
                Reason::AnswerTokenType,
                format!("typ or token_type is not that of an {}", self.requested.name()),
            ))
        }
    }

    fn check_roles(&self, roles: &RoleNames) -> Result<(), Refusal> {
        let realm: Vec<_> =
            roles.realm.difference(&self.realm_roles).map(|role| format!("realm role {role}")).collect();
        let client = roles.clients.iter().flat_map(|(client, roles)| {
            let terms = self.roles.iter().find(|terms| terms.audience == *client);
            roles
                .iter()
                .filter(move |role| !terms.is_some_and(|terms| terms.allows(role)))
                .map(move |role| format!("role {role} of {client}"))
        });
        let excess: Vec<_> = realm.into_iter().chain(client).collect();
        if excess.is_empty() {
            return Ok(());
        }
        Err(refuse(
            Reason::AnswerRoles,
            format!(
                "the issued token has {}: use issuance: reissue, or list the role under roles.realm, or trim the \
                 client's scope mappings in Keycloak",
                excess.join(", ")
            ),
        ))
    }

    /// Where we say which claims name the roles, no other of them does, and a flat one names no more than the others may.
    fn check_role_claims(&self, claims: &Map<String, Value>) -> Result<(), Refusal> {
        let keycloak = ["realm_access", "resource_access"].iter().any(|name| claims.contains_key(*name));
        if !self.role_output.keycloak && keycloak {
            return Err(refuse(Reason::AnswerRoles, "roles stand in a claim that roles.output does not name"));
        }
        let Some(roles) = self.role_output.claim.as_ref().and_then(|name| claims.get(name)) else {
            return Ok(());
        };
        let allowed = |role: &str| self.realm_roles.contains(role) || self.roles.iter().any(|terms| terms.allows(role));
        let list = roles.as_array().map(Vec::as_slice);
        if list.is_some_and(|list| list.iter().all(|role| role.as_str().is_some_and(allowed))) {
            return Ok(());
        }
        Err(refuse(Reason::AnswerRoles, "the flat claim of roles names one that is not permitted"))
    }

    fn check_scope(&self, granted: &Scope) -> Result<(), Refusal> {
        let excess: Vec<_> = granted.iter().filter(|token| !self.may_grant(token)).collect();
        if excess.is_empty() {
            return Ok(());
        }
        Err(refuse(
            Reason::AnswerScope,
            format!(
                "the issued token has scope {}: use issuance: reissue, or list it under the permission's scopes, or \
                 make it no default scope of the client in Keycloak",
                excess.join(" ")
            ),
        ))
    }

    fn check_lifetime(&self, claims: &Map<String, Value>) -> Result<(), Refusal> {
        let (issued, expires) = (seconds(claims, "iat")?, seconds(claims, "exp")?);
        if expires - issued > self.lifetime.as_secs() {
            return Err(refuse(
                Reason::AnswerLifetime,
                format!(
                    "the issued token lives {} s, the contract allows {} s: use issuance: reissue, or raise \
                     token.lifetime, or lower the client's access token lifespan in Keycloak",
                    expires - issued,
                    self.lifetime.as_secs()
                ),
            ));
        }
        if self.expires_by.is_some_and(|limit| expires > limit.as_second()) {
            return Err(refuse(
                Reason::AnswerLifetime,
                "the issued token outlives the subject token: use issuance: reissue, or token.withinSubject: false",
            ));
        }
        Ok(())
    }
}

/// Whether two values of `cnf` bind to the same: Keycloak writes a note beside the key.
fn is_same(cnf: &Value, other: &Value) -> bool {
    cnf == other || matches!((Binding::of(cnf), Binding::of(other)), (Ok(one), Ok(other)) if one == other)
}

fn refuse(reason: Reason, detail: impl Into<String>) -> Refusal {
    Refusal::new(reason, detail)
}

fn join(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
