//! One permission of V1, answered for every client of the realm.
//!
//! The server asks its policies about the *client* that wants to exchange, not about the user: a client policy compares
//! the client, a role policy looks at its service account. If a policy is not understood, the answer is unknown, and an
//! unknown answer grants nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::export::{Authorization, ExportedClient, ExportedPolicy, ExportedRealm};
use super::finding::quoted_names;

/// Deepest nesting of aggregated policies that is followed.
const DEPTH: usize = 8;

/// What V1 says about one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum V1Answer {
    Granted,
    Denied,
    /// The answer depends on something that is not understood, for these reasons.
    Unknown(BTreeSet<String>),
}

/// One permission, answered for every client that it does not refuse: client id → answer.
#[derive(Default)]
pub(super) struct V1Grant {
    pub(super) permission: String,
    pub(super) clients: BTreeMap<String, V1Answer>,
}

impl V1Grant {
    /// The clients that are certainly allowed.
    pub(super) fn allowed(&self) -> impl Iterator<Item = &str> {
        self.clients.iter().filter_map(|(client, answer)| (*answer == V1Answer::Granted).then_some(client.as_str()))
    }
}

/// What a permission must be about.
pub(super) struct About {
    pub(super) resource: String,
    pub(super) kind: &'static str,
    pub(super) scope: &'static str,
}

impl About {
    /// The exchange for or of this resource.
    pub(super) fn exchange(kind: &'static str, resource: String) -> Self {
        Self { resource, kind, scope: "token-exchange" }
    }
}

/// Evaluates permissions as the server does.
pub(super) struct Evaluator<'a> {
    pub(super) realm: &'a ExportedRealm,
    pub(super) settings: &'a Authorization,
}

impl Evaluator<'_> {
    /// Answers one permission for all clients.
    pub(super) fn grant(&self, permission: &ExportedPolicy, about: &About) -> V1Grant {
        let doubt = self.doubt(permission, about);
        let answers = self.realm.clients.iter().map(|client| {
            let answer = match &doubt {
                Some(reason) => unknown(reason.clone()),
                None => self.applied(permission, client, 0),
            };
            (client.name.clone(), answer)
        });
        let clients = answers.filter(|(_, answer)| *answer != V1Answer::Denied).collect();
        V1Grant { permission: permission.name.clone(), clients }
    }

    /// Why the permission is not as Keycloak itself makes it.
    fn doubt(&self, permission: &ExportedPolicy, about: &About) -> Option<String> {
        let only = |key: &str, value: &str| permission.list(key).is_some_and(|list| list == [value]);
        if permission.kind != "scope"
            || permission.logic.as_deref() != Some("POSITIVE")
            || !only("resources", &about.resource)
            || !only("scopes", about.scope)
        {
            return Some(format!("the permission {:?} was changed by hand", permission.name));
        }
        if self.settings.resources.iter().filter(|one| one.name == about.resource).count() != 1 {
            return Some(format!("its resource {:?} is not in the export once", about.resource));
        }
        let mut others = self.settings.policies.iter().filter(|one| !std::ptr::eq(*one, permission));
        others
            .find(|other| also_decides(other, about))
            .map(|other| format!("the permission {:?} also decides", other.name))
    }

    /// Evaluates the policies that a permission or an aggregated policy applies.
    fn applied(&self, policy: &ExportedPolicy, client: &ExportedClient, depth: usize) -> V1Answer {
        if !policy.has("applyPolicies") {
            return V1Answer::Denied;
        }
        match policy.list("applyPolicies") {
            Some(names) if names.is_empty() => V1Answer::Denied,
            Some(names) => {
                let answers: Vec<_> = names.iter().map(|name| self.policy(name, client, depth)).collect();
                combine(policy, &answers)
            }
            None => unknown(format!("{:?}: what it applies is not understood", policy.name)),
        }
    }

    /// Evaluates one policy, given its name.
    fn policy(&self, name: &str, client: &ExportedClient, depth: usize) -> V1Answer {
        let Some(policy) = the_only(self.settings.policies.iter().filter(|one| one.name == name)) else {
            return unknown(format!("the policy {name:?} is not in the export once"));
        };
        let answer = match policy.kind.as_str() {
            "client" => self.client_policy(policy, client),
            "aggregate" if depth >= DEPTH => unknown(format!("the policies of {name:?} are nested too deep")),
            // Keycloak would not save an empty one, so nobody knows what it would answer.
            "aggregate"
                if !policy.has("applyPolicies") || policy.list("applyPolicies").is_some_and(|all| all.is_empty()) =>
            {
                unknown(format!("the aggregated policy {name:?} applies none"))
            }
            "aggregate" => self.applied(policy, client, depth + 1),
            "role" => unknown(self.role_policy(policy)),
            "group" => unknown(self.group_policy(policy)),
            kind => unknown(format!("the {} policy {name:?}: {}", quiet(kind), why(kind))),
        };
        match (policy.logic.as_deref(), answer) {
            (Some("POSITIVE"), answer) => answer,
            (Some("NEGATIVE"), V1Answer::Granted) => V1Answer::Denied,
            (Some("NEGATIVE"), V1Answer::Denied) => V1Answer::Granted,
            (Some("NEGATIVE"), doubt) => doubt,
            _ => unknown(format!("the policy {name:?} has a logic that is not understood")),
        }
    }

    /// What a person needs to know about a role policy. No client is listed for the roles that it has today: roles change,
    /// and come through groups and other roles.
    fn role_policy(&self, policy: &ExportedPolicy) -> String {
        let names = policy.named_by("roles", &["id"]);
        let holders: Vec<_> = names.iter().flat_map(|name| self.realm.with_role(name)).collect();
        format!(
            "the role policy {:?} asks for the roles of the client's service account, not of the user (given directly \
             to: {}); list the clients that have them",
            policy.name,
            nobody_or(&holders)
        )
    }

    /// What a person needs to know about a group policy. As for roles, no client is listed for the groups of today.
    fn group_policy(&self, policy: &ExportedPolicy) -> String {
        let below =
            policy.value("groups").list().iter().any(|group| group.get("extendChildren") == Some(&Json::Bool(true)));
        let groups = policy.named_by("groups", &["path", "id", "name"]);
        let members: Vec<_> = groups.iter().flat_map(|group| self.realm.in_group(group, below)).collect();
        let by_claim = match policy.text("groupsClaim") {
            Some(claim) if !claim.is_empty() => format!(" and of the claim {claim:?} of its token"),
            _ => String::new(),
        };
        format!(
            "the group policy {:?} asks for the groups ({}) of the client's service account{by_claim}, not of the user (direct \
             members: {}); list the clients that you mean, or write a `condition` about the user's groups",
            policy.name,
            quoted_names(groups.iter().map(String::as_str)),
            nobody_or(&members)
        )
    }

    /// Evaluates a list of client names; older exports have ids. A text that is the name of one client and the id of
    /// another names nobody.
    fn client_policy(&self, policy: &ExportedPolicy, client: &ExportedClient) -> V1Answer {
        let known = |name: &String| {
            let meant = |one: &&ExportedClient| one.name == *name || !name.is_empty() && one.id == *name;
            the_only(self.realm.clients.iter().filter(meant)).is_some()
        };
        match policy.list("clients") {
            Some(names) if !names.is_empty() && names.iter().all(known) => {
                let has = names.iter().any(|name| client.name == *name || client.id == *name);
                if has { V1Answer::Granted } else { V1Answer::Denied }
            }
            _ => unknown(format!(
                "the client policy {:?} names no client, or one that the export does not have once",
                policy.name
            )),
        }
    }
}

