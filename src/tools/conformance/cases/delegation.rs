//! RFC 8693 sections 1.1, 2.1 and 4.1: who acts for whom.

use serde_json::{Map, Value};

use crate::tools::conformance::case::{ConformanceCase, Premise, must};
use crate::tools::conformance::forge;
use crate::tools::conformance::inputs::{Inputs, Need};
use crate::tools::conformance::judge::SeenAnswers;
use crate::tools::conformance::request::{CaseRequest, exchange, introspection};
use crate::tools::conformance::verdict::Level::Should;
use crate::tools::conformance::verdict::{CaseResult, CaseVerdict, ensure, fail, skip};
use crate::words::oauth::urn::TokenType;

/// Cases about the token that an exchange with an actor token issues.
const DELEGATED: ConformanceCase =
    must("", "RFC 8693 4.1", "").sends("the actor token").needs(&[Need::Actor]).after(Premise::Delegation);

/// Claims that are about a token and not about an actor.
const ABOUT_THE_TOKEN: [&str; 9] = ["exp", "nbf", "iat", "aud", "jti", "scope", "may_act", "cnf", "auth_time"];

pub(super) const CASES: &[ConformanceCase] = &[
    DELEGATED
        .named("actor", "an actor token is not ignored: the issued token names the actor, or there is none")
        .of("RFC 8693 1.1")
        .expects("200 with act, or a clear refusal")
        .after(Premise::Exchange)
        .asks(delegated, |seen| {
            seen.offered()?;
            ensure(seen.claims()?.contains_key("act"), "ignored: the issued token names no actor")
        }),
    DELEGATED
        .named("actor-garbage", "an actor token that is no token is not ignored")
        .of("RFC 8693 2.2.2")
        .sends("actor_token no-token")
        .expects("400 invalid_request")
        .needs(&[])
        .after(Premise::Exchange)
        .asks(
            |with| exchange(with).with("actor_token", "no-token").with("actor_token_type", &with.subject.kind),
            invalid,
        ),
    DELEGATED
        .named("actor-type-unknown", "an actor_token_type that is not known is refused")
        .of("RFC 8693 2.1")
        .sends("the actor token as urn:example:no-such-type")
        .expects("400 invalid_request")
        .asks(|with| delegated(with).set("actor_token_type", "urn:example:no-such-type"), invalid),
    DELEGATED
        .named("actor-type-saml", "the actor token is validated as the type that is named")
        .of("RFC 8693 2.1")
        .sends("the actor token as …:saml2")
        .expects("400 invalid_request")
        .needs(&[Need::Actor, Need::JwtActor])
        .asks(|with| delegated(with).set("actor_token_type", TokenType::Saml2.urn()), invalid),
    DELEGATED
        .named("actor-altered", "an actor token that was altered is refused")
        .of("RFC 8693 2.2.2")
        .sends("another sub in the actor token under the same signature")
        .expects("400 invalid_request")
        .needs(&[Need::Actor, Need::JwtActor])
        .asks(|with| exchange(with).actor(&forge::other_subject(&with.token(Need::Actor))), invalid),
    DELEGATED
        .named("actor-unsecured", "an unsecured JWT is no actor token")
        .of("RFC 8725 3.2")
        .sends("the actor token's claims with alg none")
        .expects("400 invalid_request")
        .needs(&[Need::Actor, Need::JwtActor])
        .asks(|with| exchange(with).actor(&forge::unsecured(&with.token(Need::Actor))), invalid),
    DELEGATED
        .named("actor-expired", "an actor token that has expired is refused")
        .of("RFC 8693 2.2.2")
        .sends("an expired actor token")
        .expects("400 invalid_request")
        .needs(&[Need::Actor, Need::ExpiredActor])
        .asks(|with| exchange(with).actor(&with.token(Need::ExpiredActor)), invalid),
    DELEGATED
        .named("act-object", "act is a JSON object")
        .expects("act, an object")
        .asks(delegated, |seen| act(seen).map(|_| ())),
    DELEGATED
        .named("act-actor", "act names the actor of the actor token")
        .expects("act.sub is the actor token's sub")
        .needs(&[Need::Actor, Need::JwtActor])
        .asks(delegated, |seen| {
            let actor = seen.with.token(Need::Actor).claim("sub");
            ensure(act(seen)?.get("sub").and_then(Value::as_str) == actor.as_deref(), "another sub")
        }),
    DELEGATED
        .named("act-issuer", "an actor of another issuer is named with its issuer")
        .level(Should)
        .expects("act.iss, where the actor token's iss is not the issued token's")
        .needs(&[Need::Actor, Need::JwtActor])
        .asks(delegated, |seen| {
            let own = seen.claims()?.get("iss").and_then(Value::as_str).map(str::to_owned);
            let actors = seen.with.token(Need::Actor).claim("iss");
            let act = act(seen)?;
            match act.get("iss").and_then(Value::as_str) {
                Some(named) => ensure(Some(named) == actors.as_deref(), "another iss"),
                None => ensure(actors == own, "no iss, though the actor is of another issuer"),
            }
        }),
    DELEGATED
        .named("act-identity-only", "act says who acts, and has no claims about a token")
        .expects("no exp, nbf, iat, aud, jti, scope, may_act, cnf or auth_time in act")
        .asks(delegated, |seen| {
            let mut level = Some(act(seen)?);
            while let Some(act) = level {
                if let Some(found) = ABOUT_THE_TOKEN.iter().find(|name| act.contains_key(**name)) {
                    return fail(format!("it has {found}"));
                }
                level = act.get("act").and_then(Value::as_object).cloned();
            }
            Ok(())
        }),
    DELEGATED
        .named("act-subject", "with an actor the issued token is still about the subject")
        .of("RFC 8693 1.1")
        .expects("sub is the subject token's")
        .needs(&[Need::Actor, Need::JwtSubject])
        .asks(delegated, |seen| {
            let claims = seen.claims()?;
            let subject = seen.with.subject.claim("sub");
            ensure(claims.get("sub").and_then(Value::as_str) == subject.as_deref(), "another sub")
        }),
    DELEGATED
        .named("act-introspection", "introspection of the issued token tells the actor")
        .of("RFC 8693 7.3")
        .level(Should)
        .sends("the actor token; then the issued token to the introspection endpoint")
        .expects("act, as in the token")
        .needs(&[Need::Actor, Need::Introspection])
        .asks_twice(
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
