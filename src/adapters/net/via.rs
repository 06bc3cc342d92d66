//! The header `Via` (RFC 9110 section 7.6.3), with which Cambio recognises a request that comes back to it.
//!
//! Each Cambio has a pseudonym of its own: a chain of two is no loop. Replicas behind a balancer have different
//! pseudonyms, so the number of Cambios in a chain is limited, too.

use http::header::VIA;
use http::{HeaderMap, HeaderValue, Version};
use memchr::memmem;

/// What the pseudonym of every Cambio begins with. [`DIGITS`] random hexadecimal digits follow.
const NAME: &str = "cambio-";
const DIGITS: usize = 16;

/// A request that went through this many Cambios goes through no other: nobody needs such a chain, and in a loop of
/// many replicas the same one may come late.
const MAX_HOPS: usize = 4;

/// The entry that one Cambio adds to `Via`, by the version of the received request.
#[derive(Clone, Debug)]
pub struct Via {
    pseudonym: String,
    http10: HeaderValue,
    http11: HeaderValue,
    http2: HeaderValue,
}

/// How a request has come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopMark {
    /// The request went through this Cambio before.
    Again,
    /// The request went through as many Cambios as a chain may have.
    TooManyHops,
}

impl Via {
    /// A Cambio with a new pseudonym.
    pub fn new() -> Self {
        let random = uuid::Uuid::new_v4().simple().to_string();
        Self::named(format!("{NAME}{}", random.get(..DIGITS).unwrap_or(&random)))
    }

    fn named(pseudonym: String) -> Self {
        // Letters, digits and hyphens are always a header value.
        let entry = |version: &str| HeaderValue::try_from(format!("{version} {pseudonym}"));
        let entry = |version| entry(version).unwrap_or_else(|_| HeaderValue::from_static("1.1 cambio"));
        Self { http10: entry("1.0"), http11: entry("1.1"), http2: entry("2.0"), pseudonym }
    }

    /// Adds the entry for a request that was received in `version`. The entries of earlier proxies stay as they are.
    pub fn add(&self, headers: &mut HeaderMap, version: Version) {
        let entry = match version {
            Version::HTTP_2 => &self.http2,
            Version::HTTP_11 => &self.http11,
            _ => &self.http10,
        };
        headers.append(VIA, entry.clone());
    }

    /// Whether a request has come back. The entries are searched, not parsed: the pseudonym is random, so whoever writes
    /// it knows it, and gains nothing but a refusal.
    pub fn loop_mark(&self, headers: &HeaderMap) -> Option<LoopMark> {
        let mut hops = 0;
        for line in headers.get_all(VIA) {
            if memmem::find(line.as_bytes(), self.pseudonym.as_bytes()).is_some() {
                return Some(LoopMark::Again);
            }
            hops += cambios(line.as_bytes());
        }
        (hops >= MAX_HOPS).then_some(LoopMark::TooManyHops)
    }
}

impl Default for Via {
    fn default() -> Self {
        Self::new()
    }
}

impl LoopMark {
    /// The cause, for operators.
    pub fn detail(self) -> &'static str {
        match self {
            Self::Again => "the request went through this Cambio before: upstream.url leads back to it",
            Self::TooManyHops => {
                "the request went through four Cambios before: upstream.url leads back, through a balancer for instance"
            }
        }
    }
}

/// The pseudonyms of Cambios in a line.
fn cambios(line: &[u8]) -> usize {
    let is_pseudonym = |at: &usize| {
        let from = at + NAME.len();
        line.get(from..from + DIGITS).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    memmem::find_iter(line, NAME).filter(is_pseudonym).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_comes_back_is_recognised() {
        let via = Via::named("cambio-0123456789abcdef".to_owned());
        let other = |n: usize| format!("1.1 cambio-00000000000000{n:02}");
        let chain = |n: usize| (0..n).map(other).collect::<Vec<_>>().join(", ");
        let own = "1.1 cambio-0123456789abcdef";
        let cases = [
            ("nobody", vec![], None),
            ("a proxy", vec!["1.1 proxy.example (nginx)".to_owned()], None),
            (
                "a host that is named like one",
                vec!["1.1 cambio-lb.example.org, 1.1 cambio, 1.0 cambio-1".repeat(9)],
                None,
            ),
            ("another Cambio", vec![other(1)], None),
            ("a chain", vec![chain(3)], None),
            ("itself", vec![own.to_owned()], Some(LoopMark::Again)),
            ("itself, behind others", vec![format!("1.0 fred, {own} (a, b), 2.0 last")], Some(LoopMark::Again)),
            ("itself, on a later line", vec!["1.1 a".to_owned(), chain(1), own.to_owned()], Some(LoopMark::Again)),
            ("too many others", vec![chain(4)], Some(LoopMark::TooManyHops)),
            ("too many others on several lines", vec![chain(2), chain(2)], Some(LoopMark::TooManyHops)),
            ("too many others, and itself", vec![chain(4), own.to_owned()], Some(LoopMark::Again)),
        ];
        for (name, lines, expected) in cases {
            let mut headers = HeaderMap::new();
            for line in &lines {
                headers.append(VIA, line.parse().unwrap());
            }
            assert_eq!(via.loop_mark(&headers), expected, "{name}");
        }
    }

    #[test]
    fn the_entry_says_what_was_received_and_keeps_others() {
        let (via, another) = (Via::new(), Via::new());
        assert_ne!(via.pseudonym, another.pseudonym);
        for (version, expected) in [(Version::HTTP_10, "1.0"), (Version::HTTP_11, "1.1"), (Version::HTTP_2, "2.0")] {
            let mut headers = HeaderMap::new();
            headers.append(VIA, HeaderValue::from_static("1.1 first"));
            via.add(&mut headers, version);
            let lines: Vec<_> = headers.get_all(VIA).iter().map(|line| line.to_str().unwrap()).collect();
            assert_eq!(lines, ["1.1 first", &format!("{expected} {}", via.pseudonym)]);
            assert_eq!(via.loop_mark(&headers), Some(LoopMark::Again));
            assert_eq!(another.loop_mark(&headers), None);
        }
    }
}
