//! Composes the claims of a token that Cambio mints from the contract and the subject token.
//!
//! The token expires at the earliest of the contract's lifetime, the subject token's expiry and [`MAX_LIFETIME`]. What a
//! foreign token says about logins and users is only that issuer's statement, so a claim is copied only if the audience's
//! file lists the claim. The session and the roles of a foreign token are never copied.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::judgement::policy::claim_names::{
    ClaimClass, DERIVED_FROM, IMPERSONATED, NONCE, REFRESH_FAMILY, SUBJECT_ISSUER, names_key,
};
use crate::judgement::policy::contract::{Contract, DPOP};
use crate::judgement::policy::model::{Issuance, MAX_LIFETIME};
use crate::judgement::policy::narrow::Narrowed;
use crate::judgement::policy::provenance::Provenance;
use crate::judgement::policy::roles::RoleNames;
use crate::words::oauth::scope::Scope;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};

/// What a token is made from besides its contract and the subject token.
#[derive(Clone, Copy, Debug)]
pub struct Ingredients<'a> {
    /// The subject's roles at the identity provider, if [`Contract::directory`] asks for them.
    pub directory: Option<&'a RoleNames>,
    /// The realm's `iss`.
    pub issuer: &'a str,
    /// `iat`
    pub now: Timestamp,
    /// `jti`: random, never used before.
    pub jti: &'a str,
}

/// The roles that Cambio must read from the identity provider's admin API before it can mint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// The user whose roles are read: the subject token's `sub`.
    pub subject: &'a str,
    /// Whether realm roles are needed.
    pub realm: bool,
    /// The clients whose roles are needed.
    pub clients: BTreeSet<&'a str>,
}

