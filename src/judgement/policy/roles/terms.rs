//! The role rules of one audience for one request.
//!
//! A line of `roles.map` applies to tokens of the audience's own realm, or of the issuers that the line names. Where each
//! source of roles is read:
//!
//! | source | reissue, translate | mint |
//! |---|---|---|
//! | own roles, `realm:` of the own realm | the token that the identity provider issued, or the directory | the subject token, or the directory |
//! | `client:` | the subject token, or the directory | the subject token, or the directory |
//! | `realm:` and `client:` of a foreign issuer, `group:`, `scope:`, `when` | the subject token | the subject token |
//!
//! The identity provider filters its token for the audience, so only the subject token has other clients' roles. Roles in
//! a foreign token belong to the foreign issuer: they never count as the audience's own.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::judgement::expression::{Expression, Scene};
use crate::judgement::policy::model::{Audience, Issuance, RoleMapping, RoleSource};
use crate::judgement::policy::roles::RoleNames;
use crate::judgement::policy::roles::foreign_scope;
use crate::words::refusal::{Reason, Refusal};

/// The role rules of one audience for one request. Rules that read the subject token are already decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleTerms {
    /// The audience, a client whose roles the new token may have.
    pub audience: String,
    /// Whether the audience's own client roles stay.
    pub own: bool,
    /// Own role → its new names.
    pub renamed: BTreeMap<String, BTreeSet<String>>,
    /// Realm role → own roles that it gives.
    pub from_realm: BTreeMap<String, BTreeSet<String>>,
    /// Client and client role → own roles that it gives, if roles come from the directory.
    pub from_client: BTreeMap<(String, String), BTreeSet<String>>,
    /// Own roles that the subject token gives.
    pub given: BTreeSet<String>,
    /// Own roles that every token has.
    pub fixed: BTreeSet<String>,
    /// Own roles of a token without other roles.
    pub default: BTreeSet<String>,
}

/// The subject token, as far as role rules read it.
#[derive(Clone, Copy)]
pub struct RoleSubject<'a> {
    /// The realm's name.
    pub realm: &'a str,
    /// The subject issuer's name.
    pub issuer: &'a str,
    /// Whether the subject token is the realm's own.
    pub own: bool,
    /// The token's claims.
    pub claims: &'a Map<String, Value>,
}

