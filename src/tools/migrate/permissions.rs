//! Who was allowed what, by the permissions of V1 as the server evaluates them.
//!
//! The server asks its policies about the *client* that wants to exchange, not about the user: a client policy compares
//! it, a role policy looks at its service account. So a permission is answered for each client of the realm, and where a
//! policy is not understood the answer is unknown, which grants nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::export::{Authorization, Client, Policy, Realm};

/// Deepest nesting of aggregated policies that is followed.
const DEPTH: usize = 8;

/// What V1 says about one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Granted,
    Denied,
    /// It depends on what is not understood, for these reasons.
    Unknown(BTreeSet<String>),
}

/// One permission, answered for every client that it does not refuse: client id → answer.
#[derive(Default)]
pub(super) struct Grant {
    pub(super) permission: String,
    pub(super) clients: BTreeMap<String, Answer>,
}

impl Grant {
    /// The clients that are certainly allowed.
    pub(super) fn allowed(&self) -> impl Iterator<Item = &str> {
        self.clients
            .iter()
            .filter_map(|(client, answer)| (*answer == Answer::Granted).then_some(client.as_str()))
    }
}

/// What the realm's permissions grant.
#[derive(Default)]
pub(super) struct Grants {
    /// Audience → who may exchange for it.
    pub(super) audiences: BTreeMap<String, Grant>,
    /// Alias of an identity provider → who may exchange its tokens.
    pub(super) providers: BTreeMap<String, Grant>,
    /// Who may impersonate.
    pub(super) impersonation: Option<Grant>,
    /// Whether users are asked, too, before they are impersonated.
    pub(super) users_restricted: bool,
    /// Permissions about what the export does not have.
    pub(super) orphans: Vec<String>,
    /// Why no permission of the realm counts.
    pub(super) void: Option<&'static str>,
}

/// Answers every permission about token exchange and impersonation for every client.
pub(super) fn judge(realm: &Realm) -> Grants {
    let mut grants = Grants::default();
    let Some(settings) = realm.management() else {
        grants.void = Some("the export has no permissions of V1 (no client had \"Permissions\" switched on)");
        return grants;
    };
    grants.void = void(realm, settings);
    if grants.void.is_some() {
        return grants;
    }
    let court = Court { realm, settings };
    for permission in &settings.policies {
        let name = permission.name.as_str();
        if let Some(id) = name.strip_prefix("token-exchange.permission.client.") {
            let Some(client) = the_only(realm.clients.iter().filter(|one| one.id == id)) else {
                grants.orphans.push(name.to_owned());
                continue;
            };
            let about =
                About { resource: format!("client.resource.{id}"), kind: "Client", scope: "token-exchange" };
            grants.audiences.insert(client.name.clone(), court.grant(permission, &about));
        } else if let Some(id) = name.strip_prefix("token-exchange.permission.idp.") {
            let Some(provider) =
                the_only(realm.identity_providers.iter().filter(|one| one.internal_id == id))
            else {
                grants.orphans.push(name.to_owned());
                continue;
            };
            let about = About {
                resource: format!("idp.resource.{id}"),
                kind: "IdentityProvider",
                scope: "token-exchange",
            };
            grants.providers.insert(provider.alias.clone(), court.grant(permission, &about));
        } else if name == "admin-impersonating.permission.users" {
            let about = About { resource: "Users".to_owned(), kind: "Users", scope: "impersonate" };
            grants.impersonation = Some(court.grant(permission, &about));
        } else if name == "user-impersonated.permission.users" {
            grants.users_restricted = permission.config.contains_key("applyPolicies");
        } else if permission.list("scopes").is_some_and(|all| all.iter().any(|one| one == "token-exchange")) {
            grants.orphans.push(name.to_owned());
        }
    }
    grants.orphans.sort();
    grants
}

/// Why nothing that is written there is in force, as far as is known.
fn void(realm: &Realm, settings: &Authorization) -> Option<&'static str> {
    if !realm.enabled {
        Some("the realm is disabled: it allows nothing")
    } else if realm.admin_permissions_enabled {
        Some("the realm uses the fine-grained admin permissions V2, which know no token exchange")
    } else if settings.policy_enforcement_mode.as_deref() != Some("ENFORCING") {
        Some("the policy enforcement mode of realm-management is not ENFORCING")
    } else {
        None
    }
}

