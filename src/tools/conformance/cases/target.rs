//! RFC 8693 sections 2.1 and 2.1.1: whom the token is for.

use crate::tools::conformance::answer::audiences;
use crate::tools::conformance::case::{ConformanceCase, must, should};
use crate::tools::conformance::inputs::{Inputs, Need};
use crate::tools::conformance::judge::{SeenAnswers, claims, clearly_refused, is_for, issued, not_issued};
use crate::tools::conformance::request::{CaseRequest, exchange, untargeted};
use crate::tools::conformance::verdict::{CaseResult, ensure, fail};

/// A resource that does not exist.
const NOWHERE: &str = "https://no-such-resource.example.invalid/";

pub(super) const CASES: &[ConformanceCase] = &[
    must("audience", "RFC 8693 2.1", "the token is for the audience that was asked for")
        .sends("audience")
        .expects("200, aud has the audience")
        .needs(&[Need::Audience])
        .asks(exchange, |seen| {
            ensure(is_for(&seen.claims()?, &first(&seen.with.audiences)), "aud has not the audience")
        }),
    should("audience-only", "RFC 8693 2.1", "the token is for nobody but the audience that was asked for")
        .sends("audience")
        .expects("200, aud is the audience")
        .needs(&[Need::Audience])
        .asks(exchange, |seen| {
            let held = audiences(&seen.claims()?);
            ensure(held == first(&seen.with.audiences), "aud has more than the audience")
        }),
    must("audience-unknown", "RFC 8693 2.2.2", "an audience that is not known is not ignored")
        .sends("an unknown audience")
        .expects("no token")
        .asks(unknown, |seen| not_issued(seen.answer)),
    should(
        "audience-unknown-code",
        "RFC 8693 2.2.2",
        "the code for a target that no token can be issued for is invalid_target",
    )
    .sends("an unknown audience")
    .expects("400 invalid_target")
    .asks(unknown, |seen| seen.refused(&["invalid_target"])),
    must("audience-repeated", "RFC 8693 2.1", "several audiences may be asked for")
        .sends("audience twice")
        .expects("200, aud has both, or a clear refusal")
        .needs(&[Need::TwoAudiences])
        .asks(
            |with| with.audiences.iter().take(2).fold(untargeted(with), |r, name| r.with("audience", name)),
            |seen| {
                seen.offered()?;
                let both: Vec<_> = seen.with.audiences.iter().take(2).map(String::as_str).collect();
                ensure(is_for(&seen.claims()?, &both), "an audience was dropped silently")
            },
        ),
    must("audience-and-unknown", "RFC 8693 2.2.2", "of several audiences none is dropped silently")
        .sends("a known audience and an unknown one")
        .expects("no token")
        .needs(&[Need::Audience])
        .asks(|with| exchange(with).with("audience", &with.unknown_audience), |seen| not_issued(seen.answer)),
    must("resource", "RFC 8693 2.1", "a resource says whom the token is for, or it is refused")
        .sends("resource instead of audience; then an unknown resource")
        .expects("200 with an aud that follows it, or a clear refusal")
        .needs(&[Need::Resource])
        .asks_twice(
            for_resource,
            |seen| {
                seen.offered()?;
                Ok(nowhere(seen.with))
            },
            |seen| {
                let held = claims(seen.first)?;
                let named: Vec<_> = first(&seen.with.resources);
                if is_for(&held, &named) || !seen.answer.issued() {
                    return Ok(());
                }
                let same = audiences(&held) == audiences(&seen.claims()?);
                ensure(!same, "ignored: the same aud whatever the resource")
            },
        ),
    must("resource-unknown", "RFC 8693 2.2.2", "a resource that is not known is not ignored")
        .sends("an unknown resource instead of audience")
        .expects("no token, or one that is for it")
        .asks(nowhere, unknown_resource),
    should(
        "resource-unknown-code",
        "RFC 8693 2.2.2",
        "the code for a target that no token can be issued for is invalid_target",
    )
    .sends("an unknown resource instead of audience")
    .expects("400 invalid_target")
    .asks(nowhere, |seen| seen.refused(&["invalid_target"])),
    must("resource-relative", "RFC 8693 2.1", "a resource must be an absolute URI")
        .sends("resource /api")
        .expects("400 invalid_request or invalid_target")
        .asks(|with| exchange(with).set("resource", "/api"), malformed),
    must("resource-fragment", "RFC 8693 2.1", "a resource must not have a fragment")
        .sends("a resource with a fragment")
        .expects("400 invalid_request or invalid_target")
        .asks(
            |with| {
                let known = with.resources.first().map_or(NOWHERE, String::as_str);
                exchange(with).set("resource", &format!("{known}#part"))
            },
            malformed,
        ),
    must("resource-empty", "RFC 6749 3.2", "a parameter without a value is omitted: there is no resource")
        .sends("audience, and resource without a value")
        .expects("200 with a token")
        .needs(&[Need::Audience])
        .asks(|with| exchange(with).with("resource", ""), |seen| issued(seen.answer)),
    must("resource-and-unknown", "RFC 8693 2.2.2", "of several resources none is dropped silently")
        .sends("a known resource and an unknown one")
        .expects("no token, or one that is for both")
        .needs(&[Need::Resource])
        .asks(|with| for_resource(with).with("resource", NOWHERE), unknown_resource),
    must(
        "audience-and-unknown-resource",
        "RFC 8693 2.1.1",
        "audience and resource are targets both: a known audience does not hide an unknown resource",
    )
    .sends("audience, and an unknown resource")
    .expects("no token, or one that is for both")
    .needs(&[Need::Audience])
    .asks(|with| exchange(with).with("resource", NOWHERE), unknown_resource),
    must("audience-and-resource", "RFC 8693 2.1.1", "audience and resource may be asked for together")
        .sends("audience and resource")
        .expects("200, aud has the audience, or a clear refusal")
        .needs(&[Need::Audience, Need::Resource])
        .asks(
            |with| with.resources.iter().take(1).fold(exchange(with), |r, name| r.with("resource", name)),
            |seen| {
                seen.offered()?;
                ensure(is_for(&seen.claims()?, &first(&seen.with.audiences)), "the audience was dropped silently")
            },
        ),
];

fn first(names: &[String]) -> Vec<&str> {
    names.iter().take(1).map(String::as_str).collect()
}

fn unknown(with: &Inputs) -> CaseRequest {
    untargeted(with).with("audience", &with.unknown_audience)
}

fn nowhere(with: &Inputs) -> CaseRequest {
    untargeted(with).with("resource", NOWHERE)
}

fn for_resource(with: &Inputs) -> CaseRequest {
    with.resources.iter().take(1).fold(untargeted(with), |request, name| request.with("resource", name))
}

/// A server that issues a token for an unknown resource must at least issue it for that resource.
fn unknown_resource(seen: &SeenAnswers<'_>) -> CaseResult {
    if seen.answer.issued() {
        return ensure(is_for(&seen.claims()?, &[NOWHERE]), "ignored: the token is not for it");
    }
    not_issued(seen.answer)
}

fn malformed(seen: &SeenAnswers<'_>) -> CaseResult {
    match clearly_refused(seen.answer) {
        Some(_) => seen.refused(&["invalid_request", "invalid_target"]),
        None => fail(seen.answer.told()),
    }
}
