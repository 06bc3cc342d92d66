//! RFC 6749 appendix B: how a form is read.

use crate::tools::conformance::case::{ConformanceCase, must, should};
use crate::tools::conformance::inputs::Need;
use crate::tools::conformance::judge::issued;
use crate::tools::conformance::request::{Auth, Writing, exchange};

pub(super) const CASES: &[ConformanceCase] = &[
    must("form-escaped", "RFC 6749 B", "any byte of names and values may be percent-encoded")
        .sends("every byte of the form percent-encoded")
        .expects("200 with a token")
        .asks(|with| exchange(with).written(Writing::Escaped), |seen| issued(seen.answer)),
    should("form-charset", "RFC 6749 B", "the form is UTF-8, whether or not the media type says so")
        .sends("Content-Type: application/x-www-form-urlencoded; charset=UTF-8")
        .expects("200 with a token")
        .asks(|with| exchange(with).written(Writing::Charset), |seen| issued(seen.answer)),
    must("form-basic-escaped", "RFC 6749 2.3.1", "id and secret in the header are form-encoded")
        .sends("credentials in the header, every byte percent-encoded")
        .expects("200 with a token")
        .needs(&[Need::ClientSecret])
        .asks(
            |with| match &with.client.secret {
                Some(secret) => exchange(with).auth(Auth::Escaped(with.client.id.clone(), secret.clone())),
                None => exchange(with),
            },
            |seen| issued(seen.answer),
        ),
];
