//! Audience files.

mod delegation;
mod permission;
mod roles;
mod token;

use std::collections::{BTreeMap, BTreeSet};

use super::platform::all;
use super::problem::{At, ProblemList};
use crate::adapters::config::file::audience as file;
use crate::adapters::config::file::issuer::Realm;
use crate::judgement::expression::Expression;
use crate::judgement::policy::model::{Audience, Issuance, Permission, SubjectRule};
use crate::words::oauth::names::Names;

/// An audience and the realm that it belongs to.
pub(super) struct Placed {
    pub(super) realm: String,
    pub(super) audience: Audience,
}

/// Checks one file. Without `realms` and `usernames` (they could not be read) what refers to them is not checked.
pub(super) fn audience(
    file: &file::Audience,
    realms: Option<&BTreeMap<String, Realm>>,
    usernames: Option<&BTreeMap<String, Expression>>,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<Placed> {
    name(&file.audience, &at.field("audience"), report);
    if file.owner.trim().is_empty() {
        at.field("owner").problem(report, "is empty: name the team that answers for this file");
    }
    let placed = realm(file, realms, &at.field("realm"), report);
    let issuances = Issuances::of(file, at);
    issuances.check(placed, report);
    let resources = resources(&file.resources, &at.field("resources"), report);
    let permissions_at = at.field("permissions");
    if file.permissions.is_empty() {
        permissions_at.warning(report, "no permission: every exchange for this audience is refused");
    }
    let permissions = all(file.permissions.iter().enumerate().map(|(index, one)| {
        let issuance = issuance(one.issuance.unwrap_or(file.issuance));
        let directory = file.roles.source == file::RoleOrigin::Directory;
        permission::permission(one, (issuance, directory), placed, &permissions_at.item(index), report)
    }));
    if let Some(placed) = placed {
        still_active(file, placed, at, report);
    }
    let roles = roles::roles(&file.roles, &issuances, placed, &at.field("roles"), report);
    let output = roles.as_ref().map(|roles| &roles.output);
    let token = token::token(&file.token, &issuances, output, &at.field("token"), report);
    if let (Some(permissions), Some(token), Some((own, _))) = (&permissions, &token, placed) {
        subjects(permissions, token.subject, (own, usernames), &at.field("token").field("subject"), report);
    }
    Some(Placed {
        realm: placed?.0.to_owned(),
        audience: Audience {
            name: file.audience.clone(),
            owner: file.owner.trim().to_owned(),
            resources: resources?,
            permissions: permissions?,
            roles: roles?,
            token: token?,
            issuance: issuance(file.issuance),
        },
    })
}

/// Asking whether a token is still active needs a client of Cambio's own, and a realm that knows the token.
fn still_active(file: &file::Audience, (name, realm): (&str, &Realm), at: &At<'_>, report: &mut ProblemList) {
    for (index, one) in file.permissions.iter().enumerate().filter(|(_, one)| one.still_active) {
        let at = at.field("permissions").item(index).field("stillActive");
        if realm.introspection.is_none() {
            at.problem(report, format!("needs realms.{name}.introspection in cambio.yaml"));
        }
        if one.issuers.iter().flatten().any(|issuer| issuer != name) {
            let way = format!(
                "only realm {name} can be asked, about its own tokens: put other issuers into a permission without it"
            );
            at.problem(report, way);
        }
    }
}

/// Whom minted tokens are about: mapped needs a mapping at each issuer, and keep a warning.
fn subjects(
    permissions: &[Permission],
    rule: SubjectRule,
    (own, usernames): (&str, Option<&BTreeMap<String, Expression>>),
    at: &At<'_>,
    report: &mut ProblemList,
) {
    let mints = permissions.iter().filter(|one| one.issuance == Some(Issuance::Mint));
    let foreign: BTreeSet<&String> = mints
        .filter_map(|one| match &one.issuers {
            Names::Listed(names) => Some(names),
            Names::Any => None,
        })
        .flatten()
        .filter(|name| *name != own)
        .collect();
    match rule {
        SubjectRule::Keep if !foreign.is_empty() => at.warning(
            report,
            "keep: a subject of a foreign issuer has the sub that it has there, which could be that of somebody else \
             in the realm",
        ),
        SubjectRule::Mapped => {
            for name in foreign.into_iter().filter(|name| usernames.is_some_and(|all| !all.contains_key(*name))) {
                at.problem(report, format!("mapped: set issuers.{name}.claimMappings.username in cambio.yaml"));
            }
        }
        SubjectRule::Keep | SubjectRule::Qualified => {}
    }
}

/// The ways in which a file has tokens made, each with the place that asks for it.
struct Issuances<'a>(Vec<(Issuance, At<'a>)>);

