//! RFC 6749 appendix B: how a form is read.

use crate::tools::conformance::case::Play::Ask;
use crate::tools::conformance::case::{CASE, ConformanceCase};
use crate::tools::conformance::inputs::Need;
use crate::tools::conformance::judge::issued;
use crate::tools::conformance::request::{Auth, Writing, exchange};
use crate::tools::conformance::verdict::Level::Should;

pub(super) const CASES: &[ConformanceCase] = &[
    ConformanceCase {
        id: "form-escaped",
        section: "RFC 6749 B",
        title: "any byte of names and values may be percent-encoded",
        sent: "every byte of the form percent-encoded",
        expected: "200 with a token",
        play: Ask(|with| exchange(with).written(Writing::Escaped), |seen| issued(seen.answer)),
        ..CASE
    },
    ConformanceCase {
        id: "form-charset",
        section: "RFC 6749 B",
        level: Should,
        title: "the form is UTF-8, whether or not the media type says so",
        sent: "Content-Type: application/x-www-form-urlencoded; charset=UTF-8",
        expected: "200 with a token",
        play: Ask(|with| exchange(with).written(Writing::Charset), |seen| issued(seen.answer)),
        ..CASE
    },
    ConformanceCase {
        id: "form-basic-escaped",
        section: "RFC 6749 2.3.1",
        title: "id and secret in the header are form-encoded",
        sent: "credentials in the header, every byte percent-encoded",
        expected: "200 with a token",
        needs: &[Need::ClientSecret],
        play: Ask(
            |with| match &with.client.secret {
                Some(secret) => exchange(with).auth(Auth::Escaped(with.client.id.clone(), secret.clone())),
                None => exchange(with),
            },
            |seen| issued(seen.answer),
        ),
        ..CASE
    },
];
