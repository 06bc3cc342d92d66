//! `Max-Forwards` (RFC 9110 section 7.6.2), with which a caller asks one server of a chain.

use http::header::MAX_FORWARDS;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};

/// Who answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// The identity provider.
    Upstream,
    /// Cambio, because the request may go no further.
    Cambio,
}

/// Counts one hop of an OPTIONS or TRACE request. A value that is no number has no meaning, and stays.
pub fn count_hop(head: &mut Parts) -> Recipient {
    if !matches!(head.method, Method::OPTIONS | Method::TRACE) {
        return Recipient::Upstream;
    }
    match hops(&head.headers) {
        None => Recipient::Upstream,
        Some(0) => Recipient::Cambio,
        Some(hops) => {
            head.headers.insert(MAX_FORWARDS, HeaderValue::from(hops - 1));
            Recipient::Upstream
        }
    }
}

/// The number of hops that are left. A larger number than Cambio can count is the largest that Cambio can.
fn hops(headers: &HeaderMap) -> Option<u64> {
    let mut lines = headers.get_all(MAX_FORWARDS).iter();
    let (line, None) = (lines.next()?, lines.next()) else { return None };
    let digits = line.as_bytes();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(line.to_str().ok()?.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hops_are_counted_for_two_methods() {
        use Recipient::{Cambio, Upstream};
        for (method, lines, recipient, sent) in [
            ("OPTIONS", &[][..], Upstream, &[][..]),
            ("OPTIONS", &["0"], Cambio, &["0"]),
            ("OPTIONS", &["000"], Cambio, &["000"]),
            ("OPTIONS", &["1"], Upstream, &["0"]),
            ("TRACE", &["0"], Cambio, &["0"]),
            ("TRACE", &["10"], Upstream, &["9"]),
            ("TRACE", &["99999999999999999999999"], Upstream, &["18446744073709551614"]),
            ("TRACE", &["-1"], Upstream, &["-1"]),
            ("TRACE", &["1, 2"], Upstream, &["1, 2"]),
            ("TRACE", &[""], Upstream, &[""]),
            ("TRACE", &["1", "2"], Upstream, &["1", "2"]),
            ("GET", &["0"], Upstream, &["0"]),
            ("POST", &["5"], Upstream, &["5"]),
        ] {
            let mut request = http::Request::builder().method(method);
            for line in lines {
                request = request.header(MAX_FORWARDS, *line);
            }
            let mut head = request.body(()).unwrap().into_parts().0;
            assert_eq!(count_hop(&mut head), recipient, "{method} {lines:?}");
            let left: Vec<_> = head.headers.get_all(MAX_FORWARDS).iter().map(|line| line.to_str().unwrap()).collect();
            assert_eq!(left, sent, "{method} {lines:?}");
        }
    }
}
