//! RFC 8693 section 4.1: a delegated token that is exchanged again.

use serde_json::Value;

use super::delegation::{act, delegated};
use crate::tools::conformance::case::Play::AskTwice;
use crate::tools::conformance::case::{CASE, ConformanceCase, Premise};
use crate::tools::conformance::inputs::{Need, SuiteToken};
use crate::tools::conformance::judge::{SeenAnswers, claims};
use crate::tools::conformance::request::{CaseRequest, exchange};
use crate::tools::conformance::verdict::Level::Should;
use crate::tools::conformance::verdict::{CaseVerdict, ensure, fail};
use crate::words::secret::Secret;

/// Cases about the actors that a subject token already names.
const AGAIN: ConformanceCase = ConformanceCase {
    section: "RFC 8693 4.1",
    level: Should,
    needs: &[Need::Actor],
    premise: Premise::Delegation,
    ..CASE
};

pub(super) const CASES: &[ConformanceCase] = &[
    ConformanceCase {
        id: "chain-kept",
        title: "who acted is not forgotten when the token is exchanged again",
        sent: "the delegated token as subject token, without an actor token",
        expected: "200 with the same actor in act, or a clear refusal",
        play: AskTwice(delegated, again, |seen| {
            seen.offered()?;
            let before = claims(seen.first)?.remove("act");
            let Some(before) = before else { return fail("no act") };
            match seen.claims()?.get("act") {
                None => fail("act is lost"),
                Some(act) => ensure(within(act, &before), "the actor is lost"),
            }
        }),
        ..AGAIN
    },
    ConformanceCase {
        id: "chain-current",
        title: "the outermost act is the current actor",
        sent: "the delegated token as subject token, with the second actor's token",
        expected: "200, act.sub is the second actor's, or a clear refusal",
        needs: &[Need::Actor, Need::SecondActor],
        play: AskTwice(delegated, by_the_second, |seen| {
            seen.offered()?;
            let second = seen.with.token(Need::SecondActor).claim("sub");
            ensure(act(seen)?.get("sub").and_then(Value::as_str) == second.as_deref(), "another actor")
        }),
        ..AGAIN
    },
    ConformanceCase {
        id: "chain-nested",
        title: "earlier actors are nested in act, the least recent deepest",
        sent: "the delegated token as subject token, with the second actor's token",
        expected: "200, act.act is the first actor, or a clear refusal",
        needs: &[Need::Actor, Need::SecondActor],
        play: AskTwice(delegated, by_the_second, |seen| {
            seen.offered()?;
            let Some(before) = claims(seen.first)?.remove("act") else { return fail("no act") };
            match act(seen)?.get("act") {
                None => fail("the first actor is lost"),
                Some(nested) => ensure(nested.get("sub") == before.get("sub"), "another actor"),
            }
        }),
        ..AGAIN
    },
    ConformanceCase {
        id: "chain-subject",
        title: "the token is about the same subject, however many act",
        sent: "the delegated token as subject token, with the second actor's token",
        expected: "200, the same sub, or a clear refusal",
        needs: &[Need::Actor, Need::SecondActor],
        play: AskTwice(delegated, by_the_second, |seen| {
            seen.offered()?;
            let before = claims(seen.first)?.remove("sub");
            ensure(seen.claims()?.remove("sub") == before, "another sub")
        }),
        ..AGAIN
    },
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