impl<'a> Issuances<'a> {
    fn of(file: &file::Audience, at: &At<'a>) -> Self {
        let permissions = at.field("permissions");
        let own = file.permissions.iter().enumerate().filter_map(|(index, one)| {
            Some((issuance(one.issuance?), permissions.item(index).field("issuance")))
        });
        let by_default =
            file.permissions.is_empty() || file.permissions.iter().any(|one| one.issuance.is_none());
        let default = by_default.then(|| (issuance(file.issuance), at.field("issuance")));
        Self(default.into_iter().chain(own).collect())
    }

    /// Whether one of them is this.
    fn have(&self, issuance: Issuance) -> bool {
        self.0.iter().any(|(one, _)| *one == issuance)
    }

    /// Whether any of them lets us change the token.
    fn sign(&self) -> bool {
        self.0.iter().any(|(issuance, _)| issuance.signs())
    }

    /// Refuses what needs a key and has none, and says what it means to mint.
    fn check(&self, placed: Option<(&str, &Realm)>, report: &mut ProblemList) {
        if let Some((name, realm)) = placed
            && !realm.can_sign()
        {
            for (issuance, at) in self.0.iter().filter(|(issuance, _)| issuance.signs()) {
                let way = format!(
                    "set realms.{name}.signingKeys or signingKey in cambio.yaml, or `issuance: forward` here"
                );
                let message =
                    format!("{} needs a key that the realm does not have: {way}", issuance.as_str());
                at.problem(report, message);
            }
        }
        if let Some((_, at)) = self.0.iter().find(|(issuance, _)| *issuance == Issuance::Mint) {
            at.warning(
                report,
                "mint: Cambio signs in the realm's name, so whoever holds the realm's signing key is the identity \
                 provider for this audience. The upstream is not asked, and a session that has ended there goes \
                 unnoticed, unless the permission says stillActive",
            );
        }
    }
}

fn issuance(written: file::Issuance) -> Issuance {
    match written {
        file::Issuance::Forward => Issuance::Forward,
        file::Issuance::Reissue => Issuance::Reissue,
        file::Issuance::Translate => Issuance::Translate,
        file::Issuance::Mint => Issuance::Mint,
    }
}

fn realm<'a>(
    file: &file::Audience,
    realms: Option<&'a BTreeMap<String, Realm>>,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<(&'a str, &'a Realm)> {
    // No realm at all is a problem of cambio.yaml's.
    let realms = realms.filter(|realms| !realms.is_empty())?;
    match (&file.realm, realms.len()) {
        (None, 1) => realms.first_key_value().map(|(name, realm)| (name.as_str(), realm)),
        (None, _) => {
            at.problem(report, "is missing: cambio.yaml has more than one realm");
            None
        }
        (Some(name), _) => {
            let found = realms.get_key_value(name).map(|(name, realm)| (name.as_str(), realm));
            if found.is_none() {
                let known = realms.keys().cloned().collect::<Vec<_>>().join(", ");
                at.problem(report, format!("{name:?} is no realm of cambio.yaml, which has {known}"));
            }
            found
        }
    }
}

fn resources(values: &[String], at: &At<'_>, report: &mut ProblemList) -> Option<BTreeSet<String>> {
    let checked = all(values.iter().enumerate().map(|(index, value)| {
        let at = at.item(index);
        let scheme = value.split_once(':').map_or("", |(scheme, _)| scheme);
        let letters = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
        let printable = value.bytes().all(|b| b.is_ascii_graphic());
        if scheme.is_empty() || !letters || !printable || value.contains('#') {
            at.problem(
                report,
                format!("{value:?} is no absolute URI without fragment (RFC 8693 section 2.1)"),
            );
            return None;
        }
        Some(value.clone())
    }))?;
    Some(checked.into_iter().collect())
}

/// Names, or `"*"` alone.
fn names(list: &[String], everything: &str, at: &At<'_>, report: &mut ProblemList) -> Option<Names> {
    if list.is_empty() {
        at.problem(report, format!("is empty: write [\"*\"] if you mean {everything}"));
        return None;
    }
    if let Some(star) = list.iter().position(|name| name == "*") {
        if list.len() > 1 {
            at.item(star).problem(report, format!("\"*\" means {everything}: it can't stand beside names"));
            return None;
        }
        at.warning(report, format!("\"*\": {everything}"));
        return Some(Names::Any);
    }
    for (index, one) in list.iter().enumerate() {
        name(one, &at.item(index), report);
    }
    Some(Names::Listed(list.iter().cloned().collect()))
}

fn name(value: &str, at: &At<'_>, report: &mut ProblemList) {
    let spaced = value.chars().any(char::is_control) || value.trim() != value;
    if value.is_empty() || spaced {
        at.problem(report, "must be a name: not empty, no control characters, no spaces around it");
    } else if value.contains('*') {
        at.problem(report, "patterns are not known here: only a list of \"*\" alone means all");
    }
}
