//! Reads the roles in a token without verification: the story prints them, no decision depends on them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// Realm roles and client roles.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ShownRoles {
    pub(super) realm: Vec<String>,
    pub(super) clients: BTreeMap<String, Vec<String>>,
}

impl ShownRoles {
    /// Reads the claims of a JWT.
    pub(super) fn of_token(token: &str) -> Option<Self> {
        let claims = part(token, 1)?;
        let clients = claims.get("resource_access").and_then(Value::as_object).into_iter().flatten();
        Some(Self {
            realm: claims.get("realm_access").map(roles).unwrap_or_default(),
            clients: clients.map(|(client, held)| (client.clone(), roles(held))).collect(),
        })
    }

    /// Whether a client's role is there.
    pub(super) fn has(&self, client: &str, role: &str) -> bool {
        self.clients.get(client).is_some_and(|roles| roles.iter().any(|held| held == role))
    }

    /// Whether exactly these roles of one client are there, and no realm role.
    pub(super) fn only(&self, client: &str, roles: &[&str]) -> bool {
        self.realm.is_empty() && self.clients.len() == 1 && self.clients.get(client).is_some_and(|r| r == roles)
    }
}

/// The key id in a JWT's header.
pub(super) fn kid(token: &str) -> Option<String> {
    part(token, 0)?.get("kid")?.as_str().map(str::to_owned)
}

/// A textual claim of a JWT; empty if it has none.
pub(super) fn claim(token: &str, name: &str) -> String {
    let text = |claims: Value| Some(claims.get(name)?.as_str()?.to_owned());
    part(token, 1).and_then(text).unwrap_or_default()
}

/// The claims of a JWT; null if it is none.
pub(super) fn claims(token: &str) -> Value {
    part(token, 1).unwrap_or_default()
}

fn roles(holder: &Value) -> Vec<String> {
    let names = holder.get("roles").and_then(Value::as_array).into_iter().flatten();
    names.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn part(token: &str, index: usize) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(index)?).ok()?).ok()
}
