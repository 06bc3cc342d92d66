//! What the judges of the cases share.

use serde_json::{Map, Value};

use super::answer::{Observation, audiences};
use super::inputs::Inputs;
use super::verdict::{CaseResult, CaseVerdict, ensure, fail, skip};

/// What a judge sees.
#[derive(Clone, Copy, Debug)]
pub struct SeenAnswers<'a> {
    /// The inputs.
    pub with: &'a Inputs,
    /// The answer to the premise's exchange.
    pub plain: Option<&'a Observation>,
    /// The answer to the case's first request.
    pub first: &'a Observation,
    /// The answer to the case's last request.
    pub answer: &'a Observation,
}

/// Codes of RFC 6749 section 5.2 and RFC 8693 section 2.2.2.
pub const CODES: [&str; 7] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "invalid_target",
];

impl SeenAnswers<'_> {
    /// The claims of the token in the last answer.
    pub fn claims(&self) -> Result<Map<String, Value>, CaseVerdict> {
        claims(self.answer)
    }

    /// The last answer refuses with one of these codes.
    pub fn refused(&self, codes: &[&str]) -> CaseResult {
        refused(self.answer, codes)
    }

    /// The last answer issues a token; a clear refusal means that the server does not have the feature.
    pub fn offered(&self) -> CaseResult {
        offered(self.answer)
    }
}

/// The claims of the token in an answer.
pub fn claims(answer: &Observation) -> Result<Map<String, Value>, CaseVerdict> {
    match answer.claims() {
        Some(claims) => Ok(claims),
        None => skip("the token is opaque: needs --introspection-endpoint"),
    }
}

/// An answer refuses with one of these codes, and the status that goes with it (RFC 6749 section 5.2).
pub fn refused(answer: &Observation, codes: &[&str]) -> CaseResult {
    let code = answer.error();
    let fits = code.as_deref().is_some_and(|code| codes.contains(&code));
    let status = match answer.status {
        400 => true,
        401 => code.as_deref() == Some("invalid_client"),
        _ => false,
    };
    ensure(fits && status && answer.token().is_none(), &answer.told())
}

/// An answer issues no token and has a client error's status, with any code.
pub fn not_issued(answer: &Observation) -> CaseResult {
    ensure(answer.token().is_none() && (400..500).contains(&answer.status), &answer.told())
}

/// The refusal, if a client can read it: a client error's status and a code in JSON.
pub fn clearly_refused(answer: &Observation) -> Option<String> {
    let status = (400..500).contains(&answer.status);
    (status && answer.token().is_none() && answer.error().is_some()).then(|| answer.told())
}

/// An answer issues a token; a clear refusal means that the feature is not supported.
pub fn offered(answer: &Observation) -> CaseResult {
    if answer.issued() {
        return Ok(());
    }
    match clearly_refused(answer) {
        Some(told) => Err(CaseVerdict::Unsupported(told)),
        None => fail(answer.told()),
    }
}

/// An answer issues a token.
pub fn issued(answer: &Observation) -> CaseResult {
    ensure(answer.issued(), &answer.told())
}

/// Whether every one of these is in the token's `aud`.
pub fn is_for(claims: &Map<String, Value>, targets: &[&str]) -> bool {
    let held = audiences(claims);
    targets.iter().all(|target| held.iter().any(|one| one == target))
}

/// A claim or member that is a number (RFC 7519: `NumericDate`).
pub fn number(members: &Map<String, Value>, name: &str) -> Option<f64> {
    members.get(name)?.as_f64()
}

/// The values of a scope (RFC 6749 section 3.3), sorted.
pub fn scope(text: &str) -> Vec<&str> {
    let mut values: Vec<_> = text.split(' ').filter(|value| !value.is_empty()).collect();
    values.sort_unstable();
    values.dedup();
    values
}

/// The scope of a token: from the answer, otherwise from the token's claim.
pub fn granted(answer: &Observation) -> Option<String> {
    let claim = || answer.claims()?.get("scope")?.as_str().map(str::to_owned);
    answer.text("scope").or_else(claim)
}

/// [`offered`] as the judge of a case.
pub fn on_offer(seen: &SeenAnswers<'_>) -> CaseResult {
    seen.offered()
}

#[cfg(test)]
mod tests;
