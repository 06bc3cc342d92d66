//! RFC 6749 sections 2.3 and 5.2, RFC 8693 section 2.1: client authentication.

use crate::tools::conformance::case::Play::Ask;
use crate::tools::conformance::case::{CASE, ConformanceCase};
use crate::tools::conformance::inputs::{Inputs, Need};
use crate::tools::conformance::judge::{issued, on_offer, refused};
use crate::tools::conformance::request::{Auth, exchange};
use crate::tools::conformance::verdict::Level::{May, Should};
use crate::tools::conformance::verdict::ensure;
use crate::words::secret::Secret;

const INVALID: &[&str] = &["invalid_client"];

pub(super) const CASES: &[ConformanceCase] = &[
    ConformanceCase {
        id: "client-basic",
        section: "RFC 6749 2.3.1",
        title: "a client with a secret may authenticate by HTTP Basic",
        sent: "credentials in the header",
        expected: "200 with a token",
        needs: &[Need::ClientSecret],
        play: Ask(|with| exchange(with).auth(by(with, Auth::Basic)), |seen| issued(seen.answer)),
        ..CASE
    },
    ConformanceCase {
        id: "client-post",
        section: "RFC 6749 2.3.1",
        level: May,
        title: "a client with a secret may authenticate in the form",
        sent: "credentials in the form",
        expected: "200 with a token, or a clear refusal",
        needs: &[Need::ClientSecret],
        play: Ask(|with| exchange(with).auth(by(with, Auth::Post)), on_offer),
        ..CASE
    },
    ConformanceCase {
        id: "client-both",
        section: "RFC 6749 2.3",
        title: "credentials in two places at once are refused",
        sent: "credentials in the header and in the form",
        expected: "400 invalid_request or invalid_client",
        needs: &[Need::ClientSecret],
        play: Ask(
            |with| exchange(with).auth(by(with, Auth::Both)),
            |seen| seen.refused(&["invalid_request", "invalid_client"]),
        ),
        ..CASE
    },
    ConformanceCase {
        id: "client-wrong-secret",
        section: "RFC 6749 5.2",
        title: "a wrong secret is refused",
        sent: "a wrong secret in the form",
        expected: "400 or 401 invalid_client",
        needs: &[Need::ClientSecret],
        play: Ask(
            |with| exchange(with).auth(Auth::Post(with.client.id.clone(), wrong())),
            |seen| seen.refused(INVALID),
        ),
        ..CASE
    },
    ConformanceCase {
        id: "client-wrong-basic",
        section: "RFC 6749 5.2",
        title: "a wrong secret in the header is answered by 401 and a challenge",
        sent: "a wrong secret in the header",
        expected: "401 invalid_client with WWW-Authenticate: Basic",
        needs: &[Need::ClientSecret],
        play: Ask(
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
        ..CASE
    },
    ConformanceCase {
        id: "client-unknown",
        section: "RFC 6749 5.2",
        title: "a client that is not known is refused",
        sent: "another client_id",
        expected: "400 or 401 invalid_client",
        play: Ask(
            |with| exchange(with).auth(Auth::Post("no-such-client-of-rfc8693".to_owned(), wrong())),
            |seen| seen.refused(INVALID),
        ),
        ..CASE
    },
    ConformanceCase {
        id: "client-missing",
        section: "RFC 8693 5",
        title: "whoever finds a token can't exchange it: a client must say and prove who it is",
        sent: "no credentials",
        expected: "400 or 401 invalid_client, or 400 invalid_request",
        needs: &[Need::ClientSecret],
        play: Ask(|with| exchange(with).auth(Auth::None), |seen| seen.refused(&["invalid_client", "invalid_request"])),
        ..CASE
    },
    ConformanceCase {
        id: "client-without-secret",
        section: "RFC 8693 5",
        title: "a client that has a secret must show it",
        sent: "client_id alone",
        expected: "400 or 401 invalid_client",
        needs: &[Need::ClientSecret],
        play: Ask(|with| exchange(with).auth(Auth::Public(with.client.id.clone())), |seen| seen.refused(INVALID)),
        ..CASE
    },
    ConformanceCase {
        id: "client-two-names",
        section: "RFC 6749 2.3",
        level: Should,
        title: "a client that says two names is refused",
        sent: "credentials in the header and another client_id in the form",
        expected: "400 invalid_request or invalid_client, or 401 invalid_client",
        needs: &[Need::ClientSecret],
        play: Ask(
            |with| exchange(with).auth(by(with, Auth::Basic)).with("client_id", "no-such-client-of-rfc8693"),
            |seen| seen.refused(&["invalid_request", "invalid_client"]),
        ),
        ..CASE
    },
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
