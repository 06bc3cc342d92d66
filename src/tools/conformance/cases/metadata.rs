//! RFC 8693 section 7 and RFC 8414: what the server says of itself.

use serde_json::Value;

use crate::tools::conformance::case::{ConformanceCase, Premise, must};
use crate::tools::conformance::inputs::{Inputs, Need};
use crate::tools::conformance::verdict::Level::Should;
use crate::tools::conformance::verdict::{CaseResult, ensure, skip};
use crate::words::oauth::urn;

const METADATA: ConformanceCase =
    must("", "RFC 8414 2", "").sends("nothing; its metadata is read").needs(&[Need::Metadata]).after(Premise::None);

pub(super) const CASES: &[ConformanceCase] = &[
    METADATA
        .named("metadata-grant", "the grant type is announced by its registered name")
        .of("RFC 8693 7.1")
        .level(Should)
        .expects("grant_types_supported has the URN")
        .looks(|with| lists(with, "grant_types_supported", urn::GRANT_TOKEN_EXCHANGE)),
    METADATA
        .named("metadata-endpoint", "the token endpoint is the one that is announced")
        .expects("token_endpoint is the URL that was asked")
        .looks(|with| {
            let announced = with.metadata.as_ref().and_then(|document| document.get("token_endpoint"));
            ensure(announced.and_then(Value::as_str) == Some(&with.endpoint.to_string()), "another URL")
        }),
    METADATA
        .named("metadata-authentication", "the client's way to authenticate is announced")
        .level(Should)
        .expects("token_endpoint_auth_methods_supported has it")
        .needs(&[Need::Metadata, Need::ClientSecret])
        .looks(|with| {
            let method = if with.client.basic { "client_secret_basic" } else { "client_secret_post" };
            lists(with, "token_endpoint_auth_methods_supported", method)
        }),
];

fn lists(with: &Inputs, member: &str, value: &str) -> CaseResult {
    match with.metadata.as_ref().and_then(|document| document.get(member)) {
        None => skip(format!("no {member}")),
        Some(list) => {
            let there = list.as_array().is_some_and(|list| list.iter().any(|one| one == value));
            ensure(there, "it is not there")
        }
    }
}
