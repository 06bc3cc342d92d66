//! `delegation` of a permission.

use std::collections::BTreeSet;

use super::names::{Home, names};
use crate::adapters::config::file::audience::permission as file;
use crate::adapters::config::load::problem::{At, ProblemList, optional};
use crate::adapters::config::load::value::expression_about;
use crate::judgement::expression::Other;
use crate::judgement::policy::model::{ActorRule, Delegation, Issuance};
use crate::words::oauth::names::Names;

pub(super) fn delegation(
    file: &file::Delegation,
    issuance: Issuance,
    home: Option<Home<'_>>,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<Delegation> {
    if !issuance.signs() {
        at.problem(
            report,
            "is not possible with `issuance: forward`: the upstream ignores the actor, so whoever relies on the actor \
             would be deceived; use reissue, translate or mint",
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
                at.field(key).problem(report, "is about actor tokens, which `actor: forbidden` refuses");
            }
        }
    } else if file.without_may_act && file.condition.is_none() {
        at.field("withoutMayAct").problem(
            report,
            "needs a condition that says who may act, such as actor.azp == 'gateway': the subject token does not say",
        );
    }
    let issuers = issuers(file.issuers.as_deref(), home, &at.field("issuers"), report);
    let condition = optional(file.condition.as_ref(), |source| {
        expression_about(source, &[Other::Actor], &at.field("condition"), report)
    });
    Some(Delegation {
        actor,
        issuers: issuers?,
        condition: condition?,
        without_may_act: file.without_may_act,
        depth: usize::try_from(file.depth).ok()?,
    })
}

/// The issuers of actor tokens: issuers that the realm trusts, or the realm itself.
fn issuers(file: Option<&[String]>, home: Option<Home<'_>>, at: &At<'_>, report: &mut ProblemList) -> Option<Names> {
    let Some(home) = home else {
        return file.and_then(|list| names(list, "every issuer", at, report));
    };
    let own = home.name;
    let Some(list) = file else {
        return Some(Names::Listed(BTreeSet::from([own.to_owned()])));
    };
    for (index, name) in list.iter().enumerate().filter(|(_, name)| *name != "*") {
        if name != own && !home.trusts(name) {
            at.item(index).problem(report, format!("{name:?} is not among {}", home.subject_issuers()));
        }
    }
    match names(list, "every issuer", at, report)? {
        Names::Any => Some(Names::Listed(home.realm.subject_issuers.iter().cloned().collect())),
        listed @ Names::Listed(_) => Some(listed),
    }
}
