//! Roles in Keycloak's claims, and which of them a token for an audience has.

mod foreign_scope;
pub mod terms;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::judgement::policy::model::RoleOutput;
use crate::words::refusal::{Reason, Refusal};

/// The roles that a token names: `realm_access.roles` and `resource_access.{client}.roles`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleNames {
    /// Realm roles.
    pub realm: BTreeSet<String>,
    /// Client roles by client id. No client has an empty set.
    pub clients: BTreeMap<String, BTreeSet<String>>,
}

impl RoleNames {
    /// Reads both claims. A claim that is absent has no roles. A claim in another shape than Keycloak's is an error, because
    /// a resource server might still read a role there.
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

    /// Replaces Keycloak's role claims with the claims that `output` names. A claim without roles is left out. A flat claim
    /// holds the names of realm roles and client roles, each name once.
    pub fn write(&self, output: &RoleOutput, claims: &mut Map<String, Value>) {
        claims.remove("realm_access");
        claims.remove("resource_access");
        if let Some(claim) = &output.claim {
            let names: BTreeSet<&String> = self.realm.iter().chain(self.clients.values().flatten()).collect();
            if names.is_empty() {
                claims.remove(claim);
            } else {
                let names = names.into_iter().cloned().map(Value::String).collect();
                claims.insert(claim.clone(), Value::Array(names));
            }
        }
        if !output.keycloak {
            return;
        }
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

    fn read(claims: &Value) -> Result<RoleNames, Refusal> {
        RoleNames::read(claims.as_object().unwrap())
    }

    #[test]
    fn reads_keycloaks_shape_and_nothing_else() {
        let roles = read(&json!({
            "realm_access": {"roles": ["a"]}, "resource_access": {"x": {"roles": ["b"]}, "empty": {"roles": []}}
        }));
        let clients = BTreeMap::from([("x".to_owned(), set(&["b"]))]);
        assert_eq!(roles, Ok(RoleNames { realm: set(&["a"]), clients }));
        assert_eq!(read(&json!({})), Ok(RoleNames::default()));
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
        let claims = json!({"realm_access": {"roles": ["a"]}, "resource_access": {"x": {"roles": ["b", "c"]}}});
        let mut written = Map::from_iter([("realm_access".to_owned(), json!("stale"))]);
        read(&claims).unwrap().write(&RoleOutput::default(), &mut written);
        assert_eq!(Value::Object(written), claims);
    }
}
