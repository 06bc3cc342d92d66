//! RFC 8693 section 2.1: the parameters of a request.

use crate::tools::conformance::case::{ConformanceCase, Premise, must, should};
use crate::tools::conformance::inputs::Need;
use crate::tools::conformance::judge::issued;
use crate::tools::conformance::request::exchange;
use crate::words::oauth::urn::{self, TokenType};

const INVALID: &[&str] = &["invalid_request"];

pub(super) const CASES: &[ConformanceCase] = &[
    must("exchange", "RFC 8693 2.1", "a subject token is exchanged")
        .expects("200 with a token")
        .after(Premise::None)
        .asks(exchange, |seen| issued(seen.answer)),
    must("grant-type-exact", "RFC 8693 2.1", "grant_type is the URN and nothing like it")
        .sends("the URN's last part in upper case")
        .expects("400 unsupported_grant_type")
        .asks(
            |with| {
                let name = urn::GRANT_TOKEN_EXCHANGE.replace("token-exchange", "TOKEN-EXCHANGE");
                exchange(with).set("grant_type", &name)
            },
            |seen| seen.refused(&["unsupported_grant_type"]),
        ),
    must("grant-type-missing", "RFC 6749 5.2", "grant_type is required")
        .sends("no grant_type")
        .expects("400 invalid_request")
        .asks(|with| exchange(with).without("grant_type"), |seen| seen.refused(INVALID)),
    must("subject-token-missing", "RFC 8693 2.1", "subject_token is required")
        .sends("no subject_token")
        .expects("400 invalid_request")
        .asks(|with| exchange(with).without("subject_token"), |seen| seen.refused(INVALID)),
    must("subject-token-empty", "RFC 6749 3.2", "a required parameter without a value is missing")
        .sends("subject_token without a value")
        .expects("400 invalid_request")
        .asks(|with| exchange(with).set("subject_token", ""), |seen| seen.refused(INVALID)),
    must("subject-token-type-missing", "RFC 8693 2.1", "subject_token_type is required")
        .sends("no subject_token_type")
        .expects("400 invalid_request")
        .asks(|with| exchange(with).without("subject_token_type"), |seen| seen.refused(INVALID)),
    must("subject-token-type-unknown", "RFC 8693 2.1", "a subject_token_type that is not known is refused")
        .sends("subject_token_type urn:example:no-such-type")
        .expects("400 invalid_request")
        .asks(
            |with| exchange(with).set("subject_token_type", "urn:example:no-such-type"),
            |seen| seen.refused(INVALID),
        ),
    should("subject-token-type-short", "RFC 8693 3", "token types are named by URI")
        .sends("subject_token_type access_token")
        .expects("400 invalid_request")
        .asks(|with| exchange(with).set("subject_token_type", "access_token"), |seen| seen.refused(INVALID)),
    must(
        "subject-token-type-saml",
        "RFC 8693 2.1",
        "the token is validated as the type that is named: no JWT is a SAML assertion",
    )
    .sends("the subject token as …:saml2")
    .expects("400 invalid_request")
    .needs(&[Need::JwtSubject])
    .asks(|with| exchange(with).set("subject_token_type", TokenType::Saml2.urn()), |seen| seen.refused(INVALID)),
    must(
        "subject-token-type-refresh",
        "RFC 8693 2.1",
        "the token is validated as the type that is named: no access token is a refresh token",
    )
    .sends("the subject token as …:refresh_token")
    .expects("400 invalid_request")
    .asks(|with| exchange(with).set("subject_token_type", TokenType::RefreshToken.urn()), |seen| seen.refused(INVALID)),
    must("actor-token-type-missing", "RFC 8693 2.1", "actor_token_type is required with actor_token")
        .sends("actor_token (the subject's) without actor_token_type")
        .expects("400 invalid_request")
        .asks(|with| exchange(with).with("actor_token", with.subject.text.expose()), |seen| seen.refused(INVALID)),
    must("actor-token-type-alone", "RFC 8693 2.1", "actor_token_type must not come without actor_token")
        .sends("actor_token_type without actor_token")
        .expects("400 invalid_request")
        .asks(|with| exchange(with).with("actor_token_type", &with.subject.kind), |seen| seen.refused(INVALID)),
    must("actor-token-empty", "RFC 6749 3.2", "parameters without a value are omitted: there is no actor")
        .sends("actor_token and actor_token_type without values")
        .expects("200 with a token")
        .asks(|with| exchange(with).with("actor_token", "").with("actor_token_type", ""), |seen| issued(seen.answer)),
    must(
        "requested-token-type-empty",
        "RFC 6749 3.2",
        "a parameter without a value is omitted: the type is the server's choice",
    )
    .sends("requested_token_type without a value")
    .expects("200 with a token")
    .asks(|with| exchange(with).with("requested_token_type", ""), |seen| issued(seen.answer)),
    must("unknown-parameter", "RFC 6749 3.2", "a parameter that is not known is ignored")
        .sends("a parameter of the suite's own")
        .expects("200 with a token")
        .asks(|with| exchange(with).with("x-conformance-of", "rfc8693"), |seen| issued(seen.answer)),
];
