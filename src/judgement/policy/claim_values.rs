//! Values of claims of an issued token.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::words::oauth::scope::Scope;
use crate::words::refusal::{Reason, Refusal};

/// A `NumericDate` claim in whole seconds.
pub(super) fn seconds(claims: &Map<String, Value>, name: &str) -> Result<i64, Refusal> {
    claims
        .get(name)
        .and_then(Value::as_i64)
        // Sums with such a date also fit into i64.
        .filter(|&seconds| (0..=0xFFFF_FFFF_FFFF).contains(&seconds))
        .ok_or_else(|| Refusal::new(Reason::AnswerLifetime, format!("{name} is missing or no whole number of seconds")))
}

/// `aud`: a text or a list of texts (RFC 7519 section 4.1.3).
pub(super) fn audience(claims: &Map<String, Value>) -> Result<BTreeSet<String>, Refusal> {
    let unreadable = || Refusal::new(Reason::AnswerAudience, "aud is missing or can't be read");
    match claims.get("aud") {
        Some(Value::String(one)) => Ok(BTreeSet::from([one.clone()])),
        Some(Value::Array(many)) => {
            many.iter().map(|one| one.as_str().map(str::to_owned).ok_or_else(unreadable)).collect()
        }
        _ => Err(unreadable()),
    }
}

/// A `scope` claim.
pub(super) fn scope_claim(value: &Value) -> Result<Scope, Refusal> {
    scope(value.as_str().ok_or_else(|| Refusal::new(Reason::AnswerScope, "scope is no text"))?)
}

/// A list of scopes.
pub(super) fn scope(text: &str) -> Result<Scope, Refusal> {
    Scope::parse(text).map_err(|_| Refusal::new(Reason::AnswerScope, "the issued scope is no scope list"))
}
