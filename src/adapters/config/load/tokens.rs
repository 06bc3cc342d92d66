//! How the tokens of a realm or an issuer are checked, and how its keys are kept.

use super::problem::{At, ProblemList, all};
use super::value::{algorithms, expression};
use crate::adapters::config::file::issuer as file;
use crate::adapters::config::file::value::Period;
use crate::adapters::config::settings::issuer::JwksLimits;
use crate::judgement::jose::checks::{ClaimRule, TokenChecks};

pub(super) fn token_checks(
    names: &[String],
    leeway: &Period,
    rules: &[file::ClaimValidationRule],
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<TokenChecks> {
    let rules_at = at.field("claimValidationRules");
    let rules = all(rules.iter().enumerate().map(|(index, rule)| {
        let at = rules_at.item(index).field("expression");
        let message = rule.message.clone().unwrap_or_else(|| format!("not true: {}", rule.expression));
        Some(ClaimRule { expression: expression(&rule.expression, &at, report)?, message })
    }));
    Some(TokenChecks { algorithms: algorithms(names)?, leeway: leeway.signed()?, rules: rules? })
}

/// Checks for an issuer's tokens. `None` if its entry has problems, which are reported at the entry.
pub(super) fn issuer_checks(file: &file::TrustedIssuer) -> Option<TokenChecks> {
    let (at, report) = (At::nowhere(), &mut ProblemList::default());
    token_checks(&file.algorithms, &file.leeway, &file.claim_validation_rules, &at, report)
}

pub(super) fn jwks(file: &file::Jwks, at: &At<'_>, report: &mut ProblemList) -> Option<JwksLimits> {
    let limits = JwksLimits {
        refresh_interval: file.refresh_interval.duration()?,
        max_stale: file.max_stale.duration()?,
        unknown_kid_cooldown: file.unknown_kid_cooldown.duration()?,
    };
    if limits.max_stale < limits.refresh_interval {
        let message = "is below refreshInterval: keys would expire before Cambio fetches them again";
        at.field("maxStale").problem(report, message);
        return None;
    }
    Some(limits)
}