/// What a permission must be about.
struct About {
    resource: String,
    kind: &'static str,
    scope: &'static str,
}

struct Court<'a> {
    realm: &'a Realm,
    settings: &'a Authorization,
}

impl Court<'_> {
    /// One permission for all clients.
    fn grant(&self, permission: &Policy, about: &About) -> Grant {
        let doubt = self.doubt(permission, about);
        let answers = self.realm.clients.iter().map(|client| {
            let answer = match &doubt {
                Some(reason) => unknown(reason.clone()),
                None => self.applied(permission, client, 0),
            };
            (client.name.clone(), answer)
        });
        let clients = answers.filter(|(_, answer)| *answer != Answer::Denied).collect();
        Grant { permission: permission.name.clone(), clients }
    }

    /// Why the permission is not what Keycloak itself makes of it.
    fn doubt(&self, permission: &Policy, about: &About) -> Option<String> {
        let only = |key: &str, value: &str| permission.list(key).is_some_and(|list| list == [value]);
        if permission.kind != "scope"
            || permission.logic.as_deref() != Some("POSITIVE")
            || !only("resources", &about.resource)
            || !only("scopes", about.scope)
        {
            return Some(format!("the permission {:?} was changed by hand", permission.name));
        }
        if self.settings.resources.iter().filter(|one| one.name == about.resource).count() != 1 {
            return Some(format!("its resource {:?} is not there once", about.resource));
        }
        let mut others = self.settings.policies.iter().filter(|one| !std::ptr::eq(*one, permission));
        others
            .find(|other| also_decides(other, about))
            .map(|other| format!("the permission {:?} decides, too", other.name))
    }

    /// The policies that a permission or an aggregated policy applies.
    fn applied(&self, policy: &Policy, client: &Client, depth: usize) -> Answer {
        if !policy.config.contains_key("applyPolicies") {
            return Answer::Denied;
        }
        match policy.list("applyPolicies") {
            Some(names) if names.is_empty() => Answer::Denied,
            Some(names) => {
                let answers: Vec<_> = names.iter().map(|name| self.policy(name, client, depth)).collect();
                combine(policy, &answers)
            }
            None => unknown(format!("{:?}: what it applies is not understood", policy.name)),
        }
    }

    /// One policy by its name.
    fn policy(&self, name: &str, client: &Client, depth: usize) -> Answer {
        let Some(policy) = the_only(self.settings.policies.iter().filter(|one| one.name == name)) else {
            return unknown(format!("the policy {name:?} is not in the export once"));
        };
        let answer = match policy.kind.as_str() {
            "client" => self.client_policy(policy, client),
            "aggregate" if depth >= DEPTH => unknown(format!("the policies of {name:?} are nested too deep")),
            // An empty one is no policy that Keycloak would save.
            "aggregate" if !policy.config.contains_key("applyPolicies") => {
                unknown(format!("the aggregated policy {name:?} applies none"))
            }
            "aggregate" => self.applied(policy, client, depth + 1),
            "role" => unknown(self.role_policy(policy)),
            kind => unknown(format!("the {} policy {name:?}: {}", quiet(kind), why(kind))),
        };
        match (policy.logic.as_deref(), answer) {
            (Some("POSITIVE"), answer) => answer,
            (Some("NEGATIVE"), Answer::Granted) => Answer::Denied,
            (Some("NEGATIVE"), Answer::Denied) => Answer::Granted,
            (Some("NEGATIVE"), doubt) => doubt,
            _ => unknown(format!("the policy {name:?} has a logic that is not understood")),
        }
    }

    /// What a person needs to know of a role policy. Roles come and go, and through groups and other roles, so nobody is
    /// listed for what he holds today.
    fn role_policy(&self, policy: &Policy) -> String {
        let roles: Vec<Json> = match policy.config.get("roles") {
            Some(Json::String(text)) => serde_json::from_str(text).unwrap_or_default(),
            _ => Vec::new(),
        };
        let names = roles.iter().filter_map(|role| role.get("id")?.as_str());
        let mut holders: Vec<_> =
            names.flat_map(|name| self.realm.with_role(name)).map(|one| format!("{one:?}")).collect();
        holders.sort();
        holders.dedup();
        let holders = if holders.is_empty() { "nobody".to_owned() } else { holders.join(", ") };
        format!(
            "the role policy {:?} asks for the roles of the client's service account, not of the user (given directly \
             to: {holders}); list the clients that have them",
            policy.name
        )
    }

    /// Names of clients; older exports have their ids. A text that could be either, of two clients, is nobody's.
    fn client_policy(&self, policy: &Policy, client: &Client) -> Answer {
        let known = |name: &String| {
            let meant = |one: &&Client| one.name == *name || !name.is_empty() && one.id == *name;
            the_only(self.realm.clients.iter().filter(meant)).is_some()
        };
        match policy.list("clients") {
            Some(names) if !names.is_empty() && names.iter().all(known) => {
                let has = names.iter().any(|name| client.name == *name || client.id == *name);
                if has { Answer::Granted } else { Answer::Denied }
            }
            _ => unknown(format!(
                "the client policy {:?} names no client, or one that the export does not have once",
                policy.name
            )),
        }
    }
}

