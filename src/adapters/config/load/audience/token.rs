//! `token` of an audience file.

use std::collections::{BTreeMap, BTreeSet};

use super::issuances::Issuances;
use super::names::names;
use crate::adapters::config::file::audience::token as file;
use crate::adapters::config::load::problem::{At, ProblemList, all};
use crate::adapters::config::load::value::expression;
use crate::judgement::expression::Expression;
use crate::judgement::policy::claim_names::ClaimClass;
use crate::judgement::policy::model::{Issuance, Profile, RoleOutput, SubjectRule, TokenRules};
use crate::words::oauth::names::Names;

pub(super) fn token(
    file: &file::TokenRules,
    issuances: &Issuances<'_>,
    output: Option<&RoleOutput>,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<TokenRules> {
    let signed = [("claims", !file.claims.is_empty()), ("set", !file.set.is_empty())];
    issuances.need_signature(&signed, at, report);
    if !issuances.have(Issuance::Mint) {
        for (key, used) in [
            ("profile", file.profile != file::Profile::Keycloak),
            ("subject", file.subject != file::SubjectRule::Qualified),
        ] {
            if used {
                at.field(key).problem(report, "needs `issuance: mint`: otherwise the upstream decides");
            }
        }
    }
    let claims_at = at.field("claims");
    let claims = if file.claims.is_empty() {
        Some(Names::Listed(BTreeSet::new()))
    } else {
        names(&file.claims, "every claim", &claims_at, report)
    };
    let flat = output.and_then(|output| output.claim.as_deref());
    if let Some(index) = file.claims.iter().position(|claim| Some(claim.as_str()) == flat) {
        claims_at.item(index).problem(report, "is the claim of roles.claim");
    }
    let set = templates(&file.set, flat, &at.field("set"), report);
    Some(TokenRules {
        lifetime: file.lifetime.signed()?,
        within_subject: file.within_subject,
        claims: claims?,
        set: set?,
        profile: match file.profile {
            file::Profile::Keycloak => Profile::Keycloak,
            file::Profile::Rfc9068 => Profile::Rfc9068,
        },
        subject: match file.subject {
            file::SubjectRule::Qualified => SubjectRule::Qualified,
            file::SubjectRule::Mapped => SubjectRule::Mapped,
            file::SubjectRule::Keep => SubjectRule::Keep,
        },
        refresh_lifetime: file.refresh_lifetime.signed()?,
    })
}

fn templates(
    set: &BTreeMap<String, String>,
    flat: Option<&str>,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<BTreeMap<String, Expression>> {
    let checked = all(set.iter().map(|(claim, source)| {
        let at = at.field(claim);
        if ClaimClass::of(claim).is_reserved() || Some(claim.as_str()) == flat {
            at.problem(report, "can't be set: the claim identifies the token or its subject, or names roles");
        }
        Some((claim.clone(), expression(source, &at, report)?))
    }))?;
    Some(checked.into_iter().collect())
}