impl RoleTerms {
    /// Resolves the rules of an audience's file for a subject token. `scene` gives the variables of an expression; `None`: the
    /// expression can't be evaluated yet, and gives no role. Expressions are evaluated for every issuance, so that an
    /// expression fails for all of them or for none. Cambio can't change roles in a token that it forwards.
    pub fn resolve<'s>(
        audience: &Audience,
        issuance: Issuance,
        subject: RoleSubject<'_>,
        scene: impl Fn(&Expression) -> Option<&'s Scene<'s>>,
    ) -> Result<Self, Refusal> {
        let rules = &audience.roles;
        // A token that is minted for a foreign subject has no roles from the identity provider.
        let own = rules.own && (subject.own || issuance != Issuance::Mint);
        let mut terms = Self { audience: audience.name.clone(), own, ..Self::default() };
        let directory = rules.directory && subject.own && matches!(issuance, Issuance::Mint | Issuance::Reissue);
        for line in &rules.map {
            terms.add(line, audience, subject, directory, &scene)?;
        }
        if issuance == Issuance::Forward {
            return Ok(Self { audience: terms.audience, own, ..Self::default() });
        }
        terms.fixed.clone_from(&rules.fixed);
        terms.default.clone_from(&rules.default);
        Ok(terms)
    }

    fn add<'s>(
        &mut self,
        line: &RoleMapping,
        audience: &Audience,
        subject: RoleSubject<'_>,
        directory: bool,
        scene: &impl Fn(&Expression) -> Option<&'s Scene<'s>>,
    ) -> Result<(), Refusal> {
        let to = &line.to;
        let about_realm = line.is_about(subject.realm, subject.realm);
        let about_subject = if subject.own { about_realm } else { line.is_about(subject.issuer, subject.realm) };
        let claims = subject.claims;
        let given = match &line.from {
            RoleSource::Own(from) => {
                if about_realm {
                    self.renamed.entry(from.clone()).or_default().insert(to.clone());
                }
                false
            }
            RoleSource::Realm(from) => {
                if about_realm {
                    self.from_realm.entry(from.clone()).or_default().insert(to.clone());
                }
                !subject.own && about_subject && names(claims.get("realm_access"), from)
            }
            RoleSource::Client { client, role } if directory && about_realm => {
                let key = (client.clone(), role.clone());
                self.from_client.entry(key).or_default().insert(to.clone());
                false
            }
            RoleSource::Client { client, role } => {
                let access = claims.get("resource_access").and_then(|access| access.get(client));
                about_subject && names(access, role)
            }
            RoleSource::Group(group) => about_subject && holds(claims.get("groups"), group),
            RoleSource::Scope(_) | RoleSource::When(_) if !about_subject => false,
            RoleSource::Scope(token) if subject.own => {
                let scope = claims.get("scope").and_then(Value::as_str).unwrap_or_default();
                scope.split(' ').any(|one| one == token)
            }
            RoleSource::Scope(token) => {
                let scope = foreign_scope::read(claims).map_err(|error| {
                    let detail = format!("audiences file of {}: roles.map, role {to}, scope: {error}", audience.name);
                    Refusal::new(Reason::RoleMappingFailed, detail)
                })?;
                scope.contains(token.as_str())
            }
            RoleSource::When(expression) => match scene(expression) {
                None => false,
                Some(scene) => expression.holds_in(scene).map_err(|error| {
                    let detail = format!("audiences file of {}: roles.map, role {to}, when: {error}", audience.name);
                    Refusal::new(Reason::RoleMappingFailed, detail)
                })?,
            },
        };
        if given {
            self.given.insert(to.clone());
        }
        Ok(())
    }

    /// The audience's roles in the new token. Each rule reads the roles that the identity provider issued or holds, not the
    /// result of another rule.
    pub fn apply(&self, issued: &RoleNames) -> BTreeSet<String> {
        let mut roles = self.given.clone();
        for role in issued.clients.get(&self.audience).into_iter().flatten() {
            match self.renamed.get(role) {
                Some(renamed) => roles.extend(renamed.iter().cloned()),
                None if self.own => {
                    roles.insert(role.clone());
                }
                None => {}
            }
        }
        for realm_role in &issued.realm {
            roles.extend(self.from_realm.get(realm_role).into_iter().flatten().cloned());
        }
        for ((client, role), to) in &self.from_client {
            if issued.clients.get(client).is_some_and(|roles| roles.contains(role)) {
                roles.extend(to.iter().cloned());
            }
        }
        roles.extend(self.fixed.iter().cloned());
        if roles.is_empty() { self.default.clone() } else { roles }
    }

    /// Whether the new token may have this role of the audience.
    pub fn allows(&self, role: &str) -> bool {
        let named = self.renamed.values().chain(self.from_realm.values()).chain(self.from_client.values());
        self.own
            || [&self.given, &self.fixed, &self.default].iter().any(|roles| roles.contains(role))
            || named.into_iter().any(|roles| roles.contains(role))
    }
}

/// Whether `{"roles": […]}` has the role. Another shape has no roles.
fn names(access: Option<&Value>, role: &str) -> bool {
    holds(access.and_then(|access| access.get("roles")), role)
}

/// Whether a list has the text.
fn holds(list: Option<&Value>, text: &str) -> bool {
    list.and_then(Value::as_array).is_some_and(|list| list.iter().any(|one| one.as_str() == Some(text)))
}

#[cfg(test)]
mod tests;
