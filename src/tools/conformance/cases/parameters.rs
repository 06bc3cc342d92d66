//! RFC 8693 section 2.1: the parameters of a request.

use crate::tools::conformance::case::Play::Ask;
use crate::tools::conformance::case::{CASE, ConformanceCase, Premise};
use crate::tools::conformance::inputs::Need;
use crate::tools::conformance::judge::issued;
use crate::tools::conformance::request::exchange;
use crate::tools::conformance::verdict::Level::{Must, Should};
use crate::words::oauth::urn::{self, TokenType};

const INVALID: &[&str] = &["invalid_request"];

pub(super) const CASES: &[ConformanceCase] = &[
    ConformanceCase {
        id: "exchange",
        section: "RFC 8693 2.1",
        title: "a subject token is exchanged",
        expected: "200 with a token",
        premise: Premise::None,
        play: Ask(exchange, |seen| issued(seen.answer)),
        ..CASE
    },
    ConformanceCase {
        id: "grant-type-exact",
        section: "RFC 8693 2.1",
        title: "grant_type is the URN and nothing like it",
        sent: "the URN's last part in upper case",
        expected: "400 unsupported_grant_type",
        play: Ask(
            |with| {
                let name = urn::GRANT_TOKEN_EXCHANGE.replace("token-exchange", "TOKEN-EXCHANGE");
                exchange(with).set("grant_type", &name)
            },
            |seen| seen.refused(&["unsupported_grant_type"]),
        ),
        ..CASE
    },
    ConformanceCase {
        id: "grant-type-missing",
        section: "RFC 6749 5.2",
        title: "grant_type is required",
        sent: "no grant_type",
        expected: "400 invalid_request",
        play: Ask(|with| exchange(with).without("grant_type"), |seen| seen.refused(INVALID)),
        ..CASE
    },
    ConformanceCase {
        id: "subject-token-missing",
        section: "RFC 8693 2.1",
        title: "subject_token is required",
        sent: "no subject_token",
        expected: "400 invalid_request",
        play: Ask(|with| exchange(with).without("subject_token"), |seen| seen.refused(INVALID)),
        ..CASE
    },
    ConformanceCase {
        id: "subject-token-empty",
        section: "RFC 6749 3.2",
        title: "a required parameter without a value is missing",
        sent: "subject_token without a value",
        expected: "400 invalid_request",
        play: Ask(|with| exchange(with).set("subject_token", ""), |seen| seen.refused(INVALID)),
        ..CASE
    },
    ConformanceCase {
        id: "subject-token-type-missing",
        section: "RFC 8693 2.1",
        title: "subject_token_type is required",
        sent: "no subject_token_type",
        expected: "400 invalid_request",
        play: Ask(|with| exchange(with).without("subject_token_type"), |seen| seen.refused(INVALID)),
        ..CASE
    },
    ConformanceCase {
        id: "subject-token-type-unknown",
        section: "RFC 8693 2.1",
        title: "a subject_token_type that is not known is refused",
        sent: "subject_token_type urn:example:no-such-type",
        expected: "400 invalid_request",
        play: Ask(
            |with| exchange(with).set("subject_token_type", "urn:example:no-such-type"),
            |seen| seen.refused(INVALID),
        ),
        ..CASE
    },
    ConformanceCase {
        id: "subject-token-type-short",
        section: "RFC 8693 3",
        level: Should,
        title: "token types are named by URI",
        sent: "subject_token_type access_token",
        expected: "400 invalid_request",
        play: Ask(|with| exchange(with).set("subject_token_type", "access_token"), |seen| seen.refused(INVALID)),
        ..CASE
    },
    ConformanceCase {
        id: "subject-token-type-saml",
        section: "RFC 8693 2.1",
        title: "the token is validated as the type that is named: no JWT is a SAML assertion",
        sent: "the subject token as …:saml2",
        expected: "400 invalid_request",
        needs: &[Need::JwtSubject],
        play: Ask(
            |with| exchange(with).set("subject_token_type", TokenType::Saml2.urn()),
            |seen| seen.refused(INVALID),
        ),
        ..CASE
    },
    ConformanceCase {
        id: "subject-token-type-refresh",
        section: "RFC 8693 2.1",
        title: "the token is validated as the type that is named: no access token is a refresh token",
        sent: "the subject token as …:refresh_token",
        expected: "400 invalid_request",
        play: Ask(
            |with| exchange(with).set("subject_token_type", TokenType::RefreshToken.urn()),
            |seen| seen.refused(INVALID),
        ),
        ..CASE
    },
    ConformanceCase {
        id: "actor-token-type-missing",
        section: "RFC 8693 2.1",
        level: Must,
        title: "actor_token_type is required with actor_token",
        sent: "actor_token (the subject's) without actor_token_type",
        expected: "400 invalid_request",
        play: Ask(|with| exchange(with).with("actor_token", with.subject.text.expose()), |seen| seen.refused(INVALID)),
        ..CASE
    },
    ConformanceCase {
        id: "actor-token-type-alone",
        section: "RFC 8693 2.1",
        title: "actor_token_type must not come without actor_token",
        sent: "actor_token_type without actor_token",
        expected: "400 invalid_request",
        play: Ask(|with| exchange(with).with("actor_token_type", &with.subject.kind), |seen| seen.refused(INVALID)),
        ..CASE
    },
    ConformanceCase {
        id: "actor-token-empty",
        section: "RFC 6749 3.2",
        title: "parameters without a value are omitted: there is no actor",
        sent: "actor_token and actor_token_type without values",
        expected: "200 with a token",
        play: Ask(
            |with| exchange(with).with("actor_token", "").with("actor_token_type", ""),
            |seen| issued(seen.answer),
        ),
        ..CASE
    },
    ConformanceCase {
        id: "requested-token-type-empty",
        section: "RFC 6749 3.2",
        title: "a parameter without a value is omitted: the type is the server's choice",
        sent: "requested_token_type without a value",
        expected: "200 with a token",
        play: Ask(|with| exchange(with).with("requested_token_type", ""), |seen| issued(seen.answer)),
        ..CASE
    },
    ConformanceCase {
        id: "unknown-parameter",
        section: "RFC 6749 3.2",
        title: "a parameter that is not known is ignored",
        sent: "a parameter of the suite's own",
        expected: "200 with a token",
        play: Ask(|with| exchange(with).with("x-conformance-of", "rfc8693"), |seen| issued(seen.answer)),
        ..CASE
    },
];
