//! Values that several sections have: URLs, algorithms and expressions.

use std::net::IpAddr;

use http::Uri;
use jsonwebtoken::Algorithm;

use super::format;
use super::problem::{At, all};
use crate::judgement::expression::{Expression, Other};
use crate::judgement::jose::jws;
use crate::judgement::policy::observed_until::ObservedUntil;

/// Whether a host is this machine.
pub(super) fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether plain http leaves this machine.
pub(super) fn is_plain_and_remote(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    uri.scheme_str() == Some("http") && !is_local(host)
}

/// Warns if keys are fetched from a URL without TLS.
pub(super) fn warn_of_plain(url: &str, at: &At<'_>) {
    if url.parse().is_ok_and(|uri| is_plain_and_remote(&uri)) {
        at.warning("Cambio fetches keys over plain http: whoever controls the network can make tokens");
    }
}

/// A signature algorithm, where the schema can't say which ones are accepted.
pub(super) fn algorithm(name: &str, at: &At<'_>) -> Option<Algorithm> {
    let algorithm = jws::algorithm(name);
    if algorithm.is_none() {
        at.problem(format!("{} {}", at.shown(name), format::refused_algorithm(name)));
    }
    algorithm
}

/// Signature algorithms by their names, which the check of the file has seen.
pub(super) fn algorithms(names: &[String]) -> Option<Vec<Algorithm>> {
    all(names.iter().map(|name| jws::algorithm(name)))
}

/// The last day on which something is observed. `what` is the beginning of the warning.
pub(super) fn observed(day: &str, what: &str, at: &At<'_>) -> Option<ObservedUntil> {
    let Some(until) = format::date_of(day).and_then(ObservedUntil::new) else {
        return at.refuse("is not a date, such as 2027-06-30");
    };
    at.warning(format!("{what} observed, not refused, to the end of {} (UTC)", until.last()));
    Some(until)
}

/// A CEL expression that compiles.
pub(super) fn expression(source: &str, at: &At<'_>) -> Option<Expression> {
    expression_about(source, &[], at)
}

/// A CEL expression that compiles, with further variables.
pub(super) fn expression_about(source: &str, others: &[Other], at: &At<'_>) -> Option<Expression> {
    if source.trim().is_empty() {
        return at.refuse("is empty");
    }
    let compiled = at.report.compiled(source, others);
    at.ok(compiled.map_err(|error| format!("does not compile: {}", error.to_string().replace('\n', " "))))
}
