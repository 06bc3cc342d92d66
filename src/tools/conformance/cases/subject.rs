//! RFC 8693 section 2.2.2: a subject token that is invalid for any reason is an invalid request.

use crate::tools::conformance::case::Play::Ask;
use crate::tools::conformance::case::{CASE, ConformanceCase};
use crate::tools::conformance::forge;
use crate::tools::conformance::inputs::{Inputs, Need};
use crate::tools::conformance::judge::{SeenAnswers, on_offer};
use crate::tools::conformance::request::{CaseRequest, exchange};
use crate::tools::conformance::verdict::CaseResult;
use crate::tools::conformance::verdict::Level::May;
use crate::words::oauth::urn::TokenType;

/// A server that accepts one of these accepts tokens that anybody can make.
const FORGED: ConformanceCase =
    ConformanceCase { section: "RFC 8693 2.2.2", expected: "400 invalid_request", needs: &[Need::JwtSubject], ..CASE };

pub(super) const CASES: &[ConformanceCase] = &[
    ConformanceCase {
        id: "subject-garbage",
        title: "a subject token that is no token is refused",
        sent: "subject_token no-token",
        needs: &[],
        play: Ask(|with| exchange(with).set("subject_token", "no-token"), invalid),
        ..FORGED
    },
    ConformanceCase {
        id: "subject-altered",
        title: "a subject token that was altered is refused",
        sent: "another sub under the same signature",
        play: Ask(|with| exchange(with).subject(&forge::other_subject(&with.subject)), invalid),
        ..FORGED
    },
    ConformanceCase {
        id: "subject-unsigned",
        title: "a subject token without its signature is refused",
        sent: "the subject token without its signature",
        play: Ask(|with| exchange(with).subject(&forge::unsigned(&with.subject)), invalid),
        ..FORGED
    },
    ConformanceCase {
        id: "subject-unsecured",
        section: "RFC 8725 3.2",
        title: "an unsecured JWT is refused",
        sent: "the subject token's claims with alg none",
        play: Ask(|with| exchange(with).subject(&forge::unsecured(&with.subject)), invalid),
        ..FORGED
    },
    ConformanceCase {
        id: "subject-own-key",
        section: "RFC 8725 3.10",
        title: "a key that the token brings with it is not believed",
        sent: "the subject token's claims signed by a key in the header's jwk",
        play: Ask(|with| exchange(with).subject(&forge::by_own_key(&with.subject)), invalid),
        ..FORGED
    },
    ConformanceCase {
        id: "subject-shared-secret",
        section: "RFC 8725 3.1",
        title: "the client's secret is no key for tokens",
        sent: "the subject token's claims signed by HS256 with the client's secret",
        needs: &[Need::JwtSubject, Need::ClientSecret],
        play: Ask(by_the_clients_secret, invalid),
        ..FORGED
    },
    ConformanceCase {
        id: "subject-expired",
        title: "a subject token that has expired is refused",
        sent: "an expired subject token",
        needs: &[Need::ExpiredSubject],
        play: Ask(|with| exchange(with).subject(&with.token(Need::ExpiredSubject)), invalid),
        ..FORGED
    },
    ConformanceCase {
        id: "subject-early",
        section: "RFC 7519 4.1.5",
        title: "a subject token that is not valid yet is refused",
        sent: "a subject token whose nbf lies in the future",
        needs: &[Need::EarlySubject],
        play: Ask(|with| exchange(with).subject(&with.token(Need::EarlySubject)), invalid),
        ..FORGED
    },
    ConformanceCase {
        id: "subject-revoked",
        title: "a subject token that was revoked is refused",
        sent: "a revoked subject token",
        needs: &[Need::RevokedSubject],
        play: Ask(|with| exchange(with).subject(&with.token(Need::RevokedSubject)), invalid),
        ..FORGED
    },
    ConformanceCase {
        id: "subject-untrusted",
        title: "a subject token of an issuer that is not trusted is refused",
        sent: "a good token of another issuer",
        needs: &[Need::UntrustedSubject],
        play: Ask(|with| exchange(with).subject(&with.token(Need::UntrustedSubject)), invalid),
        ..FORGED
    },
    ConformanceCase {
        id: "subject-jwt",
        section: "RFC 8693 3",
        level: May,
        title: "a JWT may be presented as a JWT",
        sent: "the subject token as …:jwt",
        expected: "200 with a token, or a clear refusal",
        play: Ask(|with| exchange(with).set("subject_token_type", TokenType::Jwt.urn()), on_offer),
        ..FORGED
    },
    ConformanceCase {
        id: "subject-id-token",
        section: "RFC 8693 3",
        level: May,
        title: "an ID token may be the subject token",
        sent: "an ID token as …:id_token",
        expected: "200 with a token, or a clear refusal",
        needs: &[Need::IdToken],
        play: Ask(
            |with| {
                let token = with.token(Need::IdToken);
                exchange(with)
                    .set("subject_token", token.text.expose())
                    .set("subject_token_type", TokenType::IdToken.urn())
            },
            on_offer,
        ),
        ..FORGED
    },
];

fn invalid(seen: &SeenAnswers<'_>) -> CaseResult {
    seen.refused(&["invalid_request"])
}

fn by_the_clients_secret(with: &Inputs) -> CaseRequest {
    match &with.client.secret {
        Some(secret) => exchange(with).subject(&forge::by_shared_secret(&with.subject, secret)),
        None => exchange(with),
    }
}
