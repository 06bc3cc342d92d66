//! What no test touches.

use std::collections::BTreeSet;

use crate::edge::explain::explanation::Explanation;
use crate::judgement::policy::model::Audience;
use crate::tools::explain::Gate;

/// What the tests touched, by realm and audience.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    audiences: BTreeSet<(String, String)>,
    /// Permissions that a decision used, as `AUDIENCE permissions[0]`.
    applied: BTreeSet<(String, String)>,
    /// Permissions whose condition was false.
    unmet: BTreeSet<(String, String)>,
    /// Roles of new tokens, as `AUDIENCE: ROLE` or `realm: ROLE`.
    roles: BTreeSet<(String, String)>,
}

impl Coverage {
    /// Adds what a test touched.
    pub(super) fn add(&mut self, explanation: &Explanation) {
        let of_realm = |name: &String| (explanation.realm.clone(), name.clone());
        self.audiences.extend(explanation.audiences.iter().map(of_realm));
        self.applied.extend(explanation.applied.iter().map(of_realm));
        let unmet = explanation.permissions.iter().filter(|one| one.condition_holds == Some(false));
        self.unmet.extend(unmet.map(|one| of_realm(&format!("{} {}", one.audience, one.permission))));
        let roles = explanation.roles.iter().flat_map(|roles| &roles.after);
        self.roles.extend(roles.map(|role| of_realm(&role.role)));
    }

    /// What no test of a tested audience touches, a line each.
    pub(super) fn untested(&self, gate: &Gate) -> Vec<String> {
        let realms = &gate.generation().config.policy.realms;
        let tested = self.audiences.iter().filter_map(|(realm, name)| Some((realm, realms.get(realm)?.get(name)?)));
        tested.flat_map(|(realm, audience)| self.of_audience(realm, audience)).collect()
    }

    fn of_audience(&self, realm: &str, audience: &Audience) -> Vec<String> {
        let mut untested = Vec::new();
        let name = &audience.name;
        for (index, permission) in audience.permissions.iter().enumerate() {
            let place = format!("{name} permissions[{index}]");
            let key = (realm.to_owned(), place.clone());
            if !self.applied.contains(&key) {
                untested.push(format!("{place}: no test is allowed by it"));
            }
            if permission.condition.is_some() && !self.unmet.contains(&key) {
                untested.push(format!("{place}: its condition is false in no test"));
            }
        }
        let own =
            audience.roles.map.iter().map(|line| &line.to).chain(&audience.roles.fixed).chain(&audience.roles.default);
        let own = own.map(|role| format!("{name}: {role}"));
        let roles: BTreeSet<_> = own.chain(audience.roles.realm.iter().map(|role| format!("realm: {role}"))).collect();
        let is_given = |role: &String| self.roles.contains(&(realm.to_owned(), role.clone()));
        untested.extend(
            roles.iter().filter(|role| !is_given(role)).map(|role| format!("{name}: no test gives the role {role}")),
        );
        untested
    }
}
