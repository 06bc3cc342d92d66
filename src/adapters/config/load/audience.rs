//! Audience files.

mod delegation;
mod impersonation;
mod issuances;
mod issuers;
mod names;
mod permission;
mod roles;
mod token;

use std::collections::{BTreeMap, BTreeSet};

use self::issuances::{Issuances, issuance};
use self::names::{Context, Home};
use super::problem::{At, ProblemList, all};
use crate::adapters::config::file::audience as file;
use crate::adapters::config::file::realm::Realm;
use crate::judgement::expression::Expression;
use crate::judgement::policy::model::{Audience, Issuance, Permission, SubjectRule};
use crate::words::oauth::names::Names;

/// An audience and the name of its realm.
pub(super) struct Placed {
    pub(super) realm: String,
    pub(super) audience: Audience,
}

/// What audience files refer to in `cambio.yaml`; `None` if it could not be read, or not be checked.
#[derive(Clone, Copy)]
pub(super) struct Main<'a> {
    pub(super) realms: Option<&'a BTreeMap<String, Realm>>,
    /// The local names of foreign subjects, by issuer.
    pub(super) usernames: Option<&'a BTreeMap<String, Expression>>,
}

/// Checks one file.
pub(super) fn audience(file: &file::Audience, main: Main<'_>, at: &At<'_>, report: &mut ProblemList) -> Option<Placed> {
    let home = home(file, main, &at.field("realm"), report);
    let issuances = Issuances::of(file, at);
    issuances.check(home, report);
    let permissions_at = at.field("permissions");
    if file.permissions.is_empty() {
        permissions_at.warning(report, "no permission: every exchange for this audience is refused");
    }
    let permissions = all(file.permissions.iter().enumerate().map(|(index, one)| {
        let issuance = issuance(one.issuance.unwrap_or(file.issuance));
        let directory = file.roles.source == file::roles::RoleOrigin::Directory;
        permission::permission(one, Context { issuance, directory, home }, &permissions_at.item(index), report)
    }));
    if let Some(home) = home {
        still_active(file, home, &permissions_at, report);
    }
    let roles = roles::roles(&file.roles, &issuances, home, &at.field("roles"), report);
    let output = roles.as_ref().map(|roles| &roles.output);
    let token = token::token(&file.token, &issuances, output, &at.field("token"), report);
    if let (Some(permissions), Some(token), Some(home)) = (&permissions, &token, home) {
        let foreign = foreign(permissions, home.name);
        subjects(&foreign, token.subject, main, &at.field("token").field("subject"), report);
    }
    Some(Placed {
        realm: home?.name.to_owned(),
        audience: Audience {
            name: file.audience.clone(),
            owner: file.owner.trim().to_owned(),
            resources: file.resources.iter().cloned().collect(),
            permissions: permissions?,
            roles: roles?,
            token: token?,
            issuance: issuance(file.issuance),
        },
    })
}

/// To ask whether a token is still active, Cambio needs a client of its own, and the realm must know the token.
fn still_active(file: &file::Audience, home: Home<'_>, at: &At<'_>, report: &mut ProblemList) {
    let name = home.name;
    for (index, one) in file.permissions.iter().enumerate().filter(|(_, one)| one.still_active) {
        let at = at.item(index).field("stillActive");
        if home.realm.introspection.is_none() {
            at.problem(report, format!("needs realms.{name}.introspection in cambio.yaml"));
        }
        if one.issuers.iter().flatten().any(|issuer| issuer != name) {
            let way = format!(
                "the realm {name} can answer only for its own tokens: put other issuers into a permission without stillActive"
            );
            at.problem(report, way);
        }
    }
}

/// The foreign issuers for whose subjects tokens are minted.
fn foreign<'p>(permissions: &'p [Permission], own: &str) -> BTreeSet<&'p String> {
    let mints = permissions.iter().filter(|one| one.issuance == Some(Issuance::Mint));
    let listed = mints.filter_map(|one| match &one.issuers {
        Names::Listed(names) => Some(names),
        Names::Any => None,
    });
    listed.flatten().filter(|name| *name != own).collect()
}

/// The subjects of minted tokens: `mapped` needs a mapping for each issuer, and `keep` a warning.
fn subjects(foreign: &BTreeSet<&String>, rule: SubjectRule, main: Main<'_>, at: &At<'_>, report: &mut ProblemList) {
    match rule {
        SubjectRule::Keep if !foreign.is_empty() => at.warning(
            report,
            "keep: a foreign issuer's subject keeps its sub, which may be equal to the sub of somebody else in the realm",
        ),
        SubjectRule::Mapped => {
            let unmapped = |name: &str| main.usernames.is_some_and(|all| !all.contains_key(name));
            for name in foreign.iter().filter(|name| unmapped(name)) {
                at.problem(report, format!("mapped: set issuers.{name}.claimMappings.username in cambio.yaml"));
            }
        }
        SubjectRule::Keep | SubjectRule::Qualified => {}
    }
}

fn home<'a>(file: &file::Audience, main: Main<'a>, at: &At<'_>, report: &mut ProblemList) -> Option<Home<'a>> {
    // If there is no realm at all, that is a problem of cambio.yaml.
    let realms = main.realms.filter(|realms| !realms.is_empty())?;
    let found = match &file.realm {
        Some(name) => realms.get_key_value(name),
        None => realms.first_key_value().filter(|_| realms.len() == 1),
    };
    if let Some((name, realm)) = found {
        return Some(Home { name, realm });
    }
    match &file.realm {
        None => at.problem(report, "is missing: cambio.yaml has more than one realm"),
        Some(name) => {
            let known = realms.keys().cloned().collect::<Vec<_>>().join(", ");
            at.problem(report, format!("{name:?} is not a realm of cambio.yaml, which has {known}"));
        }
    }
    None
}
