//! RFC 8693 section 2.2.2: a subject token that is invalid for any reason is an invalid request.

use crate::tools::conformance::case::{ConformanceCase, must};
use crate::tools::conformance::forge;
use crate::tools::conformance::inputs::{Inputs, Need};
use crate::tools::conformance::judge::{SeenAnswers, on_offer};
use crate::tools::conformance::request::{CaseRequest, exchange};
use crate::tools::conformance::verdict::CaseResult;
use crate::tools::conformance::verdict::Level::May;
use crate::words::oauth::urn::TokenType;

/// A server that accepts one of these accepts tokens that anybody can make.
const FORGED: ConformanceCase =
    must("", "RFC 8693 2.2.2", "").expects("400 invalid_request").needs(&[Need::JwtSubject]);

pub(super) const CASES: &[ConformanceCase] = &[
    FORGED
        .named("subject-garbage", "a subject token that is no token is refused")
        .sends("subject_token no-token")
        .needs(&[])
        .asks(|with| exchange(with).set("subject_token", "no-token"), invalid),
    FORGED
        .named("subject-altered", "a subject token that was altered is refused")
        .sends("another sub under the same signature")
        .asks(|with| exchange(with).subject(&forge::other_subject(&with.subject)), invalid),
    FORGED
        .named("subject-unsigned", "a subject token without its signature is refused")
        .sends("the subject token without its signature")
        .asks(|with| exchange(with).subject(&forge::unsigned(&with.subject)), invalid),
    FORGED
        .named("subject-unsecured", "an unsecured JWT is refused")
        .of("RFC 8725 3.2")
        .sends("the subject token's claims with alg none")
        .asks(|with| exchange(with).subject(&forge::unsecured(&with.subject)), invalid),
    FORGED
        .named("subject-own-key", "a key that the token brings with it is not believed")
        .of("RFC 8725 3.10")
        .sends("the subject token's claims signed by a key in the header's jwk")
        .asks(|with| exchange(with).subject(&forge::by_own_key(&with.subject)), invalid),
    FORGED
        .named("subject-shared-secret", "the client's secret is no key for tokens")
        .of("RFC 8725 3.1")
        .sends("the subject token's claims signed by HS256 with the client's secret")
        .needs(&[Need::JwtSubject, Need::ClientSecret])
        .asks(by_the_clients_secret, invalid),
    FORGED
        .named("subject-expired", "a subject token that has expired is refused")
        .sends("an expired subject token")
        .needs(&[Need::ExpiredSubject])
        .asks(|with| exchange(with).subject(&with.token(Need::ExpiredSubject)), invalid),
    FORGED
        .named("subject-early", "a subject token that is not valid yet is refused")
        .of("RFC 7519 4.1.5")
        .sends("a subject token whose nbf lies in the future")
        .needs(&[Need::EarlySubject])
        .asks(|with| exchange(with).subject(&with.token(Need::EarlySubject)), invalid),
    FORGED
        .named("subject-revoked", "a subject token that was revoked is refused")
        .sends("a revoked subject token")
        .needs(&[Need::RevokedSubject])
        .asks(|with| exchange(with).subject(&with.token(Need::RevokedSubject)), invalid),
    FORGED
        .named("subject-untrusted", "a subject token of an issuer that is not trusted is refused")
        .sends("a good token of another issuer")
        .needs(&[Need::UntrustedSubject])
        .asks(|with| exchange(with).subject(&with.token(Need::UntrustedSubject)), invalid),
    FORGED
        .named("subject-jwt", "a JWT may be presented as a JWT")
        .of("RFC 8693 3")
        .level(May)
        .sends("the subject token as …:jwt")
        .expects("200 with a token, or a clear refusal")
        .asks(|with| exchange(with).set("subject_token_type", TokenType::Jwt.urn()), on_offer),
    FORGED
        .named("subject-id-token", "an ID token may be the subject token")
        .of("RFC 8693 3")
        .level(May)
        .sends("an ID token as …:id_token")
        .expects("200 with a token, or a clear refusal")
        .needs(&[Need::IdToken])
        .asks(
            |with| {
                let token = with.token(Need::IdToken);
                exchange(with)
                    .set("subject_token", token.text.expose())
                    .set("subject_token_type", TokenType::IdToken.urn())
            },
            on_offer,
        ),
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
