//! RFC 6749 section 3.2: the endpoint.

use std::net::IpAddr;

use crate::tools::conformance::case::{ConformanceCase, Premise, must};
use crate::tools::conformance::inputs::Inputs;
use crate::tools::conformance::judge::not_issued;
use crate::tools::conformance::request::{CaseRequest, Writing, exchange};
use crate::tools::conformance::verdict::{ensure, skip};
use crate::words::oauth::urn;

pub(super) const CASES: &[ConformanceCase] = &[
    must("endpoint-tls", "RFC 6749 3.2", "the token endpoint is asked over TLS")
        .sends("nothing")
        .expects("an https URL and a certificate that is trusted")
        .after(Premise::None)
        .looks(|with| {
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
    must("endpoint-get", "RFC 6749 3.2", "requests are made by POST")
        .sends("GET with a grant_type in the query")
        .expects("no token, an error of the client's")
        .asks(
            |with| {
                let mut request = CaseRequest { get: true, ..exchange(with) };
                request.query.push("grant_type", urn::GRANT_TOKEN_EXCHANGE);
                request
            },
            |seen| not_issued(seen.answer),
        ),
    must("endpoint-query", "RFC 8693 2.1", "parameters stand in the body")
        .sends("subject_token_type in the query")
        .expects("no token")
        .asks(
            |with| {
                let mut request = exchange(with).without("subject_token_type");
                request.query.push("subject_token_type", &with.subject.kind);
                request
            },
            |seen| not_issued(seen.answer),
        ),
    must("endpoint-json", "RFC 8693 2.1", "the body is a form")
        .sends("the parameters as a JSON object")
        .expects("no token")
        .asks(|with| exchange(with).written(Writing::Json), |seen| not_issued(seen.answer)),
    REPEATED
        .named("repeated-subject-token", "subject_token must not be repeated")
        .sends("subject_token twice, the same")
        .asks(|with| twice(with, "subject_token"), |seen| seen.refused(&["invalid_request"])),
    REPEATED
        .named("repeated-subject-token-type", "subject_token_type must not be repeated")
        .sends("subject_token_type twice, the same")
        .asks(|with| twice(with, "subject_token_type"), |seen| seen.refused(&["invalid_request"])),
    REPEATED
        .named("repeated-grant-type", "grant_type must not be repeated")
        .sends("grant_type twice, the same")
        .asks(|with| twice(with, "grant_type"), |seen| seen.refused(&["invalid_request"])),
    REPEATED
        .named("repeated-requested-token-type", "requested_token_type must not be repeated")
        .sends("requested_token_type twice, the same")
        .asks(
            |with| {
                let kind = urn::TokenType::AccessToken.urn();
                exchange(with).with("requested_token_type", kind).with("requested_token_type", kind)
            },
            |seen| seen.refused(&["invalid_request"]),
        ),
    REPEATED.named("repeated-scope", "scope must not be repeated").sends("scope twice").asks(
        |with| {
            let scope = with.scopes.first().map_or("openid", String::as_str);
            exchange(with).with("scope", scope).with("scope", scope)
        },
        |seen| seen.refused(&["invalid_request"]),
    ),
];

/// RFC 8693 lets `audience` and `resource` be repeated, and nothing else.
const REPEATED: ConformanceCase = must("", "RFC 6749 3.2", "").expects("400 invalid_request");

fn twice(with: &Inputs, name: &str) -> CaseRequest {
    let request = exchange(with);
    let value = request.fields.one(name).unwrap_or_default().to_owned();
    request.with(name, &value)
}
