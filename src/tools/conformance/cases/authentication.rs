//! RFC 6749 sections 2.3 and 5.2, RFC 8693 section 2.1: client authentication.

use crate::tools::conformance::case::{ConformanceCase, may, must, should};
use crate::tools::conformance::inputs::{Inputs, Need};
use crate::tools::conformance::judge::{issued, on_offer, refused};
use crate::tools::conformance::request::{Auth, exchange};
use crate::tools::conformance::verdict::ensure;
use crate::words::secret::Secret;

const INVALID: &[&str] = &["invalid_client"];

pub(super) const CASES: &[ConformanceCase] = &[
    must("client-basic", "RFC 6749 2.3.1", "a client with a secret may authenticate by HTTP Basic")
        .sends("credentials in the header")
        .expects("200 with a token")
        .needs(&[Need::ClientSecret])
        .asks(|with| exchange(with).auth(by(with, Auth::Basic)), |seen| issued(seen.answer)),
    may("client-post", "RFC 6749 2.3.1", "a client with a secret may authenticate in the form")
        .sends("credentials in the form")
        .expects("200 with a token, or a clear refusal")
        .needs(&[Need::ClientSecret])
        .asks(|with| exchange(with).auth(by(with, Auth::Post)), on_offer),
    must("client-both", "RFC 6749 2.3", "credentials in two places at once are refused")
        .sends("credentials in the header and in the form")
        .expects("400 invalid_request or invalid_client")
        .needs(&[Need::ClientSecret])
        .asks(
            |with| exchange(with).auth(by(with, Auth::Both)),
            |seen| seen.refused(&["invalid_request", "invalid_client"]),
        ),
    must("client-wrong-secret", "RFC 6749 5.2", "a wrong secret is refused")
        .sends("a wrong secret in the form")
        .expects("400 or 401 invalid_client")
        .needs(&[Need::ClientSecret])
        .asks(|with| exchange(with).auth(Auth::Post(with.client.id.clone(), wrong())), |seen| seen.refused(INVALID)),
    must("client-wrong-basic", "RFC 6749 5.2", "a wrong secret in the header is answered by 401 and a challenge")
        .sends("a wrong secret in the header")
        .expects("401 invalid_client with WWW-Authenticate: Basic")
        .needs(&[Need::ClientSecret])
        .asks(
            |with| exchange(with).auth(Auth::Basic(with.client.id.clone(), wrong())),
            |seen| {
                ensure(seen.answer.status == 401, &seen.answer.told())?;
                refused(seen.answer, INVALID)?;
                let challenge = seen.answer.header("www-authenticate").unwrap_or_default();
                let basic = challenge
                    .split(',')
                    .any(|one| one.trim().get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic")));
                ensure(basic, "no WWW-Authenticate: Basic")
            },
        ),
    must("client-unknown", "RFC 6749 5.2", "a client that is not known is refused")
        .sends("another client_id")
        .expects("400 or 401 invalid_client")
        .asks(
            |with| exchange(with).auth(Auth::Post("no-such-client-of-rfc8693".to_owned(), wrong())),
            |seen| seen.refused(INVALID),
        ),
    must(
        "client-missing",
        "RFC 8693 5",
        "whoever finds a token can't exchange it: a client must say and prove who it is",
    )
    .sends("no credentials")
    .expects("400 or 401 invalid_client, or 400 invalid_request")
    .needs(&[Need::ClientSecret])
    .asks(|with| exchange(with).auth(Auth::None), |seen| seen.refused(&["invalid_client", "invalid_request"])),
    must("client-without-secret", "RFC 8693 5", "a client that has a secret must show it")
        .sends("client_id alone")
        .expects("400 or 401 invalid_client")
        .needs(&[Need::ClientSecret])
        .asks(|with| exchange(with).auth(Auth::Public(with.client.id.clone())), |seen| seen.refused(INVALID)),
    should("client-two-names", "RFC 6749 2.3", "a client that says two names is refused")
        .sends("credentials in the header and another client_id in the form")
        .expects("400 invalid_request or invalid_client, or 401 invalid_client")
        .needs(&[Need::ClientSecret])
        .asks(
            |with| exchange(with).auth(by(with, Auth::Basic)).with("client_id", "no-such-client-of-rfc8693"),
            |seen| seen.refused(&["invalid_request", "invalid_client"]),
        ),
];

fn by(with: &Inputs, way: fn(String, Secret) -> Auth) -> Auth {
    match &with.client.secret {
        Some(secret) => way(with.client.id.clone(), secret.clone()),
        None => Auth::usual(with),
    }
}

fn wrong() -> Secret {
    Secret::new("no-such-secret-of-rfc8693")
}
