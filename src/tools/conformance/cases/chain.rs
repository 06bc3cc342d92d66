//! RFC 8693 section 4.1: a delegated token that is exchanged again.

use serde_json::Value;

use super::delegation::{act, delegated};
use crate::tools::conformance::case::{ConformanceCase, Premise, should};
use crate::tools::conformance::inputs::{Need, SuiteToken};
use crate::tools::conformance::judge::{SeenAnswers, claims};
use crate::tools::conformance::request::{CaseRequest, exchange};
use crate::tools::conformance::verdict::{CaseVerdict, ensure, fail};
use crate::words::secret::Secret;

/// Cases about the actors that a subject token already names.
const AGAIN: ConformanceCase = should("", "RFC 8693 4.1", "").needs(&[Need::Actor]).after(Premise::Delegation);

pub(super) const CASES: &[ConformanceCase] = &[
    AGAIN
        .named("chain-kept", "who acted is not forgotten when the token is exchanged again")
        .sends("the delegated token as subject token, without an actor token")
        .expects("200 with the same actor in act, or a clear refusal")
        .asks_twice(delegated, again, |seen| {
            seen.offered()?;
            let before = claims(seen.first)?.remove("act");
            let Some(before) = before else { return fail("no act") };
            match seen.claims()?.get("act") {
                None => fail("act is lost"),
                Some(act) => ensure(within(act, &before), "the actor is lost"),
            }
        }),
    AGAIN
        .named("chain-current", "the outermost act is the current actor")
        .sends("the delegated token as subject token, with the second actor's token")
        .expects("200, act.sub is the second actor's, or a clear refusal")
        .needs(&[Need::Actor, Need::SecondActor])
        .asks_twice(delegated, by_the_second, |seen| {
            seen.offered()?;
            let second = seen.with.token(Need::SecondActor).claim("sub");
            ensure(act(seen)?.get("sub").and_then(Value::as_str) == second.as_deref(), "another actor")
        }),
    AGAIN
        .named("chain-nested", "earlier actors are nested in act, the least recent deepest")
        .sends("the delegated token as subject token, with the second actor's token")
        .expects("200, act.act is the first actor, or a clear refusal")
        .needs(&[Need::Actor, Need::SecondActor])
        .asks_twice(delegated, by_the_second, |seen| {
            seen.offered()?;
            let Some(before) = claims(seen.first)?.remove("act") else { return fail("no act") };
            match act(seen)?.get("act") {
                None => fail("the first actor is lost"),
                Some(nested) => ensure(nested.get("sub") == before.get("sub"), "another actor"),
            }
        }),
    AGAIN
        .named("chain-subject", "the token is about the same subject, however many act")
        .sends("the delegated token as subject token, with the second actor's token")
        .expects("200, the same sub, or a clear refusal")
        .needs(&[Need::Actor, Need::SecondActor])
        .asks_twice(delegated, by_the_second, |seen| {
            seen.offered()?;
            let before = claims(seen.first)?.remove("sub");
            ensure(seen.claims()?.remove("sub") == before, "another sub")
        }),
];

/// The exchange of the token that was just issued.
fn again(seen: &SeenAnswers<'_>) -> Result<CaseRequest, CaseVerdict> {
    seen.offered()?;
    let token = SuiteToken {
        text: Secret::new(seen.answer.token().unwrap_or_default()),
        kind: crate::words::oauth::urn::TokenType::AccessToken.urn().to_owned(),
    };
    Ok(exchange(seen.with).subject(&token))
}

fn by_the_second(seen: &SeenAnswers<'_>) -> Result<CaseRequest, CaseVerdict> {
    again(seen).map(|request| request.actor(&seen.with.token(Need::SecondActor)))
}

/// Whether an actor is in a chain.
fn within(chain: &Value, actor: &Value) -> bool {
    let same = chain.get("sub") == actor.get("sub") && chain.get("sub").is_some();
    same || chain.get("act").is_some_and(|inner| within(inner, actor))
}
