//! Warnings of names that can change hands, and of a preset's rules that are not in force.

use crate::adapters::config::load::problem::At;
use crate::adapters::config::presets::{MutableClaims, Preset};
use crate::judgement::expression::Expression;
use crate::judgement::jose::checks::ClaimRule;

/// Warns of the rules of a preset that are not among the rules in force, and of rules that depend on names alone.
pub(super) fn rules(rules: &[ClaimRule], preset: &Preset, claims: &MutableClaims, at: &At<'_>) {
    for lost in preset.rules().filter(|lost| rules.iter().all(|rule| rule.expression.source() != *lost)) {
        at.warning(format!("replaces the rules of the preset {}, and does not have its {lost}", preset.name));
    }
    for (at, rule) in at.items(rules) {
        weak(&rule.expression, claims, "which tokens are accepted", &at.field("expression"));
    }
}

/// Warns of claims that can change hands, if the expression decides by them alone.
pub(in crate::adapters::config::load) fn weak(
    expression: &Expression,
    claims: &MutableClaims,
    decides: &str,
    at: &At<'_>,
) {
    for (claim, why) in claims.weak(expression) {
        let advice = claims.advice();
        at.warning(format!("{claim} decides {decides}, but it can change hands: {why}{advice}"));
    }
}
