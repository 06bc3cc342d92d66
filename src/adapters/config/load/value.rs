//! Scalars with a form: durations, sizes, addresses, networks, URLs, names.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use http::Uri;
use ipnet::IpNet;

use super::problem::{At, ProblemList};
use crate::adapters::config::file::value::{Period, Size};

/// One millisecond, the shortest time limit.
pub(super) const SHORTEST: Duration = Duration::from_millis(1);
/// One hour.
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// A duration within `allowed`.
pub(super) fn period(
    value: &Period,
    allowed: RangeInclusive<Duration>,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<Duration> {
    let Some(duration) = parse_period(&value.0) else {
        at.problem(report, format!("{} is no duration, such as 500ms, 5s, 5m or 2h", at.shown(&value.0)));
        return None;
    };
    if !allowed.contains(&duration) {
        let (least, most) = (written(*allowed.start()), written(*allowed.end()));
        at.problem(report, format!("{} is not between {least} and {most}", at.shown(&value.0)));
        return None;
    }
    Some(duration)
}

/// A number of bytes within `allowed`.
pub(super) fn size(
    value: &Size,
    allowed: RangeInclusive<u64>,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<usize> {
    let bytes = match value {
        Size::Bytes(bytes) => Some(*bytes),
        Size::Text(text) => parse_size(text),
    };
    let Some(bytes) = bytes else {
        at.problem(report, "no size, such as 65536, 64KiB or 1MiB");
        return None;
    };
    number(bytes, allowed, at, report)
}

/// A whole number within `allowed`.
pub(super) fn number(
    value: u64,
    allowed: RangeInclusive<u64>,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<usize> {
    if !allowed.contains(&value) {
        at.problem(report, format!("{value} is not between {} and {}", allowed.start(), allowed.end()));
        return None;
    }
    usize::try_from(value).ok()
}

/// An IP address with a port.
pub(super) fn address(value: &str, at: &At<'_>, report: &mut ProblemList) -> Option<SocketAddr> {
    let parsed = value.parse().ok();
    if parsed.is_none() {
        let example = "such as 0.0.0.0:8080 or [::]:8080 (an IP address, no host name)";
        at.problem(report, format!("{} is no address with port, {example}", at.shown(value)));
    }
    parsed
}

/// A network; an address alone is the network of that one address.
pub(super) fn network(value: &str, at: &At<'_>, report: &mut ProblemList) -> Option<IpNet> {
    let parsed = value.parse().ok().or_else(|| value.parse::<IpAddr>().ok().map(IpNet::from));
    match parsed {
        None => {
            at.problem(report, format!("{} is no network, such as 10.0.0.0/8", at.shown(value)));
            None
        }
        Some(network) if network.trunc() != network => {
            at.problem(
                report,
                format!("{network} has bits set behind its prefix; write {}", network.trunc()),
            );
            None
        }
        Some(network) => Some(network),
    }
}

/// An `http` or `https` URL without credentials and fragment; a query only where `query` allows one. The URL is not
/// quoted in messages: it could hold a password.
pub(super) fn url(value: &str, query: bool, at: &At<'_>, report: &mut ProblemList) -> Option<Uri> {
    let message = match value.parse::<Uri>() {
        _ if value.contains('#') => "the URL has a fragment (#)",
        Err(_) => "no URL, such as https://sso.example.org/realms/corp",
        Ok(uri) if !matches!(uri.scheme_str(), Some("http" | "https")) => {
            "the URL must begin with http:// or https://"
        }
        Ok(uri) if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) => {
            "the URL has credentials in it"
        }
        Ok(uri) if uri.host().is_none_or(str::is_empty) => "the URL has no host",
        Ok(uri) if uri.authority().is_some_and(|a| a.as_str().ends_with(':') || bad_port(a)) => {
            "the URL's port is no number from 1 to 65535"
        }
        Ok(uri) if !query && uri.query().is_some() => "the URL has a query (?)",
        Ok(uri) => return Some(uri),
    };
    at.problem(report, message);
    None
}

/// Whether plain http leaves this machine.
pub(super) fn is_plain_and_remote(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    uri.scheme_str() == Some("http") && !local
}

/// A name that becomes a metric label: letters, digits, `.`, `_`, `-`.
pub(super) fn is_label(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn bad_port(authority: &http::uri::Authority) -> bool {
    // `Authority` keeps a port that is too large as text and then has no `port_u16`.
    let text = authority.as_str();
    let after_host = text.rsplit_once(']').map_or(text, |(_, rest)| rest);
    after_host.contains(':') && authority.port_u16().is_none_or(|port| port == 0)
}

/// A duration as the files write it, such as `1h30m`.
pub fn parse_period(text: &str) -> Option<Duration> {
    let (mut rest, mut total) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit_and_rest) = rest.split_at(digits);
        let letters = unit_and_rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = unit_and_rest.split_at(letters);
        let number: u64 = number.parse().ok()?;
        let part = match unit {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" => Duration::from_secs(number.checked_mul(60)?),
            "h" => Duration::from_secs(number.checked_mul(3600)?),
            _ => return None,
        };
        total = total.checked_add(part)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

fn parse_size(text: &str) -> Option<u64> {
    let (number, factor) = match text {
        _ if text.ends_with("KiB") => (text.strip_suffix("KiB")?, 1 << 10),
        _ if text.ends_with("MiB") => (text.strip_suffix("MiB")?, 1 << 20),
        _ => (text, 1),
    };
    let digits_only = number.bytes().all(|b| b.is_ascii_digit());
    number.parse::<u64>().ok().filter(|_| digits_only)?.checked_mul(factor)
}

fn written(duration: Duration) -> String {
    match duration.as_secs() {
        _ if duration.subsec_millis() > 0 => format!("{}ms", duration.as_millis()),
        s if s >= 3600 && s % 3600 == 0 => format!("{}h", s / 3600),
        s => format!("{s}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations() {
        for (text, millis) in [
            ("500ms", Some(500)),
            ("5s", Some(5_000)),
            ("5m", Some(300_000)),
            ("2h", Some(7_200_000)),
            ("1h30m", Some(5_400_000)),
            ("0s", Some(0)),
            ("", None),
            ("5", None),
            ("s", None),
            ("-5s", None),
            ("+5s", None),
            ("5 s", None),
            ("5d", None),
            ("1.5s", None),
            ("5é", None),
            ("99999999999999999999s", None),
            ("18446744073709551615h", None),
        ] {
            assert_eq!(parse_period(text), millis.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn reads_sizes() {
        for (text, bytes) in [
            ("65536", Some(65_536)),
            ("64KiB", Some(65_536)),
            ("1MiB", Some(1_048_576)),
            ("64 KiB", None),
            ("64kb", None),
            ("+1", None),
            ("KiB", None),
            ("", None),
            ("18446744073709551615MiB", None),
        ] {
            assert_eq!(parse_size(text), bytes, "{text}");
        }
    }
}
