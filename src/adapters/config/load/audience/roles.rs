//! `roles` of an audience file.

use std::collections::BTreeSet;

use super::{Issuances, name, names};
use crate::adapters::config::file::audience as file;
use crate::adapters::config::file::issuer::Realm;
use crate::adapters::config::load::issuers::expression;
use crate::adapters::config::load::platform::{all, optional};
use crate::adapters::config::load::problem::{At, Report};
use crate::judgement::policy::claim_names::ClaimClass;
use crate::judgement::policy::model::{Issuance, RoleMapping, RoleOutput, RoleRules, RoleSource};
use crate::words::oauth::names::Names;

/// The flat claim's name, unless the file has another (RFC 9068 section 2.2.3.1).
const CLAIM: &str = "roles";

pub(super) fn roles(
    file: &file::Roles,
    issuances: &Issuances<'_>,
    placed: Option<(&str, &Realm)>,
    at: &At<'_>,
    report: &mut Report,
) -> Option<RoleRules> {
    for (key, roles) in [("realm", &file.realm), ("static", &file.fixed), ("default", &file.default)] {
        for (index, role) in roles.iter().enumerate() {
            name(role, &at.field(key).item(index), report);
        }
    }
    if !issuances.sign() {
        let output = file.output != file::RoleClaims::Keycloak;
        for (key, used) in [
            ("map", !file.map.is_empty()),
            ("static", !file.fixed.is_empty()),
            ("default", !file.default.is_empty()),
            ("output", output),
        ] {
            if used {
                at.field(key)
                    .problem(report, "needs `issuance: reissue`: a forwarded token can't be changed");
            }
        }
    }
    if !file.fixed.is_empty() && !file.default.is_empty() {
        at.field("default").problem(report, "never comes to pass: every token has the roles of `static`");
    }
    let map_at = at.field("map");
    let map = all(file
        .map
        .iter()
        .enumerate()
        .map(|(index, mapping)| self::mapping(mapping, placed, &map_at.item(index), report)));
    Some(RoleRules {
        own: file.own,
        realm: set(&file.realm),
        map: map?,
        fixed: set(&file.fixed),
        default: set(&file.default),
        output: output(file, at, report)?,
        directory: directory(file, issuances, placed, &at.field("source"), report),
    })
}

fn set(names: &[String]) -> BTreeSet<String> {
    names.iter().cloned().collect()
}

fn mapping(
    file: &file::RoleMapping,
    placed: Option<(&str, &Realm)>,
    at: &At<'_>,
    report: &mut Report,
) -> Option<RoleMapping> {
    name(&file.to, &at.field("to"), report);
    let from = match (&file.from, &file.when) {
        (Some(from), None) => source(from, &at.field("from"), report),
        (None, Some(when)) => expression(when, &at.field("when"), report).map(RoleSource::When),
        _ => {
            at.problem(report, "must have exactly one of `from` and `when`");
            None
        }
    };
    let issuers_at = at.field("issuers");
    let issuers = optional(file.issuers.as_ref(), |list| {
        if let Some((own, realm)) = placed {
            for (index, issuer) in list.iter().enumerate().filter(|(_, one)| *one != "*") {
                if !realm.subject_issuers.contains(issuer) {
                    let message = format!("{issuer:?} is not among realms.{own}.subjectIssuers");
                    issuers_at.item(index).problem(report, message);
                }
            }
        }
        names(list, "every issuer", &issuers_at, report)
    })?;
    let from = from?;
    let realm_only = |names: &Names| match (names, placed) {
        (Names::Listed(names), Some((own, _))) => names.iter().all(|name| name == own),
        (Names::Any, _) => false,
        (Names::Listed(_), None) => true,
    };
    if matches!(from, RoleSource::Own(_)) && !issuers.as_ref().is_none_or(realm_only) {
        issuers_at.problem(
            report,
            "a role of the audience itself stands in the realm's own tokens only; for one in a foreign token write \
             `from: \"client:ID/ROLE\"`",
        );
    }
    Some(RoleMapping { from, to: file.to.clone(), issuers })
}

fn source(from: &str, at: &At<'_>, report: &mut Report) -> Option<RoleSource> {
    let (kind, rest) = from.split_once(':').unwrap_or(("", from));
    let source = match kind {
        "realm" => RoleSource::Realm(rest.to_owned()),
        "group" => RoleSource::Group(rest.to_owned()),
        "scope" => RoleSource::Scope(rest.to_owned()),
        "client" => {
            let Some((client, role)) = rest.split_once('/') else {
                at.problem(report, "must be client:ID/ROLE");
                return None;
            };
            name(client, at, report);
            name(role, at, report);
            return Some(RoleSource::Client { client: client.to_owned(), role: role.to_owned() });
        }
        _ => RoleSource::Own(from.to_owned()),
    };
    let rest = if matches!(source, RoleSource::Own(_)) { from } else { rest };
    name(rest, at, report);
    if matches!(source, RoleSource::Scope(_)) && rest.contains(' ') {
        at.problem(report, "is no scope token (RFC 6749 section 3.3)");
    }
    Some(source)
}

fn output(file: &file::Roles, at: &At<'_>, report: &mut Report) -> Option<RoleOutput> {
    let flat = file.output != file::RoleClaims::Keycloak;
    let keycloak = file.output != file::RoleClaims::Claim;
    let at = at.field("claim");
    match &file.claim {
        Some(_) if !flat => {
            at.problem(report, "needs `output: claim` or `both`");
            None
        }
        Some(claim) => {
            name(claim, &at, report);
            let class = ClaimClass::of(claim);
            if class.is_reserved() && class != ClaimClass::OtherRoles || class == ClaimClass::Login {
                at.problem(report, format!("{claim:?} says something else in a token"));
                return None;
            }
            Some(RoleOutput { keycloak, claim: Some(claim.clone()) })
        }
        None => Some(RoleOutput { keycloak, claim: flat.then(|| CLAIM.to_owned()) }),
    }
}

fn directory(
    file: &file::Roles,
    issuances: &Issuances<'_>,
    placed: Option<(&str, &Realm)>,
    at: &At<'_>,
    report: &mut Report,
) -> bool {
    let wanted = file.source == file::RoleOrigin::Directory;
    if wanted && !issuances.have(Issuance::Mint) {
        at.problem(report, "needs `issuance: mint`: otherwise the upstream sees to the roles");
    }
    if let Some((own, realm)) = placed
        && wanted
        && realm.directory.is_none()
    {
        at.problem(report, format!("set realms.{own}.directory in cambio.yaml"));
    }
    wanted
}
