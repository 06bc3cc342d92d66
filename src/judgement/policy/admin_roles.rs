//! The roles that make a user an administrator, whom nobody may impersonate.

use std::collections::{BTreeMap, BTreeSet};

use super::roles::RoleNames;

/// The value of `realms.*.adminRoles` if the configuration has none.
pub const DEFAULT: [&str; 3] = ["realm:admin", "realm:create-realm", "client:realm-management/*"];

/// The roles of `realms.*.adminRoles`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminRoles {
    realm: BTreeSet<String>,
    clients: BTreeMap<String, OfClient>,
}

/// Which roles of a client count.
#[derive(Clone, Debug, PartialEq, Eq)]
enum OfClient {
    Any,
    Named(BTreeSet<String>),
}

/// A text that names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be realm:ROLE, client:ID/ROLE or client:ID/*")]
pub struct NoRole;

impl AdminRoles {
    /// No roles, for adding some.
    fn none() -> Self {
        Self { realm: BTreeSet::new(), clients: BTreeMap::new() }
    }

    /// Reads texts.
    ///
    /// # Errors
    /// The positions of the texts that name no role.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, Vec<usize>> {
        let mut roles = Self::none();
        let wrong: Vec<usize> = texts
            .into_iter()
            .enumerate()
            .filter_map(|(place, text)| roles.add(text).is_err().then_some(place))
            .collect();
        if wrong.is_empty() { Ok(roles) } else { Err(wrong) }
    }

    fn add(&mut self, text: &str) -> Result<(), NoRole> {
        if let Some(role) = text.strip_prefix("realm:") {
            self.realm.insert(named(role)?.to_owned());
            return Ok(());
        }
        let rest = text.strip_prefix("client:").ok_or(NoRole)?;
        if let Some(client) = rest.strip_suffix("/*") {
            self.clients.insert(named(client)?.to_owned(), OfClient::Any);
            return Ok(());
        }
        // Ids and roles may contain slashes, so any slash may be the separator. Protecting too many roles is safe.
        let mut parts = rest.match_indices('/').map(|(at, _)| (&rest[..at], &rest[at + 1..])).peekable();
        if parts.peek().is_none() {
            return Err(NoRole);
        }
        let mut added = false;
        for (client, role) in parts {
            let (Ok(client), Ok(role)) = (named(client), named(role)) else { continue };
            added = true;
            let known = self.clients.entry(client.to_owned());
            if let OfClient::Named(roles) = known.or_insert_with(|| OfClient::Named(BTreeSet::new())) {
                roles.insert(role.to_owned());
            }
        }
        if added { Ok(()) } else { Err(NoRole) }
    }

    /// Whether a user's effective roles include one of these roles.
    pub fn names(&self, roles: &RoleNames) -> bool {
        let of_client = |client: &String, held: &BTreeSet<String>| match self.clients.get(client) {
            None => false,
            Some(OfClient::Any) => !held.is_empty(),
            Some(OfClient::Named(names)) => !names.is_disjoint(held),
        };
        !self.realm.is_disjoint(&roles.realm) || roles.clients.iter().any(|(client, held)| of_client(client, held))
    }

    /// The clients whose roles must be known, in alphabetical order.
    pub fn clients(&self) -> impl Iterator<Item = &str> {
        self.clients.keys().map(String::as_str)
    }

    /// Whether the realm roles must be known.
    pub fn looks_at_realm(&self) -> bool {
        !self.realm.is_empty()
    }
}

impl Default for AdminRoles {
    fn default() -> Self {
        let mut roles = Self::none();
        for text in DEFAULT {
            // A test checks that each text can be read.
            let _ = roles.add(text);
        }
        roles
    }
}

/// A name without characters of patterns.
fn named(name: &str) -> Result<&str, NoRole> {
    let odd = |letter: char| letter == '*' || letter.is_control();
    if name.is_empty() || name.trim() != name || name.contains(odd) { Err(NoRole) } else { Ok(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(realm: &[&str], clients: &[(&str, &[&str])]) -> RoleNames {
        let set = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
        let clients = clients.iter().map(|(client, names)| ((*client).to_owned(), set(names))).collect();
        RoleNames { realm: set(realm), clients }
    }

    #[test]
    fn administrators_are_found_by_each_kind_of_text() {
        for (name, texts, held, expected) in [
            ("nothing held", &["realm:admin"][..], roles(&[], &[]), false),
            ("realm role", &["realm:admin"], roles(&["user", "admin"], &[]), true),
            ("another case is another role", &["realm:admin"], roles(&["Admin"], &[]), false),
            ("a client's role of that name", &["realm:admin"], roles(&[], &[("api", &["admin"])]), false),
            ("any of a client", &["client:api/*"], roles(&[], &[("api", &["reader"])]), true),
            ("none of a client", &["client:api/*"], roles(&[], &[("api", &[])]), false),
            ("any of another client", &["client:api/*"], roles(&[], &[("api2", &["reader"])]), false),
            ("one of a client", &["client:api/admin"], roles(&[], &[("api", &["admin"])]), true),
            ("another of it", &["client:api/admin"], roles(&[], &[("api", &["reader"])]), false),
            ("a realm role of that name", &["client:api/admin"], roles(&["admin"], &[]), false),
            ("one, then any", &["client:api/admin", "client:api/*"], roles(&[], &[("api", &["x"])]), true),
            ("any, then one", &["client:api/*", "client:api/admin"], roles(&[], &[("api", &["x"])]), true),
            ("an id with slashes", &["client:https://a/b/*"], roles(&[], &[("https://a/b", &["x"])]), true),
            ("slashes in id", &["client:a/b/c"], roles(&[], &[("a/b", &["c"])]), true),
            ("slashes in role", &["client:a/b/c"], roles(&[], &[("a", &["b/c"])]), true),
        ] {
            let admin = AdminRoles::parse(texts.iter().copied()).unwrap();
            assert_eq!(admin.names(&held), expected, "{name}");
        }
    }

    #[test]
    fn what_names_no_role_is_told_by_its_place() {
        for text in [
            "",
            "admin",
            "realm:",
            "realm:*",
            "realm: a",
            "client:",
            "client:a",
            "client:a/",
            "client:/a",
            "client:*/a",
            "client:*/*",
            "client:a/b*",
            "group:a",
        ] {
            assert_eq!(AdminRoles::parse(["realm:a", text]), Err(vec![1]), "{text}");
        }
    }

    #[test]
    fn the_default_is_the_realms_administration() {
        let default = AdminRoles::default();
        assert_eq!(AdminRoles::parse(DEFAULT), Ok(default.clone()));
        assert_eq!(default.clients().collect::<Vec<_>>(), ["realm-management"]);
        assert!(default.looks_at_realm());
        assert!(default.names(&roles(&["create-realm"], &[])));
        assert!(default.names(&roles(&[], &[("realm-management", &["view-users"])])));
        assert!(!default.names(&roles(&["offline_access"], &[("account", &["manage-account"])])));
    }
}