impl Contract {
    /// The roles to read from the identity provider's admin API; `None` if none are needed.
    pub fn directory(&self) -> Option<Question<'_>> {
        let subject = self.subject.as_deref().filter(|_| self.from_directory)?;
        let clients = self.roles.iter().flat_map(|terms| {
            let others = terms.from_client.keys().map(|(client, _)| client.as_str());
            std::iter::once(terms.audience.as_str()).chain(others)
        });
        let realm = !self.realm_roles.is_empty() || self.roles.iter().any(|terms| !terms.from_realm.is_empty());
        Some(Question { subject, realm, clients: clients.collect() })
    }

    /// The claims of a token that meets the contract, made from the verified claims of the subject token.
    ///
    /// # Errors
    /// [`Reason::SubjectTokenExpired`] or [`Reason::AnswerLifetime`] if the contract leaves no time after `now`;
    /// [`Reason::AnswerRoles`] if the subject token's roles can't be read.
    pub fn mint(&self, subject_token: &Map<String, Value>, from: &Ingredients<'_>) -> Result<Narrowed, Refusal> {
        let internal = |text: &str| Refusal::new(Reason::Internal, text);
        let (Issuance::Mint, Some(subject)) = (self.issuance, &self.subject) else {
            return Err(internal("the contract is not about a minted token"));
        };
        let latest = from.now.as_second().saturating_add(self.lifetime.min(MAX_LIFETIME).as_secs());
        let expires = self.expiry(latest, from.now)?;
        let before = match (self.provenance.is_of_realm(), self.from_directory) {
            (false, _) => RoleNames::default(),
            (true, false) => RoleNames::read(subject_token)?,
            (true, true) => from.directory.cloned().ok_or_else(|| internal("the directory was not asked"))?,
        };
        let roles = self.narrowed_roles(&before);
        let scope = self.scope_requested.as_ref().map(|scope| scope.filtered(|token| self.may_grant(token)));
        let scope = scope.unwrap_or_default();

        let mut claims = Map::new();
        let person = self.person.as_ref().unwrap_or(subject_token);
        for (name, value) in person.iter().filter(|(name, _)| self.copies(name, &scope)) {
            claims.insert(name.clone(), value.clone());
        }
        // The realm's own statement about its user is left out, and never contradicted.
        let own = |name: &str| self.provenance.is_of_realm() && person.contains_key(name);
        for (name, value) in &self.defaults {
            if !claims.contains_key(name) && !own(name) && !ClaimClass::of(name).is_reserved() {
                claims.insert(name.clone(), value.clone());
            }
        }
        self.add_claims(&mut claims, &roles);
        self.delegate(&mut claims, &Map::new());
        let mut set = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
        set("iss", Value::from(from.issuer));
        set("sub", Value::from(subject.as_str()));
        set("aud", self.audience_claim());
        set("iat", Value::from(from.now.as_second()));
        set("exp", Value::from(expires));
        set("jti", Value::from(from.jti));
        if !self.provenance.is_of_realm() {
            let name = if self.provenance == Provenance::CambioForForeign { SUBJECT_ISSUER } else { "iss" };
            let issuer = subject_token.get(name).cloned();
            set(SUBJECT_ISSUER, issuer.ok_or_else(|| internal("the subject token names no issuer"))?);
        }
        if self.provenance.is_of_realm() {
            set(DERIVED_FROM, self.derived_from(subject_token));
        }
        if self.is_impersonation() {
            set(IMPERSONATED, Value::Bool(true));
        }
        // A token that is made from a token of a family ends with the family, too.
        let inherited = || subject_token.get(REFRESH_FAMILY).filter(|_| self.provenance.is_by_cambio()).cloned();
        if let Some(family) = self.refresh_family.clone().map(Value::from).or_else(inherited) {
            set(REFRESH_FAMILY, family);
        }
        if let Some(binding) = &self.binding {
            set("cnf", binding.clone());
        }
        if self.is_rfc9068() {
            set("client_id", Value::from(self.client.as_str()));
        } else {
            set("azp", Value::from(self.client.as_str()));
            set("typ", Value::from(self.typ_claim()));
        }
        if !scope.is_empty() && self.requested != TokenType::IdToken {
            set("scope", Value::from(scope.to_string()));
        }
        let dropped = subject_token.keys().filter(|name| !claims.contains_key(*name)).cloned().collect();
        Ok(Narrowed { claims, scope, roles_before: before, roles, dropped, expires })
    }

    /// The header's `typ` (RFC 9068 section 2.1; Keycloak writes `JWT` for all tokens).
    pub fn header_typ(&self) -> &'static str {
        if self.is_rfc9068() { "at+jwt" } else { "JWT" }
    }

    /// The answer's `token_type` (RFC 6749 section 7.1, RFC 8693 section 2.2.1, RFC 9449 section 5).
    pub fn token_type(&self) -> &'static str {
        match self.requested {
            TokenType::IdToken => "N_A",
            _ if self.is_bound_to_key() => DPOP,
            _ => "Bearer",
        }
    }

    fn typ_claim(&self) -> &'static str {
        match self.requested {
            TokenType::IdToken => "ID",
            _ if self.is_bound_to_key() => DPOP,
            _ => "Bearer",
        }
    }

    fn is_bound_to_key(&self) -> bool {
        self.binding.as_ref().is_some_and(names_key)
    }

    /// The value of [`DERIVED_FROM`]. A token that Cambio minted before says itself what it was minted from.
    fn derived_from(&self, subject_token: &Map<String, Value>) -> Value {
        let before = subject_token.get(DERIVED_FROM).filter(|_| self.provenance.is_by_cambio());
        let issued = before.and_then(|before| before.get("iat")).or_else(|| subject_token.get("iat"));
        let mut derived: Map<String, Value> = issued.map(|iat| ("iat".to_owned(), iat.clone())).into_iter().collect();
        if self.is_impersonation() {
            let own = |name: &str| Some((name.to_owned(), subject_token.get(name)?.clone()));
            derived.extend(["sub", "sid"].into_iter().filter_map(own));
        }
        Value::Object(derived)
    }

    /// Whether a claim of the subject token, or of the impersonated user, is copied.
    fn copies(&self, claim: &str, granted: &Scope) -> bool {
        let class = ClaimClass::of(claim);
        match class {
            // The nonce says which login an ID token belongs to; a dialect may carry the nonce into the next ID token.
            ClaimClass::Nonce => {
                let identity = self.requested == TokenType::IdToken && !self.is_impersonation();
                self.provenance.is_of_realm() && identity && self.carried.contains(NONCE)
            }
            ClaimClass::Registered
            | ClaimClass::Binding
            | ClaimClass::Delegation
            | ClaimClass::Provenance
            | ClaimClass::KeycloakRoles
            | ClaimClass::OtherToken => false,
            _ if self.role_output.claim.as_deref() == Some(claim) => false,
            _ if self.provenance.is_of_realm() => self.copies_own(class, claim, granted),
            _ => self.copies_foreign(class, claim),
        }
    }

    /// Whether a claim of the realm's own token is copied. Session and login do not belong to an impersonated user.
    fn copies_own(&self, class: ClaimClass, claim: &str, granted: &Scope) -> bool {
        match class {
            ClaimClass::Login => !self.is_impersonation(),
            ClaimClass::Session => !self.is_impersonation() && !self.outlives_session,
            ClaimClass::OfScope(scope) => granted.contains(scope) || self.lists(claim),
            _ => self.lists(claim),
        }
    }

    /// A foreign issuer's statement counts only where the audience's file or the dialect lists the claim by its name: `"*"`
    /// would let that issuer write roles and names of users into any claim.
    fn copies_foreign(&self, class: ClaimClass, claim: &str) -> bool {
        match class {
            ClaimClass::Session | ClaimClass::OtherRoles => false,
            ClaimClass::RealmUser => self.owner_names(claim),
            _ => self.lists_by_name(claim),
        }
    }
}

#[cfg(test)]
mod tests;
