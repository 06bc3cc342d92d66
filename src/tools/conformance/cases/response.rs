//! RFC 8693 section 2.2.1 and RFC 6749 section 5.1: the answer with a token.

use serde_json::Value;

use crate::tools::conformance::case::{ConformanceCase, must, should};
use crate::tools::conformance::judge::{SeenAnswers, number};
use crate::tools::conformance::request::exchange;
use crate::tools::conformance::verdict::{ensure, fail, skip};
use crate::words::oauth::json;

/// Tolerance for clocks and rounding, in seconds.
const SLACK: f64 = 10.0;

pub(super) const CASES: &[ConformanceCase] = &[
    must("answer-status", "RFC 6749 5.1", "the status is 200")
        .expects("200")
        .asks(exchange, |seen| ensure(seen.answer.status == 200, &seen.answer.told())),
    must("answer-media-type", "RFC 8693 2.2.1", "the answer is application/json")
        .expects("Content-Type: application/json")
        .asks(exchange, |seen| ensure(is_json(seen), "another Content-Type")),
    must("answer-no-store", "RFC 6749 5.1", "the answer must not be stored")
        .expects("Cache-Control: no-store")
        .asks(exchange, |seen| ensure(lists(seen, "cache-control", "no-store"), "no Cache-Control: no-store")),
    must("answer-pragma", "RFC 6749 5.1", "nor by caches of HTTP/1.0")
        .expects("Pragma: no-cache")
        .asks(exchange, |seen| ensure(lists(seen, "pragma", "no-cache"), "no Pragma: no-cache")),
    should("answer-names-once", "RFC 8259 4", "every name in the answer stands once")
        .expects("JSON without repeated names")
        .asks(exchange, |seen| {
            let read = json::object(&seen.answer.body);
            read.map(|_| ()).or_else(|error| fail(error.to_string()))
        }),
    must("access-token", "RFC 8693 2.2.1", "access_token holds the issued token, in characters that a token may have")
        .expects("access_token, a text of visible ASCII")
        .asks(exchange, |seen| {
            let token = seen.answer.token().unwrap_or_default();
            let visible = token.bytes().all(|byte| (0x20..0x7f).contains(&byte));
            ensure(!token.is_empty() && visible, "other characters")
        }),
    should("access-token-new", "RFC 8693 1.1", "the issued token is not the subject token again")
        .expects("another token")
        .asks(exchange, |seen| {
            let token = seen.answer.token().unwrap_or_default();
            ensure(token != seen.with.subject.text.expose(), "the subject token itself")
        }),
    must("issued-token-type", "RFC 8693 2.2.1", "issued_token_type is required").expects("issued_token_type").asks(
        exchange,
        |seen| {
            let kind = seen.answer.text("issued_token_type");
            ensure(kind.is_some_and(|kind| !kind.is_empty()), "no issued_token_type")
        },
    ),
    must("token-type", "RFC 8693 2.2.1", "token_type is required").expects("token_type").asks(exchange, |seen| {
        let kind = seen.answer.text("token_type");
        ensure(kind.is_some_and(|kind| !kind.is_empty()), "no token_type")
    }),
    should("expires-in", "RFC 8693 2.2.1", "expires_in says how long the token is valid").expects("expires_in").asks(
        exchange,
        |seen| {
            let told = seen.answer.json().is_some_and(|json| json.contains_key("expires_in"));
            ensure(told, "no expires_in")
        },
    ),
    must("expires-in-number", "RFC 6749 5.1", "expires_in is a number of seconds, more than none")
        .expects("expires_in, if there, is a JSON number above 0")
        .asks(exchange, |seen| match seen.answer.json().as_ref().and_then(|json| json.get("expires_in").cloned()) {
            None => skip("no expires_in"),
            Some(Value::Number(seconds)) => {
                ensure(seconds.as_f64().is_some_and(|seconds| seconds > 0.0), "not above 0")
            }
            Some(_) => fail("it is no number"),
        }),
    must("expires-in-true", "RFC 8693 2.2.1", "expires_in is the token's own expiry")
        .expects("expires_in is exp less the time now")
        .asks(exchange, |seen| {
            let told = seen.answer.json().as_ref().and_then(|json| number(json, "expires_in"));
            let (Some(told), Some(exp)) = (told, number(&seen.claims()?, "exp")) else {
                return skip("no expires_in or no exp");
            };
            #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
            let left = exp - seen.answer.at.as_second() as f64;
            ensure((left - told).abs() <= SLACK, "the token expires at another time")
        }),
    should("refresh-token-unasked", "RFC 8693 2.2.1", "no refresh token comes unasked")
        .expects("no refresh_token")
        .asks(exchange, |seen| {
            let there = seen.answer.json().is_some_and(|json| json.contains_key("refresh_token"));
            ensure(!there, "a refresh token, too")
        }),
    must("answer-texts", "RFC 6749 5.1", "texts in the answer are JSON strings")
        .expects("token_type, scope and refresh_token, if there, are strings")
        .asks(exchange, |seen| {
            let json = seen.answer.json().unwrap_or_default();
            let texts = ["token_type", "issued_token_type", "scope", "refresh_token"];
            let wrong = texts.iter().any(|name| json.get(*name).is_some_and(|value| !value.is_string()));
            ensure(!wrong, "one is no string")
        }),
];

fn is_json(seen: &SeenAnswers<'_>) -> bool {
    let kind = seen.answer.header("content-type").unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn lists(seen: &SeenAnswers<'_>, header: &str, directive: &str) -> bool {
    let values = seen.answer.headers.get_all(header).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(directive))
}
