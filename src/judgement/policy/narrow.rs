//! Narrows an issued token to its contract, for `reissue` and `translate`. Only the roles and claims that the audience's
//! file names and the binding to the caller are added. Scopes that the identity provider did not grant stay ungranted.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::judgement::policy::claim_names::{ClaimClass, OWNER_CLAIMS, REFRESH_FAMILY, is_bound_to_key};
use crate::judgement::policy::claim_values::seconds;
use crate::judgement::policy::contract::{Contract, DPOP, Issued, MayActSource};
use crate::judgement::policy::roles::RoleNames;
use crate::words::oauth::names::Names;
use crate::words::oauth::scope::Scope;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};

/// A token's claims within its contract.
#[derive(Clone, Debug, PartialEq)]
pub struct Narrowed {
    /// The claims to sign.
    pub claims: Map<String, Value>,
    /// The granted scope.
    pub scope: Scope,
    /// The roles of the issued token, or the roles from which minting started.
    pub roles_before: RoleNames,
    /// The granted roles.
    pub roles: RoleNames,
    /// Claims of the issued token that were dropped, in order.
    pub dropped: Vec<String>,
    /// When the token expires.
    pub expires: i64,
}

impl Contract {
    /// Narrows the issued token's claims to the contract.
    ///
    /// # Errors
    /// As [`Contract::check`] for what can't be narrowed; [`Reason::SubjectTokenExpired`] or [`Reason::AnswerLifetime`] if the
    /// contract leaves no time after `now`.
    pub fn narrow(&self, issued: &Issued<'_>, now: Timestamp) -> Result<Narrowed, Refusal> {
        self.check_unchangeable(issued, self.upstream_type())?;
        let before = match (self.from_directory, issued.directory) {
            (false, _) => RoleNames::read(issued.claims)?,
            (true, Some(roles)) => roles.clone(),
            (true, None) => return Err(Refusal::new(Reason::Internal, "the directory was not asked")),
        };
        let granted = issued.scope()?.filtered(|token| self.may_grant(token));
        let longest = seconds(issued.claims, "iat")?.saturating_add(self.lifetime.as_secs());
        let expires = self.expiry(seconds(issued.claims, "exp")?.min(longest), now)?;
        let roles = self.narrowed_roles(&before);

        let mut claims: Map<String, Value> = issued
            .claims
            .iter()
            .filter(|(name, _)| self.keeps(name, &granted))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        // The check has recognised the user by the session, if not by `sub`.
        claims.extend(self.subject.iter().map(|subject| ("sub".to_owned(), Value::from(subject.as_str()))));
        claims.insert("aud".to_owned(), self.audience_claim());
        claims.insert("exp".to_owned(), Value::from(expires));
        if granted.is_empty() || self.requested == TokenType::IdToken {
            claims.remove("scope");
        } else {
            claims.insert("scope".to_owned(), Value::String(granted.to_string()));
        }
        self.add_claims(&mut claims, &roles);
        self.delegate(&mut claims, issued.claims);
        if let Some(family) = &self.refresh_family {
            claims.insert(REFRESH_FAMILY.to_owned(), Value::from(family.as_str()));
        }
        self.bind(&mut claims);
        let dropped = issued.claims.keys().filter(|name| !claims.contains_key(*name)).cloned().collect();
        Ok(Narrowed { claims, scope: granted, roles_before: before, roles, dropped, expires })
    }

    /// Adds the claims of the audience's file, and the roles.
    pub(super) fn add_claims(&self, claims: &mut Map<String, Value>, roles: &RoleNames) {
        if self.requested != TokenType::IdToken {
            claims.extend(self.set.iter().map(|(name, value)| (name.clone(), value.clone())));
            if !self.set.is_empty() {
                let names = self.set.keys().cloned().map(Value::String).collect();
                claims.insert(OWNER_CLAIMS.to_owned(), Value::Array(names));
            }
        }
        roles.write(&self.role_output, claims);
    }

