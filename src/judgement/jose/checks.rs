//! How the tokens of an issuer are checked besides their signature.

use jiff::SignedDuration;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use crate::judgement::expression::{Expression, Variables};
use crate::words::refusal::{Reason, Refusal};

/// How an issuer's tokens are checked.
#[derive(Clone, Debug)]
pub struct TokenChecks {
    /// The only algorithms that are accepted.
    pub algorithms: Vec<Algorithm>,
    /// Tolerance for `exp`, `nbf` and `iat`.
    pub leeway: SignedDuration,
    /// Expressions that must hold.
    pub rules: Vec<ClaimRule>,
}

/// A CEL expression over claims that must be true.
#[derive(Clone, Debug)]
pub struct ClaimRule {
    /// The expression.
    pub expression: Expression,
    /// What audit says when it does not hold.
    pub message: String,
}

/// The issuer's claim validation rules.
pub(crate) fn rules_hold(claims: &Map<String, Value>, client: &str, rules: &[ClaimRule]) -> Result<(), Refusal> {
    if rules.is_empty() {
        return Ok(());
    }
    // A rule is about the token, whatever is asked for with it.
    let scene = Variables { claims, client, audience: "", scopes: &[] }.scene();
    for rule in rules {
        match rule.expression.holds_in(&scene) {
            Ok(true) => {}
            Ok(false) => return Err(Refusal::new(Reason::SubjectTokenRule, rule.message.clone())),
            Err(error) => {
                let detail = format!("{}: can't be evaluated: {error}", rule.message);
                return Err(Refusal::new(Reason::SubjectTokenRule, detail));
            }
        }
    }
    Ok(())
}
