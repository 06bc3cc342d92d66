//! RFC 8693 section 2.2.2 and RFC 6749 section 5.2: the answer without a token.

use crate::tools::conformance::case::{ConformanceCase, must};
use crate::tools::conformance::inputs::Inputs;
use crate::tools::conformance::judge::{CODES, SeenAnswers};
use crate::tools::conformance::request::{CaseRequest, exchange};
use crate::tools::conformance::verdict::Level::Should;
use crate::tools::conformance::verdict::{CaseResult, ensure, fail, skip};

/// Cases about the refusal of an invalid subject token.
const ERROR: ConformanceCase = must("", "RFC 6749 5.2", "").sends("a subject token that is no token");

/// Characters that `error` and `error_description` must not contain.
const HOSTILE: &str = "urn:example:\"quote\"\\back\u{e9}\u{7}";

pub(super) const CASES: &[ConformanceCase] = &[
    ERROR
        .named("error-status", "the status of a refusal is 400")
        .expects("400")
        .asks(refusal, |seen| ensure(seen.answer.status == 400, &seen.answer.told())),
    ERROR.named("error-media-type", "a refusal is application/json").expects("Content-Type: application/json").asks(
        refusal,
        |seen| {
            let kind = seen.answer.header("content-type").unwrap_or_default();
            let kind = kind.split(';').next().unwrap_or_default().trim();
            ensure(kind.eq_ignore_ascii_case("application/json"), "another Content-Type")
        },
    ),
    ERROR
        .named("error-code", "error is one code of the specifications")
        .expects("one of the codes of RFC 6749 5.2 and RFC 8693 2.2.2")
        .asks(refusal, |seen| match seen.answer.text("error") {
            Some(code) => ensure(CODES.contains(&code.as_str()), &seen.answer.told()),
            None => fail("no error"),
        }),
    ERROR
        .named("error-description", "error_description is ASCII without quotes and backslashes")
        .expects("error_description, if there, in %x20-21, %x23-5B, %x5D-7E")
        .asks(refusal, description),
    ERROR
        .named("error-description-echo", "what a caller sends does not make error_description malformed")
        .sends("a requested_token_type with quotes, a backslash and other letters")
        .expects("no token; error_description, if there, in %x20-21, %x23-5B, %x5D-7E")
        .asks(
            |with| exchange(with).with("requested_token_type", HOSTILE),
            |seen| {
                ensure(!seen.answer.issued(), &seen.answer.told())?;
                description(seen)
            },
        ),
    ERROR
        .named("error-description-scope", "nor does a scope")
        .sends("a scope with quotes, a backslash and other letters")
        .expects("error_description, if there, in %x20-21, %x23-5B, %x5D-7E")
        .asks(|with| exchange(with).with("scope", HOSTILE), description),
    ERROR
        .named("error-uri", "error_uri is a URI reference")
        .expects("error_uri, if there, without spaces, quotes and backslashes")
        .asks(refusal, |seen| match seen.answer.text("error_uri") {
            None => skip("no error_uri"),
            Some(uri) => {
                let fits = uri.bytes().all(|b| b == 0x21 || (0x23..=0x5b).contains(&b) || (0x5d..0x7f).contains(&b));
                ensure(fits, "other characters")
            }
        }),
    ERROR.named("error-no-token", "a refusal has no token").expects("no access_token, no issued_token_type").asks(
        refusal,
        |seen| {
            let json = seen.answer.json().unwrap_or_default();
            let there = ["access_token", "issued_token_type", "refresh_token"];
            ensure(!there.iter().any(|name| json.contains_key(*name)), "it has one")
        },
    ),
    ERROR.named("error-no-store", "a refusal is not stored").level(Should).expects("Cache-Control: no-store").asks(
        refusal,
        |seen| {
            let value = seen.answer.header("cache-control").unwrap_or_default();
            let there = value.split(',').any(|one| one.trim().eq_ignore_ascii_case("no-store"));
            ensure(there, "no Cache-Control: no-store")
        },
    ),
];

fn refusal(with: &Inputs) -> CaseRequest {
    exchange(with).set("subject_token", "no-token")
}

fn description(seen: &SeenAnswers<'_>) -> CaseResult {
    let Some(json) = seen.answer.json() else { return fail(seen.answer.told()) };
    match json.get("error_description") {
        None => Ok(()),
        Some(serde_json::Value::String(text)) => {
            let fits = text.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e));
            ensure(fits, "other characters in error_description")
        }
        Some(_) => fail("error_description is no string"),
    }
}
