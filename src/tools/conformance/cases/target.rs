//! RFC 8693 sections 2.1 and 2.1.1: whom the token is for.

use crate::tools::conformance::answer::audiences;
use crate::tools::conformance::case::Play::{Ask, AskTwice};
use crate::tools::conformance::case::{CASE, ConformanceCase};
use crate::tools::conformance::inputs::{Inputs, Need};
use crate::tools::conformance::judge::{SeenAnswers, claims, clearly_refused, is_for, issued, not_issued};
use crate::tools::conformance::request::{CaseRequest, exchange, untargeted};
use crate::tools::conformance::verdict::Level::{Must, Should};
use crate::tools::conformance::verdict::{CaseResult, ensure, fail};

/// A resource that does not exist.
const NOWHERE: &str = "https://no-such-resource.example.invalid/";

pub(super) const CASES: &[ConformanceCase] = &[
    ConformanceCase {
        id: "audience",
        section: "RFC 8693 2.1",
        title: "the token is for the audience that was asked for",
        sent: "audience",
        expected: "200, aud has the audience",
        needs: &[Need::Audience],
        play: Ask(exchange, |seen| {
            ensure(is_for(&seen.claims()?, &first(&seen.with.audiences)), "aud has not the audience")
        }),
        ..CASE
    },
    ConformanceCase {
        id: "audience-only",
        section: "RFC 8693 2.1",
        level: Should,
        title: "the token is for nobody but the audience that was asked for",
        sent: "audience",
        expected: "200, aud is the audience",
        needs: &[Need::Audience],
        play: Ask(exchange, |seen| {
            let held = audiences(&seen.claims()?);
            ensure(held == first(&seen.with.audiences), "aud has more than the audience")
        }),
        ..CASE
    },
    ConformanceCase {
        id: "audience-unknown",
        section: "RFC 8693 2.2.2",
        title: "an audience that is not known is not ignored",
        sent: "an unknown audience",
        expected: "no token",
        play: Ask(unknown, |seen| not_issued(seen.answer)),
        ..CASE
    },
    ConformanceCase {
        id: "audience-unknown-code",
        section: "RFC 8693 2.2.2",
        level: Should,
        title: "the code for a target that no token can be issued for is invalid_target",
        sent: "an unknown audience",
        expected: "400 invalid_target",
        play: Ask(unknown, |seen| seen.refused(&["invalid_target"])),
        ..CASE
    },
    ConformanceCase {
        id: "audience-repeated",
        section: "RFC 8693 2.1",
        title: "several audiences may be asked for",
        sent: "audience twice",
        expected: "200, aud has both, or a clear refusal",
        needs: &[Need::TwoAudiences],
        play: Ask(
            |with| with.audiences.iter().take(2).fold(untargeted(with), |r, name| r.with("audience", name)),
            |seen| {
                seen.offered()?;
                let both: Vec<_> = seen.with.audiences.iter().take(2).map(String::as_str).collect();
                ensure(is_for(&seen.claims()?, &both), "an audience was dropped silently")
            },
        ),
        ..CASE
    },
    ConformanceCase {
        id: "audience-and-unknown",
        section: "RFC 8693 2.2.2",
        title: "of several audiences none is dropped silently",
        sent: "a known audience and an unknown one",
        expected: "no token",
        needs: &[Need::Audience],
        play: Ask(|with| exchange(with).with("audience", &with.unknown_audience), |seen| not_issued(seen.answer)),
        ..CASE
    },
    ConformanceCase {
        id: "resource",
        section: "RFC 8693 2.1",
        title: "a resource says whom the token is for, or it is refused",
        sent: "resource instead of audience; then an unknown resource",
        expected: "200 with an aud that follows it, or a clear refusal",
        needs: &[Need::Resource],
        play: AskTwice(
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
        ..CASE
    },
    ConformanceCase {
        id: "resource-unknown",
        section: "RFC 8693 2.2.2",
        title: "a resource that is not known is not ignored",
        sent: "an unknown resource instead of audience",
        expected: "no token, or one that is for it",
        play: Ask(nowhere, unknown_resource),
        ..CASE
    },
    ConformanceCase {
        id: "resource-unknown-code",
        section: "RFC 8693 2.2.2",
        level: Should,
        title: "the code for a target that no token can be issued for is invalid_target",
        sent: "an unknown resource instead of audience",
        expected: "400 invalid_target",
        play: Ask(nowhere, |seen| seen.refused(&["invalid_target"])),
        ..CASE
    },
    ConformanceCase {
        id: "resource-relative",
        section: "RFC 8693 2.1",
        title: "a resource must be an absolute URI",
        sent: "resource /api",
        expected: "400 invalid_request or invalid_target",
        play: Ask(|with| exchange(with).set("resource", "/api"), malformed),
        ..CASE
    },
    ConformanceCase {
        id: "resource-fragment",
        section: "RFC 8693 2.1",
        title: "a resource must not have a fragment",
        sent: "a resource with a fragment",
        expected: "400 invalid_request or invalid_target",
        play: Ask(
            |with| {
                let known = with.resources.first().map_or(NOWHERE, String::as_str);
                exchange(with).set("resource", &format!("{known}#part"))
            },
            malformed,
        ),
        ..CASE
    },
    ConformanceCase {
        id: "resource-empty",
        section: "RFC 6749 3.2",
        title: "a parameter without a value is omitted: there is no resource",
        sent: "audience, and resource without a value",
        expected: "200 with a token",
        needs: &[Need::Audience],
        play: Ask(|with| exchange(with).with("resource", ""), |seen| issued(seen.answer)),
        ..CASE
    },
    ConformanceCase {
        id: "resource-and-unknown",
        section: "RFC 8693 2.2.2",
        title: "of several resources none is dropped silently",
        sent: "a known resource and an unknown one",
        expected: "no token, or one that is for both",
        needs: &[Need::Resource],
        play: Ask(|with| for_resource(with).with("resource", NOWHERE), unknown_resource),
        ..CASE
    },
    ConformanceCase {
        id: "audience-and-unknown-resource",
        section: "RFC 8693 2.1.1",
        level: Must,
        title: "audience and resource are targets both: a known audience does not hide an unknown resource",
        sent: "audience, and an unknown resource",
        expected: "no token, or one that is for both",
        needs: &[Need::Audience],
        play: Ask(|with| exchange(with).with("resource", NOWHERE), unknown_resource),
        ..CASE
    },
    ConformanceCase {
        id: "audience-and-resource",
        section: "RFC 8693 2.1.1",
        title: "audience and resource may be asked for together",
        sent: "audience and resource",
        expected: "200, aud has the audience, or a clear refusal",
        needs: &[Need::Audience, Need::Resource],
        play: Ask(
            |with| with.resources.iter().take(1).fold(exchange(with), |r, name| r.with("resource", name)),
            |seen| {
                seen.offered()?;
                ensure(is_for(&seen.claims()?, &first(&seen.with.audiences)), "the audience was dropped silently")
            },
        ),
        ..CASE
    },
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
