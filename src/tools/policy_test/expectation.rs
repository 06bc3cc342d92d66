//! What a test expects.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::edge::explain::explanation::{Explanation, Granted};

/// What must be decided. What a test does not state can be anything.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Expectation {
    /// Whether the request is allowed.
    allowed: bool,
    /// The reason of the refusal.
    reason: Option<String>,
    /// All of the new token's roles of the requested audiences, and no others.
    roles: Option<BTreeSet<String>>,
    /// All of the new token's realm roles, and no others.
    realm_roles: Option<BTreeSet<String>>,
    /// The granted scope tokens, in any order.
    scope: Option<String>,
    /// How the token is made.
    issuance: Option<String>,
    /// The longest lifetime.
    lifetime: Option<SignedDuration>,
    /// Whether a refresh token comes with the token.
    refresh_token: Option<bool>,
    /// `sub`, `act`, `may_act`, `cnf` and claims of `token.set` that the new token must have; `null`: must not have.
    #[serde(default)]
    claims: Map<String, Value>,
}

impl Expectation {
    /// What is otherwise, a line each.
    pub(super) fn differences(&self, found: &Explanation) -> Vec<String> {
        let mut differences = Vec::new();
        let outcome = |allowed, reason: Option<&str>| match (allowed, reason) {
            (true, _) => "allowed".to_owned(),
            (false, Some(reason)) => format!("refused with {reason}"),
            (false, None) => "refused".to_owned(),
        };
        let is_other_reason = self.reason.is_some() && self.reason != found.reason;
        if self.allowed != found.allowed || is_other_reason {
            let expected = outcome(self.allowed, self.reason.as_deref());
            let detail = found.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
            let got = outcome(found.allowed, found.reason.as_deref());
            differences.push(format!("expected {expected}, got {got}{detail}"));
        }
        if let Some(granted) = &found.granted {
            self.compare(granted, &mut differences);
        }
        if let Some(roles) = &found.roles {
            let names = |of_realm: bool| -> BTreeSet<String> {
                let split = roles.after.iter().filter_map(|role| role.role.split_once(": "));
                split.filter(|(whose, _)| (*whose == "realm") == of_realm).map(|(_, name)| name.to_owned()).collect()
            };
            compare("roles", self.roles.as_ref().map(list), &list(&names(false)), &mut differences);
            compare("realmRoles", self.realm_roles.as_ref().map(list), &list(&names(true)), &mut differences);
        }
        differences
    }

    fn compare(&self, granted: &Granted, differences: &mut Vec<String>) {
        let scope = |text: &str| list(&text.split_whitespace().map(str::to_owned).collect());
        let found_scope = granted.scope.as_ref().unwrap_or(&String::new()).clone();
        compare("scope", self.scope.as_deref().map(scope), &scope(&found_scope), differences);
        compare("issuance", self.issuance.clone(), &granted.issuance, differences);
        let seconds = |seconds: i64| format!("{seconds} s");
        let lifetime = self.lifetime.map(|lifetime| seconds(lifetime.as_secs()));
        compare("lifetime", lifetime, &seconds(granted.lifetime), differences);
        compare(
            "refreshToken",
            self.refresh_token.map(|one| one.to_string()),
            &granted.refresh_token.to_string(),
            differences,
        );
        let sub = granted.sub.clone().map(Value::String);
        for (name, expected) in &self.claims {
            let found = match name.as_str() {
                "sub" => sub.as_ref(),
                "act" => granted.act.as_ref(),
                "may_act" => granted.may_act.as_ref(),
                "cnf" => granted.cnf.as_ref(),
                name => granted.set.get(name),
            };
            let found = found.cloned().unwrap_or_default();
            compare(&format!("claim {name}"), Some(expected.to_string()), &found.to_string(), differences);
        }
    }
}

fn compare(what: &str, expected: Option<String>, found: &str, differences: &mut Vec<String>) {
    if let Some(expected) = expected.filter(|expected| expected != found) {
        differences.push(format!("{what}: expected {expected}, got {found}"));
    }
}

fn list(names: &BTreeSet<String>) -> String {
    format!("[{}]", names.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
}
