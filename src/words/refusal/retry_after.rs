//! When a caller may try again (RFC 9110 section 10.2.3).

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue};

/// The value of a `Retry-After`: seconds, or a date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryAfter(HeaderValue);

impl RetryAfter {
    /// After so many seconds.
    pub fn seconds(seconds: u32) -> Self {
        Self(HeaderValue::from(seconds))
    }

    /// After whole seconds in which the wait is over, one at least.
    pub fn after(wait: Duration) -> Self {
        let begun = u64::from(wait.subsec_nanos() > 0);
        Self(HeaderValue::from(wait.as_secs().saturating_add(begun).max(1)))
    }

    /// What an answer's headers say. Anything but seconds or a date counts as nothing.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(RETRY_AFTER)?;
        let text = value.as_bytes();
        let is_seconds = (1..=9).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
        // `Sun, 06 Nov 1994 08:49:37 GMT`
        let is_date = text.len() == 29
            && text.ends_with(b" GMT")
            && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b" ,:".contains(byte));
        (is_seconds || is_date).then(|| Self(value.clone()))
    }

    /// The value of the header.
    pub fn value(&self) -> HeaderValue {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read() {
        for (name, text, expected) in [
            ("seconds", "120", true),
            ("no seconds", "0", true),
            ("a date", "Sun, 06 Nov 1994 08:49:37 GMT", true),
            ("nothing", "", false),
            ("a sign", "-1", false),
            ("a fraction", "1.5", false),
            ("more seconds than a life has", "99999999999", false),
            ("text", "soon", false),
            ("text as long as a date", "internal: node-17.example GMT", false),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
            let read = RetryAfter::of(&headers);
            assert_eq!(read.map(|read| read.value()), expected.then(|| HeaderValue::from_static(text)), "{name}");
        }
        assert_eq!(RetryAfter::of(&HeaderMap::new()), None);
        assert_eq!(RetryAfter::seconds(3).value(), "3");
        for (milliseconds, seconds) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2"), (90_000, "90")] {
            assert_eq!(RetryAfter::after(Duration::from_millis(milliseconds)).value(), seconds);
        }
    }
}