    /// Writes `act` and `may_act`, into ID tokens too. `issued`: the claims that the identity provider wrote.
    pub(super) fn delegate(&self, claims: &mut Map<String, Value>, issued: &Map<String, Value>) {
        let said = self.may_act.as_ref();
        let may_act = match self.may_act_source {
            MayActSource::AudienceFile => said,
            MayActSource::Tokens => said.or_else(|| issued.get("may_act")),
        };
        for (name, value) in [("act", self.act.as_ref()), ("may_act", may_act)] {
            claims.extend(value.map(|value| (name.to_owned(), value.clone())));
        }
    }

    /// Binds a token that the identity provider did not bind. A different `cnf` of the identity provider was refused before.
    fn bind(&self, claims: &mut Map<String, Value>) {
        if let Some(binding) = &self.binding {
            claims.entry("cnf").or_insert_with(|| binding.clone());
        }
        if is_bound_to_key(claims) && self.requested != TokenType::IdToken {
            claims.insert("typ".to_owned(), Value::from(DPOP));
        }
    }

    /// Whether an issued claim stays. Other functions write delegation and roles.
    fn keeps(&self, claim: &str, granted: &Scope) -> bool {
        if self.role_output.claim.as_deref() == Some(claim) {
            return false;
        }
        match ClaimClass::of(claim) {
            ClaimClass::Delegation | ClaimClass::Provenance | ClaimClass::KeycloakRoles => false,
            ClaimClass::Registered
            | ClaimClass::Binding
            | ClaimClass::Nonce
            | ClaimClass::Login
            | ClaimClass::Session
            | ClaimClass::Origins => true,
            ClaimClass::OfScope(scope) => granted.contains(scope) || self.lists(claim),
            ClaimClass::OtherRoles | ClaimClass::OtherToken | ClaimClass::RealmUser | ClaimClass::Other => {
                self.lists(claim)
            }
        }
    }

    /// Whether the audience's file or the dialect lists the claim. `"*"` lists every claim that no standard scope asks for. A
    /// claim of access tokens stays out of ID tokens unless the audience's file names it.
    pub(super) fn lists(&self, claim: &str) -> bool {
        if self.requested == TokenType::IdToken && self.access_only.contains(&claim) {
            return self.owner_names(claim);
        }
        let listed = match &self.claims {
            Names::Listed(names) => names.contains(claim),
            Names::Any => !matches!(ClaimClass::of(claim), ClaimClass::OfScope(_)),
        };
        listed || self.carried.contains(claim)
    }

    /// The roles that stay. An ID token has none: its recipient is the client, and the audience's file has no rules about
    /// the client's roles.
    pub(super) fn narrowed_roles(&self, before: &RoleNames) -> RoleNames {
        if self.requested == TokenType::IdToken {
            return RoleNames::default();
        }
        let own = self.roles.iter().map(|terms| (terms.audience.clone(), terms.apply(before)));
        RoleNames {
            realm: &before.realm & &self.realm_roles,
            clients: own.filter(|(_, roles)| !roles.is_empty()).collect(),
        }
    }

    /// The earlier of `latest` and the contract's limit, if time is left. The token that limits the new token's life can have
    /// expired, though its issuer's leeway still accepts it.
    pub(super) fn expiry(&self, latest: i64, now: Timestamp) -> Result<i64, Refusal> {
        if self.expires_by.is_some_and(|limit| limit <= now) {
            return Err(Refusal::new(
                Reason::SubjectTokenExpired,
                "the subject token, or the actor's, has expired but for the leeway, and the new one lives no longer",
            ));
        }
        let expires = self.expires_by.map_or(latest, |limit| latest.min(limit.as_second()));
        if expires <= now.as_second() {
            return Err(Refusal::new(Reason::AnswerLifetime, "the contract leaves the new token no time to live"));
        }
        Ok(expires)
    }

    /// The `aud` as Keycloak writes it: a text for one audience, a list for several.
    pub(super) fn audience_claim(&self) -> Value {
        let mut names: Vec<Value> = self.audience().into_iter().map(Value::String).collect();
        if names.len() == 1 { names.swap_remove(0) } else { Value::Array(names) }
    }
}

#[cfg(test)]
mod tests;
