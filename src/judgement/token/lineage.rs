//! What a token that Cambio signed depends on at the identity provider, and whether that has ended.
//!
//! The identity provider does not know the token. So its user, session and client are looked up, with the rules by which
//! Keycloak judges its own tokens.

use serde_json::{Map, Value};

use crate::judgement::policy::claim_names::{DERIVED_FROM, SUBJECT_ISSUER};

/// What a token depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenLineage<'t> {
    /// The user, and whoever impersonates them. Empty if the subject is another issuer's.
    pub users: Vec<LineageUser<'t>>,
    /// The client that the token was issued to.
    pub client: &'t str,
    /// When the realm issued the first token from which this one came, in seconds since the epoch.
    pub issued: i64,
}

/// A user of the realm on whom a token depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineageUser<'t> {
    /// The `sub`.
    pub subject: &'t str,
    /// The `sid`; `None` if the token belongs to no session, for instance a service account's.
    pub session: Option<&'t str>,
}

/// A user or a client at the identity provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether it is enabled.
    pub enabled: bool,
    /// Tokens that were issued before this time are not valid. 0: all are.
    pub not_before: i64,
}

/// What the identity provider says about a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserFacts {
    /// The user; `None` if they do not exist.
    pub standing: Option<Standing>,
    /// Whether the token's session goes on, if it belongs to one.
    pub in_session: bool,
}

/// What the identity provider says about everything that a token depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineageFacts {
    /// The realm's own not-before.
    pub realm_not_before: i64,
    /// The client; `None` if the identity provider has no such client.
    pub client: Option<Standing>,
    /// The users, in the order of [`TokenLineage::users`].
    pub users: Vec<UserFacts>,
}

impl<'t> TokenLineage<'t> {
    /// Reads the claims of a token that Cambio signed. `None`: they do not say what the token depends on.
    pub fn of(claims: &'t Map<String, Value>) -> Option<Self> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let client = text("azp").or_else(|| text("client_id"))?;
        let mut issued = claims.get("iat")?.as_i64()?;
        let mut users = Vec::new();
        if !claims.contains_key(SUBJECT_ISSUER) {
            users.push(LineageUser { subject: text("sub")?, session: text("sid") });
        }
        if let Some(derived) = claims.get(DERIVED_FROM) {
            let text = |name: &str| derived.get(name).and_then(Value::as_str);
            issued = derived.get("iat").and_then(Value::as_i64).map_or(issued, |first| first.min(issued));
            users.extend(text("sub").map(|subject| LineageUser { subject, session: text("sid") }));
        }
        Some(Self { users, client, issued })
    }

    /// What has ended, if anything has. The identity provider need not know a client that Cambio authenticates itself
    /// (`is_registered`), but its word counts if it does.
    pub fn ended(&self, facts: &LineageFacts, is_registered: bool) -> Option<&'static str> {
        let stale = |not_before: i64| self.issued < not_before;
        if stale(facts.realm_not_before) {
            return Some("the realm's not-before is later than the token");
        }
        match facts.client {
            None if !is_registered => return Some("the client does not exist any more"),
            Some(Standing { enabled: false, .. }) => return Some("the client is disabled"),
            Some(client) if stale(client.not_before) => return Some("the client's not-before is later than the token"),
            None | Some(_) => {}
        }
        if facts.users.len() != self.users.len() {
            return Some("nothing is known about the user");
        }
        facts.users.iter().find_map(|user| match user.standing {
            None => Some("the user does not exist any more"),
            Some(Standing { enabled: false, .. }) => Some("the user is disabled"),
            Some(standing) if stale(standing.not_before) => Some("the user's not-before is later than the token"),
            Some(_) if !user.in_session => Some("the user's session has ended"),
            Some(_) => None,
        })
    }
}

#[cfg(test)]
mod tests;
