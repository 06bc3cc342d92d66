//! RFC 6749 section 3.2: the endpoint.

use std::net::IpAddr;

use crate::tools::conformance::case::Play::{Ask, Look};
use crate::tools::conformance::case::{CASE, ConformanceCase, Premise};
use crate::tools::conformance::inputs::Inputs;
use crate::tools::conformance::judge::not_issued;
use crate::tools::conformance::request::{CaseRequest, Writing, exchange};
use crate::tools::conformance::verdict::{ensure, skip};
use crate::words::oauth::urn;

pub(super) const CASES: &[ConformanceCase] = &[
    ConformanceCase {
        id: "endpoint-tls",
        section: "RFC 6749 3.2",
        title: "the token endpoint is asked over TLS",
        sent: "nothing",
        expected: "an https URL and a certificate that is trusted",
        premise: Premise::None,
        play: Look(|with| {
            let loopback = with.endpoint.host().is_some_and(|host| {
                let host = host.trim_matches(['[', ']']);
                host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
            });
            match with.endpoint.scheme_str() {
                Some("https") if with.insecure => skip("--insecure: the certificate was not looked at"),
                Some("https") => Ok(()),
                _ if loopback => skip("on loopback: whoever stands in front has TLS"),
                _ => ensure(false, "http"),
            }
        }),
        ..CASE
    },
    ConformanceCase {
        id: "endpoint-get",
        section: "RFC 6749 3.2",
        title: "requests are made by POST",
        sent: "GET with a grant_type in the query",
        expected: "no token, an error of the client's",
        play: Ask(
            |with| {
                let mut request = CaseRequest { get: true, ..exchange(with) };
                request.query.push("grant_type", urn::GRANT_TOKEN_EXCHANGE);
                request
            },
            |seen| not_issued(seen.answer),
        ),
        ..CASE
    },
    ConformanceCase {
        id: "endpoint-query",
        section: "RFC 8693 2.1",
        title: "parameters stand in the body",
        sent: "subject_token_type in the query",
        expected: "no token",
        play: Ask(
            |with| {
                let mut request = exchange(with).without("subject_token_type");
                request.query.push("subject_token_type", &with.subject.kind);
                request
            },
            |seen| not_issued(seen.answer),
        ),
        ..CASE
    },
    ConformanceCase {
        id: "endpoint-json",
        section: "RFC 8693 2.1",
        title: "the body is a form",
        sent: "the parameters as a JSON object",
        expected: "no token",
        play: Ask(|with| exchange(with).written(Writing::Json), |seen| not_issued(seen.answer)),
        ..CASE
    },
    ConformanceCase {
        id: "repeated-subject-token",
        title: "subject_token must not be repeated",
        sent: "subject_token twice, the same",
        play: Ask(|with| twice(with, "subject_token"), |seen| seen.refused(&["invalid_request"])),
        ..REPEATED
    },
    ConformanceCase {
        id: "repeated-subject-token-type",
        title: "subject_token_type must not be repeated",
        sent: "subject_token_type twice, the same",
        play: Ask(|with| twice(with, "subject_token_type"), |seen| seen.refused(&["invalid_request"])),
        ..REPEATED
    },
    ConformanceCase {
        id: "repeated-grant-type",
        title: "grant_type must not be repeated",
        sent: "grant_type twice, the same",
        play: Ask(|with| twice(with, "grant_type"), |seen| seen.refused(&["invalid_request"])),
        ..REPEATED
    },
    ConformanceCase {
        id: "repeated-requested-token-type",
        title: "requested_token_type must not be repeated",
        sent: "requested_token_type twice, the same",
        play: Ask(
            |with| {
                let kind = urn::TokenType::AccessToken.urn();
                exchange(with).with("requested_token_type", kind).with("requested_token_type", kind)
            },
            |seen| seen.refused(&["invalid_request"]),
        ),
        ..REPEATED
    },
    ConformanceCase {
        id: "repeated-scope",
        title: "scope must not be repeated",
        sent: "scope twice",
        play: Ask(
            |with| {
                let scope = with.scopes.first().map_or("openid", String::as_str);
                exchange(with).with("scope", scope).with("scope", scope)
            },
            |seen| seen.refused(&["invalid_request"]),
        ),
        ..REPEATED
    },
];

/// RFC 8693 lets `audience` and `resource` be repeated, and nothing else.
const REPEATED: ConformanceCase = ConformanceCase { section: "RFC 6749 3.2", expected: "400 invalid_request", ..CASE };

fn twice(with: &Inputs, name: &str) -> CaseRequest {
    let request = exchange(with);
    let value = request.fields.one(name).unwrap_or_default().to_owned();
    request.with(name, &value)
}