/// Whether another permission counts for the same decision.
fn also_decides(other: &Policy, about: &About) -> bool {
    let has = |key: &str, value: &str| match (other.config.get(key), other.list(key)) {
        (None, _) => None,
        (Some(_), Some(list)) => Some(list.iter().any(|one| one == value)),
        // Not understood: it might.
        (Some(_), None) => Some(true),
    };
    let typed = other.config.get("defaultResourceType").is_some_and(|kind| kind == about.kind);
    let about_it = match has("resources", &about.resource) {
        Some(named) => named || typed,
        None => typed || other.kind == "scope",
    };
    let permits = matches!(other.kind.as_str(), "scope" | "resource" | "uma");
    permits && about_it && has("scopes", about.scope).unwrap_or(true)
}

/// The decision strategies. CONSENSUS was measured to refuse a majority of two to one in one case and to allow it in another,
/// so nothing is certain of it but that nobody's consent is none.
fn combine(policy: &Policy, answers: &[Answer]) -> Answer {
    let any = |wanted: &Answer| answers.contains(wanted);
    let mut reasons: BTreeSet<String> = answers
        .iter()
        .filter_map(|one| match one {
            Answer::Unknown(reasons) => Some(reasons),
            _ => None,
        })
        .flatten()
        .cloned()
        .collect();
    match policy.decision_strategy.as_deref() {
        Some("UNANIMOUS") if any(&Answer::Denied) => Answer::Denied,
        Some("UNANIMOUS") if reasons.is_empty() => Answer::Granted,
        Some("AFFIRMATIVE") if any(&Answer::Granted) => Answer::Granted,
        Some("AFFIRMATIVE") if reasons.is_empty() => Answer::Denied,
        Some("UNANIMOUS" | "AFFIRMATIVE") => Answer::Unknown(reasons),
        _ if !any(&Answer::Granted) && reasons.is_empty() => Answer::Denied,
        _ => {
            reasons.insert(format!("{:?} decides by consensus, or in a way that is not known", policy.name));
            Answer::Unknown(reasons)
        }
    }
}

/// Why a kind of policy is not carried over.
fn why(kind: &str) -> &'static str {
    match kind {
        "role" => {
            "V1 asks for the roles of the client's service account, not of the user; list the clients that have them"
        }
        "user" => "V1 asks about the client's service account, not about the user whose token it is",
        "group" => "V1 asks for the groups of the client's service account, not of the user",
        "js" | "script" => "a script can't be read",
        "time" => "a permission has no beginning and no hours; write its last day as `expires`",
        "client-scope" => "write the scopes that may be asked for as `scopes`",
        "regex" => "write what it looks for as a `condition` over claims",
        _ => "this type is not understood",
    }
}

/// The type of a policy, as far as it is a word.
fn quiet(kind: &str) -> &str {
    let word = kind.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if word && kind.len() <= 40 { kind } else { "unknown" }
}

fn unknown(reason: String) -> Answer {
    Answer::Unknown(BTreeSet::from([reason]))
}

/// The item, where there is exactly one.
fn the_only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    items.next().filter(|_| items.next().is_none())
}
