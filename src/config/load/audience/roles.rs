//! `roles` of an audience file.

use super::{Issuances, name};
use crate::config::file::audience as file;
use crate::config::load::issuers::expression;
use crate::config::load::platform::all;
use crate::config::load::problem::{At, Report};
use crate::policy::model::{RoleMapping, RoleRules, RoleSource};

pub(super) fn roles(
    file: &file::Roles,
    issuances: &Issuances<'_>,
    at: &At<'_>,
    report: &mut Report,
) -> Option<RoleRules> {
    for (index, role) in file.realm.iter().enumerate() {
        name(role, &at.field("realm").item(index), report);
    }
    let map_at = at.field("map");
    if !issuances.sign() && !file.map.is_empty() {
        map_at.problem(report, "needs `issuance: reissue`: a forwarded token can't be changed");
    }
    let map = all(file.map.iter().enumerate().map(|(index, mapping)| {
        let at = map_at.item(index);
        name(&mapping.to, &at.field("to"), report);
        let from = match (&mapping.from, &mapping.when) {
            (Some(from), None) => role_source(from, &at.field("from"), report),
            (None, Some(when)) => expression(when, &at.field("when"), report).map(RoleSource::When),
            _ => {
                at.problem(report, "must have exactly one of `from` and `when`");
                None
            }
        };
        Some(RoleMapping { from: from?, to: mapping.to.clone() })
    }));
    Some(RoleRules { own: file.own, realm: file.realm.iter().cloned().collect(), map: map? })
}

fn role_source(from: &str, at: &At<'_>, report: &mut Report) -> Option<RoleSource> {
    let source = match from.strip_prefix("realm:") {
        Some(role) => RoleSource::Realm(role.to_owned()),
        None => RoleSource::Own(from.to_owned()),
    };
    let (RoleSource::Realm(role) | RoleSource::Own(role)) = &source else { return None };
    name(role, at, report);
    Some(source)
}
