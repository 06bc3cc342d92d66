//! Roles in Keycloak's claims, and which of them a token for an audience has.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::policy::expression::Scene;
use crate::policy::model::{Audience, Issuance, RoleSource};
use crate::policy::reason::{Reason, Refusal};

/// The roles that a token names: `realm_access.roles` and `resource_access.{client}.roles`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// Realm roles.
    pub realm: BTreeSet<String>,
    /// Client roles by client id. No client has an empty set.
    pub clients: BTreeMap<String, BTreeSet<String>>,
}

/// The role rules of one audience for one request: expressions over the subject token are already decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleTerms {
    /// The client whose roles these are.
    pub audience: String,
    /// The audience's own client roles stay.
    pub own: bool,
    /// Own role → what it is renamed to.
    pub renamed: BTreeMap<String, BTreeSet<String>>,
    /// Realm role → own role that it brings.
    pub from_realm: BTreeMap<String, BTreeSet<String>>,
    /// Own roles that an expression gave.
    pub given: BTreeSet<String>,
}

impl Roles {
    /// Reads both claims. Absent ones are empty; anything that is not Keycloak's shape is an error, because a resource
    /// server might still read a role there.
    pub fn read(claims: &Map<String, Value>) -> Result<Self, Refusal> {
        let realm = claims.get("realm_access").map(access).transpose()?.unwrap_or_default();
        let mut clients = BTreeMap::new();
        if let Some(resource_access) = claims.get("resource_access") {
            let by_client = resource_access.as_object().ok_or_else(unreadable)?;
            for (client, roles) in by_client {
                let roles = access(roles)?;
                if !roles.is_empty() {
                    clients.insert(client.clone(), roles);
                }
            }
        }
        Ok(Self { realm, clients })
    }

    /// Writes both claims anew; an empty one is absent.
    pub fn write(&self, claims: &mut Map<String, Value>) {
        claims.remove("realm_access");
        claims.remove("resource_access");
        if !self.realm.is_empty() {
            claims.insert("realm_access".to_owned(), roles_member(&self.realm));
        }
        if !self.clients.is_empty() {
            let by_client: Map<_, _> =
                self.clients.iter().map(|(client, roles)| (client.clone(), roles_member(roles))).collect();
            claims.insert("resource_access".to_owned(), Value::Object(by_client));
        }
    }
}

impl RoleTerms {
    /// The rules of an audience's file as they apply to this subject token. Mappings belong to reissue: what we only
    /// forward, we can't change.
    pub fn resolve<'s>(
        audience: &Audience,
        issuance: Issuance,
        scene: impl Fn() -> &'s Scene,
    ) -> Result<Self, Refusal> {
        let mut terms = Self {
            audience: audience.name.clone(),
            own: audience.roles.own,
            renamed: BTreeMap::new(),
            from_realm: BTreeMap::new(),
            given: BTreeSet::new(),
        };
        if issuance == Issuance::Forward {
            return Ok(terms);
        }
        for mapping in &audience.roles.map {
            let to = mapping.to.clone();
            match &mapping.from {
                RoleSource::Own(from) => {
                    terms.renamed.entry(from.clone()).or_default().insert(to);
                }
                RoleSource::Realm(from) => {
                    terms.from_realm.entry(from.clone()).or_default().insert(to);
                }
                RoleSource::When(expression) => match expression.holds_in(scene()) {
                    Ok(true) => {
                        terms.given.insert(to);
                    }
                    Ok(false) => {}
                    Err(error) => {
                        let detail = format!(
                            "audiences file of {}: roles.map, role {to}, when: {error}",
                            audience.name
                        );
                        return Err(Refusal::new(Reason::RoleMappingFailed, detail));
                    }
                },
            }
        }
        Ok(terms)
    }

    /// The audience's roles in the new token. Each rule looks at what the identity provider issued, not at what another
    /// rule made of it.
    pub fn apply(&self, issued: &Roles) -> BTreeSet<String> {
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
        roles
    }

    /// Whether the contract leaves room for this role of the audience.
    pub fn allows(&self, role: &str) -> bool {
        self.own
            || self.given.contains(role)
            || self.renamed.values().chain(self.from_realm.values()).any(|roles| roles.contains(role))
    }
}

