//! RFC 8693 sections 2.1 and 3: the requested type of token, and the issued type.

use crate::tools::conformance::answer::claims_of;
use crate::tools::conformance::case::{ConformanceCase, may, must, should};
use crate::tools::conformance::inputs::Inputs;
use crate::tools::conformance::judge::{SeenAnswers, issued};
use crate::tools::conformance::request::{CaseRequest, exchange};
use crate::tools::conformance::verdict::{CaseResult, ensure, fail};
use crate::words::oauth::urn::TokenType;

pub(super) const CASES: &[ConformanceCase] = &[
    must("requested-access-token", "RFC 8693 2.1", "who asks for an access token gets one")
        .sends("requested_token_type …:access_token")
        .expects("200, issued_token_type …:access_token, token_type not N_A")
        .asks(
            |with| asking(with, TokenType::AccessToken),
            |seen| {
                issued(seen.answer)?;
                comes_as(seen, TokenType::AccessToken)?;
                ensure(!is_na(seen), "token_type N_A, though an access token was issued")
            },
        ),
    may("requested-jwt", "RFC 8693 3", "who asks for a JWT gets a JWT")
        .sends("requested_token_type …:jwt")
        .expects("200, issued_token_type …:jwt and a JWT, or a clear refusal")
        .asks(
            |with| asking(with, TokenType::Jwt),
            |seen| {
                seen.offered()?;
                comes_as(seen, TokenType::Jwt)?;
                let token = seen.answer.token().unwrap_or_default();
                ensure(claims_of(&token).is_some(), "the token is no JWT")
            },
        ),
    must("requested-id-token", "RFC 8693 2.2.1", "an ID token comes in access_token, and is none: token_type is N_A")
        .sends("requested_token_type …:id_token")
        .expects("200, issued_token_type …:id_token, token_type N_A, or a clear refusal")
        .asks(
            |with| asking(with, TokenType::IdToken),
            |seen| {
                seen.offered()?;
                comes_as(seen, TokenType::IdToken)?;
                ensure(is_na(seen), "token_type says that an ID token can be used as an access token")
            },
        ),
    must(
        "requested-refresh-token",
        "RFC 8693 2.2.1",
        "a refresh token that was asked for comes in access_token: token_type is N_A",
    )
    .sends("requested_token_type …:refresh_token")
    .expects("200, issued_token_type …:refresh_token, token_type N_A, or a clear refusal")
    .asks(
        |with| asking(with, TokenType::RefreshToken),
        |seen| {
            seen.offered()?;
            comes_as(seen, TokenType::RefreshToken)?;
            ensure(is_na(seen), "issued_token_type says refresh_token, token_type that it is an access token")
        },
    ),
    may("requested-saml2", "RFC 8693 3", "who asks for a SAML assertion gets one, in base64url")
        .sends("requested_token_type …:saml2")
        .expects("200, issued_token_type …:saml2, token_type N_A, or a clear refusal")
        .asks(
            |with| asking(with, TokenType::Saml2),
            |seen| {
                seen.offered()?;
                comes_as(seen, TokenType::Saml2)?;
                ensure(is_na(seen), "token_type says that an assertion can be used as an access token")
            },
        ),
    must("requested-unknown", "RFC 8693 2.1", "a requested_token_type that is not known is not taken for another")
        .sends("requested_token_type urn:example:no-such-type")
        .expects("400 invalid_request")
        .asks(
            |with| exchange(with).with("requested_token_type", "urn:example:no-such-type"),
            |seen| seen.refused(&["invalid_request"]),
        ),
    should("requested-upper-case", "RFC 8693 3", "token types are compared as they are written")
        .sends("requested_token_type …:ACCESS_TOKEN")
        .expects("400 invalid_request")
        .asks(
            |with| {
                let urn = TokenType::AccessToken.urn().replace("access_token", "ACCESS_TOKEN");
                exchange(with).with("requested_token_type", &urn)
            },
            |seen| seen.refused(&["invalid_request"]),
        ),
    must(
        "requested-not-asked-for",
        "RFC 8693 2.2.1",
        "the issued type is one of those that RFC 8693 knows, or another URI",
    )
    .expects("issued_token_type is an absolute URI")
    .asks(exchange, |seen| match seen.answer.text("issued_token_type") {
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
