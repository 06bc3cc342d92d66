//! `impersonation` of a permission.

use super::names::Context;
use crate::adapters::config::file::audience::permission as file;
use crate::adapters::config::file::realm::GovernedDoor;
use crate::adapters::config::load::problem::{At, ProblemList};
use crate::adapters::config::load::value::{expression, expression_about};
use crate::judgement::expression::Other;
use crate::judgement::policy::model::{Impersonation, Issuance};
use crate::words::oauth::names::Names;

pub(super) fn impersonation(
    file: &file::Impersonation,
    context: Context<'_>,
    issuers: Option<&Names>,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<Impersonation> {
    at.warning(
        report,
        "whoever fulfils `who` can become any user who fulfils `whom`: the tokens name only the impersonated user, and \
         only the audit line names both",
    );
    if let Some(home) = context.home {
        let own = home.name;
        if home.realm.doors.requested_subject != GovernedDoor::Judged {
            at.problem(report, format!("needs realms.{own}.doors.requestedSubject: judged in cambio.yaml"));
        }
        let is_foreign = |issuers: &Names| match issuers {
            Names::Any => true,
            Names::Listed(names) => names.iter().any(|name| name != own),
        };
        if issuers.is_some_and(is_foreign) {
            let message = format!("is possible within the realm only: the permission's issuers may be only {own}");
            at.problem(report, message);
        }
    }
    if context.issuance != Issuance::Mint {
        at.problem(report, "needs `issuance: mint`: the upstream exchanges a token for its own subject only");
    }
    if !context.directory {
        at.problem(report, "needs `source: directory` under roles: the subject token has the roles of somebody else");
    }
    let who = expression(&file.who, &at.field("who"), report);
    let whom = expression_about(&file.whom, &[Other::Requested], &at.field("whom"), report);
    Some(Impersonation { who: who?, whom: whom? })
}
