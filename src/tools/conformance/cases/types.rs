//! RFC 8693 sections 2.1 and 3: the requested type of token, and the issued type.

use crate::tools::conformance::answer::claims_of;
use crate::tools::conformance::case::Play::Ask;
use crate::tools::conformance::case::{CASE, ConformanceCase};
use crate::tools::conformance::inputs::Inputs;
use crate::tools::conformance::judge::{SeenAnswers, issued};
use crate::tools::conformance::request::{CaseRequest, exchange};
use crate::tools::conformance::verdict::Level::{May, Should};
use crate::tools::conformance::verdict::{CaseResult, ensure, fail};
use crate::words::oauth::urn::TokenType;

pub(super) const CASES: &[ConformanceCase] = &[
    ConformanceCase {
        id: "requested-access-token",
        section: "RFC 8693 2.1",
        title: "who asks for an access token gets one",
        sent: "requested_token_type …:access_token",
        expected: "200, issued_token_type …:access_token, token_type not N_A",
        play: Ask(
            |with| asking(with, TokenType::AccessToken),
            |seen| {
                issued(seen.answer)?;
                comes_as(seen, TokenType::AccessToken)?;
                ensure(!is_na(seen), "token_type N_A, though an access token was issued")
            },
        ),
        ..CASE
    },
    ConformanceCase {
        id: "requested-jwt",
        section: "RFC 8693 3",
        level: May,
        title: "who asks for a JWT gets a JWT",
        sent: "requested_token_type …:jwt",
        expected: "200, issued_token_type …:jwt and a JWT, or a clear refusal",
        play: Ask(
            |with| asking(with, TokenType::Jwt),
            |seen| {
                seen.offered()?;
                comes_as(seen, TokenType::Jwt)?;
                let token = seen.answer.token().unwrap_or_default();
                ensure(claims_of(&token).is_some(), "the token is no JWT")
            },
        ),
        ..CASE
    },
    ConformanceCase {
        id: "requested-id-token",
        section: "RFC 8693 2.2.1",
        title: "an ID token comes in access_token, and is none: token_type is N_A",
        sent: "requested_token_type …:id_token",
        expected: "200, issued_token_type …:id_token, token_type N_A, or a clear refusal",
        play: Ask(
            |with| asking(with, TokenType::IdToken),
            |seen| {
                seen.offered()?;
                comes_as(seen, TokenType::IdToken)?;
                ensure(is_na(seen), "token_type says that an ID token can be used as an access token")
            },
        ),
        ..CASE
    },
    ConformanceCase {
        id: "requested-refresh-token",
        section: "RFC 8693 2.2.1",
        title: "a refresh token that was asked for comes in access_token: token_type is N_A",
        sent: "requested_token_type …:refresh_token",
        expected: "200, issued_token_type …:refresh_token, token_type N_A, or a clear refusal",
        play: Ask(
            |with| asking(with, TokenType::RefreshToken),
            |seen| {
                seen.offered()?;
                comes_as(seen, TokenType::RefreshToken)?;
                ensure(is_na(seen), "issued_token_type says refresh_token, token_type that it is an access token")
            },
        ),
        ..CASE
    },
    ConformanceCase {
        id: "requested-saml2",
        section: "RFC 8693 3",
        level: May,
        title: "who asks for a SAML assertion gets one, in base64url",
        sent: "requested_token_type …:saml2",
        expected: "200, issued_token_type …:saml2, token_type N_A, or a clear refusal",
        play: Ask(
            |with| asking(with, TokenType::Saml2),
            |seen| {
                seen.offered()?;
                comes_as(seen, TokenType::Saml2)?;
                ensure(is_na(seen), "token_type says that an assertion can be used as an access token")
            },
        ),
        ..CASE
    },
    ConformanceCase {
        id: "requested-unknown",
        section: "RFC 8693 2.1",
        title: "a requested_token_type that is not known is not taken for another",
        sent: "requested_token_type urn:example:no-such-type",
        expected: "400 invalid_request",
        play: Ask(
            |with| exchange(with).with("requested_token_type", "urn:example:no-such-type"),
            |seen| seen.refused(&["invalid_request"]),
        ),
        ..CASE
    },
    ConformanceCase {
        id: "requested-upper-case",
        section: "RFC 8693 3",
        level: Should,
        title: "token types are compared as they are written",
        sent: "requested_token_type …:ACCESS_TOKEN",
        expected: "400 invalid_request",
        play: Ask(
            |with| {
                let urn = TokenType::AccessToken.urn().replace("access_token", "ACCESS_TOKEN");
                exchange(with).with("requested_token_type", &urn)
            },
            |seen| seen.refused(&["invalid_request"]),
        ),
        ..CASE
    },
    ConformanceCase {
        id: "requested-not-asked-for",
        section: "RFC 8693 2.2.1",
        title: "the issued type is one of those that RFC 8693 knows, or another URI",
        expected: "issued_token_type is an absolute URI",
        play: Ask(exchange, |seen| match seen.answer.text("issued_token_type") {
            Some(kind) => {
                let known = TokenType::from_urn(&kind).is_some();
                let scheme = kind.split_once(':').is_some_and(|(scheme, rest)| {
                    !rest.is_empty()
                        && scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
                        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
                });
                ensure(known || scheme, "issued_token_type is no URI")
            }
            None => fail("no issued_token_type"),
        }),
        ..CASE
    },
];

fn asking(with: &Inputs, kind: TokenType) -> CaseRequest {
    exchange(with).with("requested_token_type", kind.urn())
}

fn comes_as(seen: &SeenAnswers<'_>, kind: TokenType) -> CaseResult {
    match seen.answer.text("issued_token_type") {
        Some(issued) if issued == kind.urn() => Ok(()),
        Some(issued) => match TokenType::from_urn(&issued) {
            Some(other) => fail(format!("issued_token_type …:{}", other.name())),
            None => fail("issued_token_type is of no known type"),
        },
        None => fail("no issued_token_type"),
    }
}

fn is_na(seen: &SeenAnswers<'_>) -> bool {
    // Names of token types are not case sensitive (RFC 6749 section 5.1).
    seen.answer.text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("N_A"))
}
