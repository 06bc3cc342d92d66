//! RFC 8693 section 2.2.1 and RFC 6749 section 5.1: the answer with a token.

use serde_json::Value;

use crate::tools::conformance::case::Play::Ask;
use crate::tools::conformance::case::{CASE, ConformanceCase};
use crate::tools::conformance::judge::{SeenAnswers, number};
use crate::tools::conformance::request::exchange;
use crate::tools::conformance::verdict::Level::Should;
use crate::tools::conformance::verdict::{ensure, fail, skip};
use crate::words::oauth::json;

/// Tolerance for clocks and rounding, in seconds.
const SLACK: f64 = 10.0;

pub(super) const CASES: &[ConformanceCase] = &[
    ConformanceCase {
        id: "answer-status",
        section: "RFC 6749 5.1",
        title: "the status is 200",
        expected: "200",
        play: Ask(exchange, |seen| ensure(seen.answer.status == 200, &seen.answer.told())),
        ..CASE
    },
    ConformanceCase {
        id: "answer-media-type",
        section: "RFC 8693 2.2.1",
        title: "the answer is application/json",
        expected: "Content-Type: application/json",
        play: Ask(exchange, |seen| ensure(is_json(seen), "another Content-Type")),
        ..CASE
    },
    ConformanceCase {
        id: "answer-no-store",
        section: "RFC 6749 5.1",
        title: "the answer must not be stored",
        expected: "Cache-Control: no-store",
        play: Ask(exchange, |seen| ensure(lists(seen, "cache-control", "no-store"), "no Cache-Control: no-store")),
        ..CASE
    },
    ConformanceCase {
        id: "answer-pragma",
        section: "RFC 6749 5.1",
        title: "nor by caches of HTTP/1.0",
        expected: "Pragma: no-cache",
        play: Ask(exchange, |seen| ensure(lists(seen, "pragma", "no-cache"), "no Pragma: no-cache")),
        ..CASE
    },
    ConformanceCase {
        id: "answer-names-once",
        section: "RFC 8259 4",
        level: Should,
        title: "every name in the answer stands once",
        expected: "JSON without repeated names",
        play: Ask(exchange, |seen| {
            let read = json::object(&seen.answer.body);
            read.map(|_| ()).or_else(|error| fail(error.to_string()))
        }),
        ..CASE
    },
    ConformanceCase {
        id: "access-token",
        section: "RFC 8693 2.2.1",
        title: "access_token holds the issued token, in characters that a token may have",
        expected: "access_token, a text of visible ASCII",
        play: Ask(exchange, |seen| {
            let token = seen.answer.token().unwrap_or_default();
            let visible = token.bytes().all(|byte| (0x20..0x7f).contains(&byte));
            ensure(!token.is_empty() && visible, "other characters")
        }),
        ..CASE
    },
    ConformanceCase {
        id: "access-token-new",
        section: "RFC 8693 1.1",
        level: Should,
        title: "the issued token is not the subject token again",
        expected: "another token",
        play: Ask(exchange, |seen| {
            let token = seen.answer.token().unwrap_or_default();
            ensure(token != seen.with.subject.text.expose(), "the subject token itself")
        }),
        ..CASE
    },
    ConformanceCase {
        id: "issued-token-type",
        section: "RFC 8693 2.2.1",
        title: "issued_token_type is required",
        expected: "issued_token_type",
        play: Ask(exchange, |seen| {
            let kind = seen.answer.text("issued_token_type");
            ensure(kind.is_some_and(|kind| !kind.is_empty()), "no issued_token_type")
        }),
        ..CASE
    },
    ConformanceCase {
        id: "token-type",
        section: "RFC 8693 2.2.1",
        title: "token_type is required",
        expected: "token_type",
        play: Ask(exchange, |seen| {
            let kind = seen.answer.text("token_type");
            ensure(kind.is_some_and(|kind| !kind.is_empty()), "no token_type")
        }),
        ..CASE
    },
    ConformanceCase {
        id: "expires-in",
        section: "RFC 8693 2.2.1",
        level: Should,
        title: "expires_in says how long the token is valid",
        expected: "expires_in",
        play: Ask(exchange, |seen| {
            let told = seen.answer.json().is_some_and(|json| json.contains_key("expires_in"));
            ensure(told, "no expires_in")
        }),
        ..CASE
    },
    ConformanceCase {
        id: "expires-in-number",
        section: "RFC 6749 5.1",
        title: "expires_in is a number of seconds, more than none",
        expected: "expires_in, if there, is a JSON number above 0",
        play: Ask(exchange, |seen| {
            match seen.answer.json().as_ref().and_then(|json| json.get("expires_in").cloned()) {
                None => skip("no expires_in"),
                Some(Value::Number(seconds)) => {
                    ensure(seconds.as_f64().is_some_and(|seconds| seconds > 0.0), "not above 0")
                }
                Some(_) => fail("it is no number"),
            }
        }),
        ..CASE
    },
    ConformanceCase {
        id: "expires-in-true",
        section: "RFC 8693 2.2.1",
        title: "expires_in is the token's own expiry",
        expected: "expires_in is exp less the time now",
        play: Ask(exchange, |seen| {
            let told = seen.answer.json().as_ref().and_then(|json| number(json, "expires_in"));
            let (Some(told), Some(exp)) = (told, number(&seen.claims()?, "exp")) else {
                return skip("no expires_in or no exp");
            };
            #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
            let left = exp - seen.answer.at.as_second() as f64;
            ensure((left - told).abs() <= SLACK, "the token expires at another time")
        }),
        ..CASE
    },
    ConformanceCase {
        id: "refresh-token-unasked",
        section: "RFC 8693 2.2.1",
        level: Should,
        title: "no refresh token comes unasked",
        expected: "no refresh_token",
        play: Ask(exchange, |seen| {
            let there = seen.answer.json().is_some_and(|json| json.contains_key("refresh_token"));
            ensure(!there, "a refresh token, too")
        }),
        ..CASE
    },
    ConformanceCase {
        id: "answer-texts",
        section: "RFC 6749 5.1",
        title: "texts in the answer are JSON strings",
        expected: "token_type, scope and refresh_token, if there, are strings",
        play: Ask(exchange, |seen| {
            let json = seen.answer.json().unwrap_or_default();
            let texts = ["token_type", "issued_token_type", "scope", "refresh_token"];
            let wrong = texts.iter().any(|name| json.get(*name).is_some_and(|value| !value.is_string()));
            ensure(!wrong, "one is no string")
        }),
        ..CASE
    },
];

fn is_json(seen: &SeenAnswers<'_>) -> bool {
    let kind = seen.answer.header("content-type").unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn lists(seen: &SeenAnswers<'_>, header: &str, directive: &str) -> bool {
    let values = seen.answer.headers.get_all(header).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(directive))
}
