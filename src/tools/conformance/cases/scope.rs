//! RFC 8693 sections 2.1, 2.2.1 and 4.2, RFC 6749 section 3.3: scopes.

use crate::tools::conformance::case::{ConformanceCase, must, should};
use crate::tools::conformance::inputs::{Inputs, Need};
use crate::tools::conformance::judge::{SeenAnswers, clearly_refused, granted, issued, scope};
use crate::tools::conformance::request::{CaseRequest, exchange};
use crate::tools::conformance::verdict::{CaseResult, CaseVerdict, ensure, fail, skip};

/// A scope that no server knows.
const UNKNOWN: &str = "no-such-scope-of-rfc8693";

pub(super) const CASES: &[ConformanceCase] = &[
    should("scope-honoured", "RFC 8693 2.1", "a narrower scope is honoured")
        .sends("the first scope")
        .expects("200, no scope but that")
        .needs(&[Need::Scope])
        .asks(narrow, |seen| {
            issued(seen.answer)?;
            let Some(granted) = granted(seen.answer) else {
                return skip("neither the answer nor the token says a scope");
            };
            let asked: Vec<_> = seen.with.scopes.iter().take(1).map(String::as_str).collect();
            ensure(scope(&granted).iter().all(|one| asked.contains(one)), "more scopes than were asked for")
        }),
    must("scope-told", "RFC 8693 2.2.1", "a scope that differs from the one asked for is told")
        .sends("the first scope")
        .expects("200; scope in the answer, unless the token has just that")
        .needs(&[Need::Scope])
        .asks(narrow, |seen| {
            issued(seen.answer)?;
            let asked: Vec<_> = seen.with.scopes.iter().take(1).map(String::as_str).collect();
            let claims = seen.claims()?;
            let held = claims.get("scope").and_then(serde_json::Value::as_str);
            match (seen.answer.text("scope"), held) {
                (Some(told), Some(held)) => {
                    ensure(scope(&told) == scope(held), "the answer's scope is not the token's")
                }
                (None, Some(held)) => ensure(scope(held) == asked, "another scope than was asked for, silently"),
                (_, None) => skip("the token has no scope claim"),
            }
        }),
    must("scope-told-unasked", "RFC 6749 5.1", "the scope that an answer tells is the token's")
        .expects("200; scope in the answer is that of the token")
        .asks(exchange, |seen| {
            let claims = seen.claims()?;
            let held = claims.get("scope").and_then(serde_json::Value::as_str);
            match (seen.answer.text("scope"), held) {
                (Some(told), Some(held)) => {
                    ensure(scope(&told) == scope(held), "the answer's scope is not the token's")
                }
                _ => skip("answer or token has no scope"),
            }
        }),
    must("scope-unknown", "RFC 6749 3.3", "a scope that is not known is refused, or left out and that is told")
        .sends("an unknown scope")
        .expects("400 invalid_scope, or 200 with a scope without it")
        .asks(|with| exchange(with).with("scope", UNKNOWN), |seen| left_out_or_refused(seen, &[UNKNOWN])),
    must("scope-and-unknown", "RFC 6749 3.3", "of several scopes one that is not known is not granted")
        .sends("a known scope and an unknown one")
        .expects("400 invalid_scope, or 200 with a scope without it")
        .needs(&[Need::Scope])
        .asks(
            |with| {
                let known = with.scopes.first().map_or("", String::as_str);
                exchange(with).with("scope", &format!("{known} {UNKNOWN}"))
            },
            |seen| left_out_or_refused(seen, &[UNKNOWN]),
        ),
    must("scope-malformed", "RFC 6749 3.3", "a scope with characters that no scope has is refused")
        .sends("scope a\"b")
        .expects("400 invalid_scope or invalid_request, or 200 with a scope without it")
        .asks(
            |with| exchange(with).with("scope", "a\"b"),
            |seen| {
                if seen.refused(&["invalid_request"]).is_ok() {
                    return Ok(());
                }
                left_out_or_refused(seen, &["a\"b"])
            },
        ),
    must("scope-order", "RFC 6749 3.3", "the order of scopes does not matter")
        .sends("two scopes, in the other order")
        .expects("200, both granted as in the first order")
        .needs(&[Need::TwoScopes])
        .asks_twice(
            |with| exchange(with).with("scope", &with.scopes.join(" ")),
            |seen| {
                seen.offered()?;
                let turned: Vec<_> = seen.with.scopes.iter().rev().map(String::as_str).collect();
                Ok(exchange(seen.with).with("scope", &turned.join(" ")))
            },
            |seen| {
                issued(seen.answer)?;
                let (one, other) = (granted(seen.first), granted(seen.answer));
                let (one, other) = (one.unwrap_or_default(), other.unwrap_or_default());
                ensure(scope(&one) == scope(&other), "another scope in the other order")
            },
        ),
    must("scope-empty", "RFC 6749 3.2", "a parameter without a value is omitted: the scope is the server's choice")
        .sends("scope without a value")
        .expects("200 with a token, with a scope if the plain exchange's has one")
        .asks(
            |with| exchange(with).with("scope", ""),
            |seen| {
                issued(seen.answer)?;
                // Another scope: some servers remember the last requested scope in the session.
                let any = |answer| granted(answer).is_some_and(|text| !scope(&text).is_empty());
                ensure(any(seen.answer) || !seen.plain.is_some_and(any), "no scope at all")
            },
        ),
    must("scope-claim", "RFC 8693 4.2", "the token's scope claim is one text")
        .expects("scope, if the token has one, is a text of scopes parted by single spaces")
        .asks(exchange, |seen| match seen.claims()?.get("scope") {
            None => skip("the token has no scope claim"),
            Some(serde_json::Value::String(text)) => {
                let clean = text.is_empty() || text.split(' ').all(|one| !one.is_empty());
                ensure(clean, "spaces at an end or in a row")
            }
            Some(_) => fail("it is no text"),
        }),
];

fn narrow(with: &Inputs) -> CaseRequest {
    with.scopes.iter().take(1).fold(exchange(with), |request, scope| request.with("scope", scope))
}

/// A requested scope is not granted: the code says so, or the answer's `scope` (RFC 6749 section 3.3).
fn left_out_or_refused(seen: &SeenAnswers<'_>, unknown: &[&str]) -> CaseResult {
    if clearly_refused(seen.answer).is_some() {
        return seen.refused(&["invalid_scope"]);
    }
    issued(seen.answer)?;
    match seen.answer.text("scope") {
        None => Err(CaseVerdict::Fail("left out silently".to_owned())),
        Some(told) => ensure(!scope(&told).iter().any(|one| unknown.contains(one)), "it was granted"),
    }
}
