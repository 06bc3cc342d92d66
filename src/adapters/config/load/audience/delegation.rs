//! `delegation` and `impersonation` of a permission.

use std::collections::BTreeSet;

use super::names;
use crate::adapters::config::file::audience as file;
use crate::adapters::config::file::issuer::Realm;
use crate::adapters::config::load::issuers::expression_about;
use crate::adapters::config::load::platform::optional;
use crate::adapters::config::load::problem::{At, ProblemList};
use crate::adapters::config::load::value::number;
use crate::judgement::expression::Other;
use crate::judgement::policy::delegation::MAX_DEPTH;
use crate::judgement::policy::model::{ActorRule, Delegation, Impersonation, Issuance};
use crate::words::oauth::names::Names;

pub(super) fn delegation(
    file: &file::Delegation,
    issuance: Issuance,
    realm: Option<(&str, &Realm)>,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<Delegation> {
    if !issuance.signs() {
        at.problem(
            report,
            "can't be had with `issuance: forward`: the upstream ignores the actor, so who relies on it would be \
             deceived; use reissue, translate or mint",
        );
    }
    let actor = match file.actor {
        file::ActorRule::Required => ActorRule::Required,
        file::ActorRule::Optional => ActorRule::Optional,
        file::ActorRule::Forbidden => ActorRule::Forbidden,
    };
    if actor == ActorRule::Forbidden {
        for (key, used) in [
            ("issuers", file.issuers.is_some()),
            ("condition", file.condition.is_some()),
            ("withoutMayAct", file.without_may_act),
        ] {
            if used {
                at.field(key).problem(report, "is about actor tokens, which `actor: forbidden` keeps out");
            }
        }
    } else if file.without_may_act && file.condition.is_none() {
        at.field("withoutMayAct").problem(
            report,
            "needs a condition that says who may act, such as actor.azp == 'gateway': the subject token does not",
        );
    }
    let issuers = issuers(file.issuers.as_deref(), realm, &at.field("issuers"), report);
    let condition = optional(file.condition.as_ref(), |source| {
        expression_about(source, &[Other::Actor], &at.field("condition"), report)
    });
    let depth = u64::try_from(MAX_DEPTH).unwrap_or(u64::MAX);
    let depth = number(file.depth, 1..=depth, &at.field("depth"), report);
    Some(Delegation {
        actor,
        issuers: issuers?,
        condition: condition?,
        without_may_act: file.without_may_act,
        depth: depth?,
    })
}

/// Whose tokens may be actor tokens: issuers that the realm trusts, or the realm itself.
fn issuers(
    file: Option<&[String]>,
    realm: Option<(&str, &Realm)>,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<Names> {
    let Some((own, realm)) = realm else {
        return file.and_then(|list| names(list, "every issuer", at, report));
    };
    let Some(list) = file else {
        return Some(Names::Listed(BTreeSet::from([own.to_owned()])));
    };
    for (index, name) in list.iter().enumerate().filter(|(_, name)| *name != "*") {
        if name != own && !realm.subject_issuers.contains(name) {
            at.item(index).problem(report, format!("{name:?} is not among realms.{own}.subjectIssuers"));
        }
    }
    match names(list, "every issuer", at, report)? {
        Names::Any => Some(Names::Listed(realm.subject_issuers.iter().cloned().collect())),
        listed @ Names::Listed(_) => Some(listed),
    }
}

pub(super) fn impersonation(
    file: &file::Impersonation,
    issuance: Issuance,
    directory: bool,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<Impersonation> {
    if issuance != Issuance::Mint {
        at.problem(report, "needs `issuance: mint`: the upstream exchanges a token for its own subject only");
    }
    if !directory {
        at.problem(
            report,
            "needs `source: directory` under roles: the subject token has the roles of somebody else",
        );
    }
    let who = expression_about(&file.who, &[], &at.field("who"), report);
    let whom = expression_about(&file.whom, &[Other::Requested], &at.field("whom"), report);
    Some(Impersonation { who: who?, whom: whom? })
}

/// Impersonation is within the realm: who may become one of its users is one of them.
pub(super) fn realm_only(issuers: &Names, own: &str, at: &At<'_>, report: &mut ProblemList) {
    let foreign = match issuers {
        Names::Any => true,
        Names::Listed(names) => names.iter().any(|name| name != own),
    };
    if foreign {
        at.problem(
            report,
            format!("is within the realm: the permission's issuers may be {own} only, and no other"),
        );
    }
}
