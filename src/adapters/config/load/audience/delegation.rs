//! `delegation` and `impersonation` of a permission.

use super::context::{Context, Home, names};
use crate::adapters::config::file::audience::permission as file;
use crate::adapters::config::file::realm::GovernedDoor;
use crate::adapters::config::load::problem::At;
use crate::adapters::config::load::value::{expression, expression_about};
use crate::judgement::expression::Other;
use crate::judgement::policy::model::{ActorRule, Delegation, Impersonation, Issuance};
use crate::words::oauth::names::Names;

pub(super) fn delegation(
    file: &file::Delegation,
    issuance: Issuance,
    home: Option<Home<'_>>,
    at: &At<'_>,
) -> Option<Box<Delegation>> {
    if !issuance.signs() {
        at.problem(
            "is not possible with `issuance: forward`: the upstream ignores the actor, so whoever relies on the actor \
             would be deceived; use reissue, translate or mint",
        );
    }
    let actor = ActorRule::from(file.actor);
    if actor == ActorRule::Forbidden {
        let keys = [
            ("issuers", file.issuers.is_some()),
            ("condition", file.condition.is_some()),
            ("withoutMayAct", file.without_may_act),
        ];
        at.unused(&keys, "is about actor tokens, which `actor: forbidden` refuses");
    } else if file.without_may_act && file.condition.is_none() {
        at.field("withoutMayAct").problem(
            "needs a condition that says who may act, such as actor.azp == 'gateway': the subject token does not say",
        );
    }
    let issuers = issuers(file.issuers.as_deref(), home, &at.field("issuers"));
    let condition =
        at.optional("condition", file.condition.as_deref(), |source, at| expression_about(source, &[Other::Actor], at));
    Some(Box::new(Delegation {
        actor,
        issuers: issuers?,
        condition: condition?,
        without_may_act: file.without_may_act,
        depth: usize::try_from(file.depth).ok()?,
    }))
}

/// The issuers of actor tokens: issuers that the realm trusts, or the realm itself.
fn issuers(file: Option<&[String]>, home: Option<Home<'_>>, at: &At<'_>) -> Option<Names> {
    let Some(home) = home else { return names(file?, "every issuer", at) };
    let Some(list) = file else { return Some(home.alone(at.report)) };
    for (at, name) in at.items(list).filter(|(_, name)| *name != home.name && *name != "*" && !home.trusts(name)) {
        at.problem(format!("{name:?} is not among {}", home.subject_issuers()));
    }
    match names(list, "every issuer", at)? {
        Names::Any => Some(Names::Listed(at.report.shared(home.realm.subject_issuers.iter().cloned().collect()))),
        listed @ Names::Listed(_) => Some(listed),
    }
}

pub(super) fn impersonation(
    file: &file::Impersonation,
    context: Context<'_>,
    issuers: Option<&Names>,
    at: &At<'_>,
) -> Option<Box<Impersonation>> {
    at.warning(
        "whoever fulfils `who` can become any user who fulfils `whom`: the tokens name only the impersonated user, and \
         only the audit line names both",
    );
    at.warning(
        "users who administer single users, groups, clients or roles by Keycloak's fine-grained admin permissions (version 2), \
         without a role of adminRoles, are not protected: `whom` must exclude them",
    );
    if let Some(home) = context.home {
        let own = home.name;
        if home.realm.doors.requested_subject != GovernedDoor::Judged {
            at.problem(format!("needs realms.{own}.doors.requestedSubject: judged in cambio.yaml"));
        }
        if issuers.is_some_and(|issuers| !home.only(issuers)) {
            at.problem(format!("is possible within the realm only: the permission's issuers may be only {own}"));
        }
    }
    if context.issuance != Issuance::Mint {
        at.problem("needs `issuance: mint`: the upstream exchanges a token for its own subject only");
    }
    if context.home.is_some_and(|home| home.realm.endpoints.is_some()) {
        let own = context.home.map_or("*", |home| home.name);
        at.problem(format!(
            "needs Keycloak's admin API, and realms.{own}.endpoints says that the upstream is not Keycloak: remove impersonation"
        ));
    } else if !context.directory {
        at.problem("needs `source: directory` under roles: the subject token has the roles of somebody else");
    }
    let who = expression(&file.who, &at.field("who"));
    let whom = expression_about(&file.whom, &[Other::Requested], &at.field("whom"));
    Some(Box::new(Impersonation { who: who?, whom: whom? }))
}