/// `{"roles": […]}`
fn access(value: &Value) -> Result<BTreeSet<String>, Refusal> {
    match value.as_object().ok_or_else(unreadable)?.get("roles") {
        None => Ok(BTreeSet::new()),
        Some(roles) => roles
            .as_array()
            .ok_or_else(unreadable)?
            .iter()
            .map(|role| role.as_str().map(str::to_owned).ok_or_else(unreadable))
            .collect(),
    }
}

fn roles_member(roles: &BTreeSet<String>) -> Value {
    let roles = roles.iter().cloned().map(Value::String).collect();
    Value::Object(Map::from_iter([("roles".to_owned(), Value::Array(roles))]))
}

fn unreadable() -> Refusal {
    Refusal::new(Reason::AnswerRoles, "realm_access or resource_access is not of Keycloak's shape")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(roles: &[&str]) -> BTreeSet<String> {
        roles.iter().map(|&role| role.to_owned()).collect()
    }

    fn read(claims: &Value) -> Result<Roles, Refusal> {
        Roles::read(claims.as_object().unwrap())
    }

    #[test]
    fn reads_keycloaks_shape_and_nothing_else() {
        let roles = read(&json!({
            "realm_access": {"roles": ["a"]}, "resource_access": {"x": {"roles": ["b"]}, "empty": {"roles": []}}
        }));
        let clients = BTreeMap::from([("x".to_owned(), set(&["b"]))]);
        assert_eq!(roles, Ok(Roles { realm: set(&["a"]), clients }));
        assert_eq!(read(&json!({})), Ok(Roles::default()));
        for (name, claims) in [
            ("realm_access is a list", json!({"realm_access": ["a"]})),
            ("roles is a text", json!({"realm_access": {"roles": "a"}})),
            ("a role is a number", json!({"realm_access": {"roles": [1]}})),
            ("resource_access is a list", json!({"resource_access": []})),
            ("a client is null", json!({"resource_access": {"x": null}})),
        ] {
            assert_eq!(read(&claims).unwrap_err().reason, Reason::AnswerRoles, "{name}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        let claims =
            json!({"realm_access": {"roles": ["a"]}, "resource_access": {"x": {"roles": ["b", "c"]}}});
        let mut written = Map::from_iter([("realm_access".to_owned(), json!("stale"))]);
        read(&claims).unwrap().write(&mut written);
        assert_eq!(Value::Object(written), claims);
    }

    #[test]
    fn rules_look_at_the_issued_roles_only() {
        let to = |role: &str| set(&[role]);
        let terms = RoleTerms {
            audience: "api".to_owned(),
            own: true,
            renamed: BTreeMap::from([("a".to_owned(), to("b")), ("b".to_owned(), to("c"))]),
            from_realm: BTreeMap::from([("auditor".to_owned(), to("reader"))]),
            given: to("given"),
        };
        let issued = |own: &[&str], realm: &[&str]| Roles {
            realm: set(realm),
            clients: BTreeMap::from([("api".to_owned(), set(own)), ("other".to_owned(), set(&["admin"]))]),
        };
        for (name, own, realm, expected) in [
            ("a rename is not renamed again", &["a"][..], &[][..], &["b", "given"][..]),
            ("an own role stays", &["d"], &[], &["d", "given"]),
            ("a realm role brings one", &[], &["auditor", "admin"], &["given", "reader"]),
        ] {
            assert_eq!(terms.apply(&issued(own, realm)), set(expected), "{name}");
        }
        let terms = RoleTerms { own: false, ..terms };
        assert_eq!(terms.apply(&issued(&["a", "d"], &[])), set(&["b", "given"]), "own roles do not stay");
        assert!(terms.allows("b") && terms.allows("reader") && terms.allows("given") && !terms.allows("d"));
    }
}
