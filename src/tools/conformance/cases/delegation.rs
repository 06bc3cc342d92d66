//! RFC 8693 sections 1.1, 2.1 and 4.1: who acts for whom.

use serde_json::{Map, Value};

use crate::tools::conformance::case::Play::Ask;
use crate::tools::conformance::case::{CASE, ConformanceCase, Premise};
use crate::tools::conformance::forge;
use crate::tools::conformance::inputs::{Inputs, Need};
use crate::tools::conformance::judge::SeenAnswers;
use crate::tools::conformance::request::{CaseRequest, exchange, introspection};
use crate::tools::conformance::verdict::Level::Should;
use crate::tools::conformance::verdict::{CaseResult, CaseVerdict, ensure, fail, skip};
use crate::words::oauth::urn::TokenType;

/// Cases about the token that an exchange with an actor token issues.
const DELEGATED: ConformanceCase = ConformanceCase {
    section: "RFC 8693 4.1",
    sent: "the actor token",
    needs: &[Need::Actor],
    premise: Premise::Delegation,
    ..CASE
};

/// Claims that are about a token and not about an actor.
const ABOUT_THE_TOKEN: [&str; 9] = ["exp", "nbf", "iat", "aud", "jti", "scope", "may_act", "cnf", "auth_time"];

pub(super) const CASES: &[ConformanceCase] = &[
    ConformanceCase {
        id: "actor",
        section: "RFC 8693 1.1",
        title: "an actor token is not ignored: the issued token names the actor, or there is none",
        expected: "200 with act, or a clear refusal",
        premise: Premise::Exchange,
        play: Ask(delegated, |seen| {
            seen.offered()?;
            ensure(seen.claims()?.contains_key("act"), "ignored: the issued token names no actor")
        }),
        ..DELEGATED
    },
    ConformanceCase {
        id: "actor-garbage",
        section: "RFC 8693 2.2.2",
        title: "an actor token that is no token is not ignored",
        sent: "actor_token no-token",
        expected: "400 invalid_request",
        needs: &[],
        premise: Premise::Exchange,
        play: Ask(
            |with| exchange(with).with("actor_token", "no-token").with("actor_token_type", &with.subject.kind),
            invalid,
        ),
        ..DELEGATED
    },
    ConformanceCase {
        id: "actor-type-unknown",
        section: "RFC 8693 2.1",
        title: "an actor_token_type that is not known is refused",
        sent: "the actor token as urn:example:no-such-type",
        expected: "400 invalid_request",
        play: Ask(|with| delegated(with).set("actor_token_type", "urn:example:no-such-type"), invalid),
        ..DELEGATED
    },
    ConformanceCase {
        id: "actor-type-saml",
        section: "RFC 8693 2.1",
        title: "the actor token is validated as the type that is named",
        sent: "the actor token as …:saml2",
        expected: "400 invalid_request",
        needs: &[Need::Actor, Need::JwtActor],
        play: Ask(|with| delegated(with).set("actor_token_type", TokenType::Saml2.urn()), invalid),
        ..DELEGATED
    },
    ConformanceCase {
        id: "actor-altered",
        section: "RFC 8693 2.2.2",
        title: "an actor token that was altered is refused",
        sent: "another sub in the actor token under the same signature",
        expected: "400 invalid_request",
        needs: &[Need::Actor, Need::JwtActor],
        play: Ask(|with| exchange(with).actor(&forge::other_subject(&with.token(Need::Actor))), invalid),
        ..DELEGATED
    },
    ConformanceCase {
        id: "actor-unsecured",
        section: "RFC 8725 3.2",
        title: "an unsecured JWT is no actor token",
        sent: "the actor token's claims with alg none",
        expected: "400 invalid_request",
        needs: &[Need::Actor, Need::JwtActor],
        play: Ask(|with| exchange(with).actor(&forge::unsecured(&with.token(Need::Actor))), invalid),
        ..DELEGATED
    },
    ConformanceCase {
        id: "actor-expired",
        section: "RFC 8693 2.2.2",
        title: "an actor token that has expired is refused",
        sent: "an expired actor token",
        expected: "400 invalid_request",
        needs: &[Need::Actor, Need::ExpiredActor],
        play: Ask(|with| exchange(with).actor(&with.token(Need::ExpiredActor)), invalid),
        ..DELEGATED
    },
    ConformanceCase {
        id: "act-object",
        title: "act is a JSON object",
        expected: "act, an object",
        play: Ask(delegated, |seen| act(seen).map(|_| ())),
        ..DELEGATED
    },
    ConformanceCase {
        id: "act-actor",
        title: "act names the actor of the actor token",
        expected: "act.sub is the actor token's sub",
        needs: &[Need::Actor, Need::JwtActor],
        play: Ask(delegated, |seen| {
            let actor = seen.with.token(Need::Actor).claim("sub");
            ensure(act(seen)?.get("sub").and_then(Value::as_str) == actor.as_deref(), "another sub")
        }),
        ..DELEGATED
    },
    ConformanceCase {
        id: "act-issuer",
        level: Should,
        title: "an actor of another issuer is named with its issuer",
        expected: "act.iss, where the actor token's iss is not the issued token's",
        needs: &[Need::Actor, Need::JwtActor],
        play: Ask(delegated, |seen| {
            let own = seen.claims()?.get("iss").and_then(Value::as_str).map(str::to_owned);
            let actors = seen.with.token(Need::Actor).claim("iss");
            let act = act(seen)?;
            match act.get("iss").and_then(Value::as_str) {
                Some(named) => ensure(Some(named) == actors.as_deref(), "another iss"),
                None => ensure(actors == own, "no iss, though the actor is of another issuer"),
            }
        }),
        ..DELEGATED
    },
    ConformanceCase {
        id: "act-identity-only",
        title: "act says who acts, and has no claims about a token",
        expected: "no exp, nbf, iat, aud, jti, scope, may_act, cnf or auth_time in act",
        play: Ask(delegated, |seen| {
            let mut level = Some(act(seen)?);
            while let Some(act) = level {
                if let Some(found) = ABOUT_THE_TOKEN.iter().find(|name| act.contains_key(**name)) {
                    return fail(format!("it has {found}"));
                }
                level = act.get("act").and_then(Value::as_object).cloned();
            }
            Ok(())
        }),
        ..DELEGATED
    },
    ConformanceCase {
        id: "act-subject",
        section: "RFC 8693 1.1",
        title: "with an actor the issued token is still about the subject",
        expected: "sub is the subject token's",
        needs: &[Need::Actor, Need::JwtSubject],
        play: Ask(delegated, |seen| {
            let claims = seen.claims()?;
            let subject = seen.with.subject.claim("sub");
            ensure(claims.get("sub").and_then(Value::as_str) == subject.as_deref(), "another sub")
        }),
        ..DELEGATED
    },
    ConformanceCase {
        id: "act-introspection",
        section: "RFC 8693 7.3",
        level: Should,
        title: "introspection of the issued token tells the actor",
        sent: "the actor token; then the issued token to the introspection endpoint",
        expected: "act, as in the token",
        needs: &[Need::Actor, Need::Introspection],
        play: crate::tools::conformance::case::Play::AskTwice(
            delegated,
            |seen| Ok(introspection(seen.with, &seen.answer.token().unwrap_or_default())),
            |seen| {
                let told = seen.answer.json().unwrap_or_default();
                if told.get("active") != Some(&Value::Bool(true)) {
                    return skip("the client is not told about the token");
                }
                let claims = crate::tools::conformance::judge::claims(seen.first)?;
                ensure(told.get("act") == claims.get("act"), "another act, or none")
            },
        ),
        ..DELEGATED
    },
];

pub(super) fn delegated(with: &Inputs) -> CaseRequest {
    exchange(with).actor(&with.token(Need::Actor))
}

pub(super) fn act(seen: &SeenAnswers<'_>) -> Result<Map<String, Value>, CaseVerdict> {
    match seen.claims()?.get("act") {
        Some(Value::Object(act)) => Ok(act.clone()),
        Some(_) => fail("act is no object"),
        None => fail("no act"),
    }
}

fn invalid(seen: &SeenAnswers<'_>) -> CaseResult {
    seen.refused(&["invalid_request"])
}
