//! The roles of the subject before and after, and the rule that each of them comes from.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::explanation::{Role, Roles};
use crate::judgement::policy::contract::Contract;
use crate::judgement::policy::roles::RoleNames;
use crate::judgement::policy::roles::terms::RoleTerms;

/// The roles in the subject token, and those that the new token has if the identity provider issues the same ones.
pub(super) fn roles(contract: &Contract, claims: &Map<String, Value>) -> Roles {
    let before = RoleNames::read(claims).unwrap_or_default();
    // Roles in another issuer's token belong to that issuer.
    let issued = if contract.provenance.is_of_realm() { before.clone() } else { RoleNames::default() };
    let realm = issued.realm.intersection(&contract.realm_roles);
    let mut after: Vec<_> = realm.map(|role| Role { role: realm_role(role), from: "roles.realm".to_owned() }).collect();
    for terms in &contract.roles {
        let sources = sources(terms, &issued);
        after.extend(terms.apply(&issued).into_iter().map(|role| {
            let from = sources.get(&role).cloned().unwrap_or_default();
            Role { role: client_role(&terms.audience, &role), from }
        }));
    }
    let of_clients =
        before.clients.iter().flat_map(|(client, roles)| roles.iter().map(|role| client_role(client, role)));
    let before: BTreeSet<_> = before.realm.iter().map(|role| realm_role(role)).chain(of_clients).collect();
    Roles { before, after }
}

fn realm_role(role: &str) -> String {
    format!("realm: {role}")
}

fn client_role(client: &str, role: &str) -> String {
    format!("{client}: {role}")
}

/// The rule that gives each role. If several do, the first in this order.
fn sources(terms: &RoleTerms, issued: &RoleNames) -> BTreeMap<String, String> {
    let mut sources = BTreeMap::new();
    let mut add = |role: &str, from: String| {
        sources.entry(role.to_owned()).or_insert(from);
    };
    let own = issued.clients.get(&terms.audience);
    for role in own.into_iter().flatten() {
        match terms.renamed.get(role) {
            Some(names) => {
                for name in names {
                    add(name, format!("roles.map, the own role {role}"));
                }
            }
            None => add(role, "roles.own".to_owned()),
        }
    }
    for (from, to) in terms.from_realm.iter().filter(|(from, _)| issued.realm.contains(*from)) {
        for role in to {
            add(role, format!("roles.map, the realm role {from}"));
        }
    }
    for ((client, from), to) in &terms.from_client {
        for role in to {
            add(role, format!("roles.map, the role {from} of {client}"));
        }
    }
    for role in &terms.given {
        add(role, "roles.map, a rule about the subject token".to_owned());
    }
    for role in &terms.fixed {
        add(role, "roles.static".to_owned());
    }
    for role in &terms.default {
        add(role, "roles.default".to_owned());
    }
    sources
}
