//! RFC 7519 and RFC 8693: the claims of the issued token.

use serde_json::Value;

use crate::judgement::jose::jws::SUPPORTED;
use crate::judgement::jose::verify::verify_payload;
use crate::tools::conformance::answer::{audiences, header_of};
use crate::tools::conformance::case::{ConformanceCase, may, must, should};
use crate::tools::conformance::inputs::Need;
use crate::tools::conformance::judge::{SeenAnswers, issued, number};
use crate::tools::conformance::request::exchange;
use crate::tools::conformance::verdict::{CaseVerdict, ensure, fail, skip};

/// How far a clock may be ahead, in seconds.
const SLACK: f64 = 10.0;

pub(super) const CASES: &[ConformanceCase] = &[
    must("token-signature", "RFC 7515 5.2", "the issued JWT verifies by the server's published keys")
        .expects("a good signature")
        .needs(&[Need::Keys])
        .asks(exchange, |seen| {
            let token = jwt(seen)?;
            let algorithms: Vec<_> = SUPPORTED.iter().map(|(_, algorithm)| *algorithm).collect();
            let Some(keys) = &seen.with.keys else { return skip(Need::Keys.missing()) };
            verify_payload(&token, keys, &algorithms).map(|_| ()).or_else(|error| fail(error.to_string()))
        }),
    must("token-algorithm", "RFC 8725 3.2", "the issued JWT is secured").expects("alg is not none").asks(
        exchange,
        |seen| {
            let header = header_of(&jwt(seen)?).unwrap_or_default();
            let algorithm = header.get("alg").and_then(Value::as_str).unwrap_or("none");
            ensure(!algorithm.eq_ignore_ascii_case("none"), "alg none")
        },
    ),
    must("token-issuer", "RFC 7519 4.1.1", "the issued token names the server as its issuer")
        .expects("iss is the server's issuer identifier")
        .needs(&[Need::Issuer])
        .asks(exchange, |seen| {
            let claims = seen.claims()?;
            ensure(claims.get("iss").and_then(Value::as_str) == seen.with.issuer.as_deref(), "another iss")
        }),
    must("token-subject", "RFC 8693 1.1", "the issued token is about the subject of the subject token")
        .expects("the same sub")
        .needs(&[Need::JwtSubject])
        .asks(exchange, |seen| {
            let claims = seen.claims()?;
            let Some(subject) = seen.with.subject.claim("sub") else {
                return skip("the subject token has no sub");
            };
            ensure(claims.get("sub").and_then(Value::as_str) == Some(&subject), "another sub")
        }),
    must("token-expiry", "RFC 7519 4.1.4", "the issued token has not expired")
        .expects("exp, if there, is a number and lies in the future")
        .asks(exchange, |seen| match seen.claims()?.get("exp") {
            None => skip("no exp"),
            Some(exp) => {
                let after = exp.as_f64().is_some_and(|exp| exp > now(seen));
                ensure(after, "no number, or past")
            }
        }),
    must("token-times", "RFC 7519 4.1.6", "the issued token is valid now")
        .expects("iat and nbf, if there, are numbers and do not lie in the future")
        .asks(exchange, |seen| {
            let claims = seen.claims()?;
            let late = |name: &str| {
                claims.contains_key(name) && number(&claims, name).is_none_or(|time| time > now(seen) + SLACK)
            };
            ensure(!late("iat") && !late("nbf"), "no number, or in the future")
        }),
    must("token-audience", "RFC 7519 4.1.3", "aud is one text or a list of texts")
        .expects("aud, if there, is a string or an array of strings")
        .asks(exchange, |seen| {
            let claims = seen.claims()?;
            let many = claims.get("aud").and_then(Value::as_array).map_or(1, Vec::len);
            let fits = !claims.contains_key("aud") || audiences(&claims).len() == many;
            ensure(fits, "it is neither")
        }),
    must("token-id", "RFC 7519 4.1.7", "two issued tokens have two identifiers")
        .sends("the plain exchange twice")
        .expects("jti, if there, differs")
        .asks_twice(
            // The second request names the default type, so that it differs from the first and is sent.
            exchange,
            |seen| {
                issued(seen.answer)?;
                let kind = seen.answer.text("issued_token_type").unwrap_or_default();
                Ok(exchange(seen.with).with("requested_token_type", &kind))
            },
            |seen| {
                let first = crate::tools::conformance::judge::claims(seen.first)?.remove("jti");
                match (first, seen.claims()?.remove("jti")) {
                    (Some(one), Some(other)) => ensure(one != other, "the same jti twice"),
                    _ => skip("no jti"),
                }
            },
        ),
    must("token-not-delegated", "RFC 8693 4.1", "without an actor the issued token names none")
        .expects("no act")
        .needs(&[Need::JwtSubject])
        .asks(exchange, |seen| {
            let claims = seen.claims()?;
            let before = crate::tools::conformance::answer::claims_of(seen.with.subject.text.expose());
            if before.is_some_and(|claims| claims.contains_key("act")) {
                return skip("the subject token has act");
            }
            ensure(!claims.contains_key("act"), "it has act")
        }),
    may("token-client", "RFC 8693 4.3", "client_id is the client that asked")
        .expects("client_id, if there, is the client's")
        .asks(exchange, |seen| match seen.claims()?.get("client_id") {
            None => Err(CaseVerdict::Unsupported("the token has no client_id".to_owned())),
            Some(id) => ensure(*id == seen.with.client.id.as_str(), "another client_id"),
        }),
    should("token-type-header", "RFC 9068 2.1", "a JWT access token says so in its header").expects("typ at+jwt").asks(
        exchange,
        |seen| {
            let header = header_of(&jwt(seen)?).unwrap_or_default();
            let typ = header.get("typ").and_then(Value::as_str).unwrap_or_default();
            let fits = ["at+jwt", "application/at+jwt"].iter().any(|name| name.eq_ignore_ascii_case(typ));
            ensure(fits, "another typ")
        },
    ),
];

fn jwt(seen: &SeenAnswers<'_>) -> Result<String, CaseVerdict> {
    let token = seen.answer.token().unwrap_or_default();
    if header_of(&token).is_some() { Ok(token) } else { skip("the token is no JWT") }
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
fn now(seen: &SeenAnswers<'_>) -> f64 {
    seen.answer.at.as_second() as f64
}
