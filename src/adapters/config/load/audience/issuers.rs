//! The issuers of a permission's subject tokens.

use std::collections::BTreeSet;

use super::names::{Home, names};
use crate::adapters::config::load::problem::{At, ProblemList};
use crate::judgement::policy::model::Issuance;
use crate::words::oauth::names::Names;

/// The subject issuers of a permission: issuers that the realm trusts and whose tokens the issuance exchanges.
pub(super) fn issuers(
    list: Option<&[String]>,
    issuance: Issuance,
    home: Option<Home<'_>>,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<Names> {
    match (list, home) {
        (Some(list), None) => names(list, "every issuer", at, report),
        (None, None) => None,
        (None, Some(home)) => by_default(issuance, home, at, report),
        (Some(list), Some(home)) => listed(list, issuance, home, at, report),
    }
}

fn by_default(issuance: Issuance, home: Home<'_>, at: &At<'_>, report: &mut ProblemList) -> Option<Names> {
    let own = home.name;
    if !issuance.takes(true) {
        at.problem(report, "is missing: translate exchanges foreign tokens, so name their issuers");
        return None;
    }
    if !home.trusts(own) {
        let issuers = home.subject_issuers();
        at.problem(report, format!("the default is the realm itself, but {issuers} does not name {own}"));
        return None;
    }
    Some(Names::Listed(BTreeSet::from([own.to_owned()])))
}

fn listed(list: &[String], issuance: Issuance, home: Home<'_>, at: &At<'_>, report: &mut ProblemList) -> Option<Names> {
    let own = home.name;
    for (index, name) in list.iter().enumerate().filter(|(_, name)| *name != "*") {
        let at = at.item(index);
        if !home.trusts(name) {
            at.problem(report, format!("{name:?} is not among {}", home.subject_issuers()));
        } else if !issuance.takes(name == own) {
            let message = if name == own {
                format!("{name:?} is the realm itself: translate exchanges foreign tokens only")
            } else {
                let why = "forward and reissue exchange the realm's own tokens only; use translate or mint";
                format!("{name:?} is a foreign issuer for the realm {own}: {why}")
            };
            at.problem(report, message);
        }
    }
    match names(list, "every issuer", at, report)? {
        Names::Any => everyone(issuance, home, at, report),
        names @ Names::Listed(_) => Some(names),
    }
}

/// All issuers that the realm trusts and whose tokens the issuance exchanges.
fn everyone(issuance: Issuance, home: Home<'_>, at: &At<'_>, report: &mut ProblemList) -> Option<Names> {
    let trusted = home.realm.subject_issuers.iter();
    let all: BTreeSet<String> = trusted.filter(|name| issuance.takes(*name == home.name)).cloned().collect();
    if all.is_empty() {
        let tokens = if issuance.takes(true) { "the realm's own" } else { "foreign" };
        let message = format!(
            "means nobody: {} exchanges {tokens} tokens, and {} has no issuer of such tokens",
            issuance.as_str(),
            home.subject_issuers()
        );
        at.problem(report, message);
        return None;
    }
    Some(Names::Listed(all))
}