/// Whether another permission takes part in the decision.
fn also_decides(other: &ExportedPolicy, about: &About) -> bool {
    let has = |key: &str, value: &str| match (other.has(key), other.list(key)) {
        (false, _) => None,
        // An empty list names nothing, as if it were absent.
        (true, Some(list)) if list.is_empty() => None,
        (true, Some(list)) => Some(list.iter().any(|one| one == value)),
        // Not understood: it might be one of them.
        (true, None) => Some(true),
    };
    let typed = other.about_type(about.kind);
    let about_it = match has("resources", &about.resource) {
        Some(named) => named || typed == Some(true),
        // Without resources and without a type, it might be about everything.
        None => typed.unwrap_or(true) || matches!(other.kind.as_str(), "scope" | ""),
    };
    // A policy without a type might be a permission.
    let permits = matches!(other.kind.as_str(), "scope" | "resource" | "uma" | "");
    permits && about_it && has("scopes", about.scope).unwrap_or(true)
}

/// Applies the decision strategy. Measured on a server, CONSENSUS refused a majority of two to one in one case and allowed
/// it in another. Only one thing is certain: without any consent it refuses.
fn combine(policy: &ExportedPolicy, answers: &[V1Answer]) -> V1Answer {
    let any = |wanted: &V1Answer| answers.contains(wanted);
    let mut reasons: BTreeSet<String> = answers
        .iter()
        .filter_map(|one| match one {
            V1Answer::Unknown(reasons) => Some(reasons),
            _ => None,
        })
        .flatten()
        .cloned()
        .collect();
    match policy.decision_strategy.as_deref() {
        Some("UNANIMOUS") if any(&V1Answer::Denied) => V1Answer::Denied,
        Some("UNANIMOUS") if reasons.is_empty() => V1Answer::Granted,
        Some("AFFIRMATIVE") if any(&V1Answer::Granted) => V1Answer::Granted,
        Some("AFFIRMATIVE") if reasons.is_empty() => V1Answer::Denied,
        Some("UNANIMOUS" | "AFFIRMATIVE") => V1Answer::Unknown(reasons),
        _ if !any(&V1Answer::Granted) && reasons.is_empty() => V1Answer::Denied,
        _ => {
            reasons.insert(format!("{:?} decides by consensus, or with an unknown strategy", policy.name));
            V1Answer::Unknown(reasons)
        }
    }
}

/// Why a type of policy is not carried over.
fn why(kind: &str) -> &'static str {
    match kind {
        "user" => "V1 asks about the client's service account, not about the user of the token",
        "js" | "script" => "a script can't be read",
        "time" => "a permission has no first day and no hours; write its last day as `expires`",
        "unenforced" => "the operator does not enforce its object",
        "client-scope" => "write the scopes that may be requested as `scopes`",
        "regex" => "write it as a `condition` over claims",
        _ => "this type is not understood",
    }
}

/// The type of a policy, if it is a word.
fn quiet(kind: &str) -> &str {
    let word = kind.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if word && kind.len() <= 40 { kind } else { "unknown" }
}

fn nobody_or(clients: &[&str]) -> String {
    if clients.is_empty() { "nobody".to_owned() } else { quoted_names(clients.iter().copied()) }
}

fn unknown(reason: String) -> V1Answer {
    V1Answer::Unknown(BTreeSet::from([reason]))
}

/// The item, if there is exactly one.
pub(super) fn the_only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    items.next().filter(|_| items.next().is_none())
}
