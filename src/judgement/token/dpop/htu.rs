//! The URL that a proof is about, in the canonical spelling that Cambio compares (RFC 9449 section 4.3, RFC 3986
//! sections 6.2.2 and 6.2.3): scheme and host without case, the scheme's port when none is written, escapes that need
//! not be undone, dot segments gone; query and fragment left out.

use std::net::Ipv6Addr;

/// Longest URL that is read.
const MAX_BYTES: usize = 2048;

/// An `http` or `https` URL without query and fragment, normalised. Two that are equal are the same resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Htu {
    secure: bool,
    host: String,
    port: u16,
    path: String,
}

impl Htu {
    /// Reads an `http` or `https` URL in the characters of RFC 3986. `None` for a URL with credentials or an escaped
    /// host.
    pub fn parse(url: &str) -> Option<Self> {
        if url.len() > MAX_BYTES {
            return None;
        }
        let (scheme, rest) = url.split_once("://")?;
        let secure = if scheme.eq_ignore_ascii_case("https") {
            true
        } else if scheme.eq_ignore_ascii_case("http") {
            false
        } else {
            return None;
        };
        let rest = rest.split(['?', '#']).next()?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = host_and_port(authority)?;
        let port = match port {
            "" if secure => 443,
            "" => 80,
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
            _ => return None,
        };
        Some(Self { secure, host, port, path: without_dots(&canonical(path)?) })
    }
}

fn host_and_port(authority: &str) -> Option<(String, &str)> {
    let (host, rest) = if let Some(inner) = authority.strip_prefix('[') {
        let (address, rest) = inner.split_once(']')?;
        (format!("[{}]", address.parse::<Ipv6Addr>().ok()?), rest)
    } else {
        let (host, rest) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if host.is_empty() || !host.bytes().all(plain) {
            return None;
        }
        (host.to_ascii_lowercase(), rest)
    };
    match rest.strip_prefix(':') {
        Some(port) => Some((host, port)),
        None => rest.is_empty().then_some((host, "")),
    }
}

/// Decodes escapes of unreserved characters and writes others in upper case. `None` for characters that no path has.
fn canonical(path: &str) -> Option<String> {
    let mut text = String::with_capacity(path.len() + 1);
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let (high, low) = (nibble(bytes.next()?)?, nibble(bytes.next()?)?);
                let escaped = high << 4 | low;
                if is_unreserved(escaped) {
                    text.push(char::from(escaped));
                } else {
                    text.push('%');
                    text.extend(
                        [high, low]
                            .map(|half| char::from_digit(u32::from(half), 16).unwrap_or_default().to_ascii_uppercase()),
                    );
                }
            }
            b'/' | b':' | b'@' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => {
                text.push(char::from(byte));
            }
            byte if is_unreserved(byte) => text.push(char::from(byte)),
            _ => return None,
        }
    }
    Some(text)
}

/// RFC 3986 section 5.2.4, for a path that is empty or begins with a slash.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn nibble(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_url() {
        let url = Htu::parse("https://sso.example.org/realms/corp/token").unwrap();
        for (name, same) in [
            ("scheme and host in capitals", "HTTPS://SSO.Example.ORG/realms/corp/token"),
            ("the scheme's port", "https://sso.example.org:443/realms/corp/token"),
            ("an empty port", "https://sso.example.org:/realms/corp/token"),
            ("a port with zeros", "https://sso.example.org:00443/realms/corp/token"),
            ("query and fragment", "https://sso.example.org/realms/corp/token?a=/b#c"),
            ("escapes that need not be", "https://sso.example.org/realms/%63orp/tok%65n"),
            ("dot segments", "https://sso.example.org/./realms/x/../corp/token"),
            ("escaped dot segments", "https://sso.example.org/realms/x/%2e%2E/corp/token"),
        ] {
            assert_eq!(Htu::parse(same), Some(url.clone()), "{name}");
        }
        for (name, other) in [
            ("http", "http://sso.example.org/realms/corp/token"),
            ("http on that port", "http://sso.example.org:443/realms/corp/token"),
            ("another port", "https://sso.example.org:8443/realms/corp/token"),
            ("another host", "https://sso.example.org.evil.example/realms/corp/token"),
            ("a dot behind the host", "https://sso.example.org./realms/corp/token"),
            ("a path in capitals", "https://sso.example.org/realms/Corp/token"),
            ("a slash more", "https://sso.example.org/realms/corp/token/"),
            ("a slash twice", "https://sso.example.org/realms//corp/token"),
            ("an escaped slash", "https://sso.example.org/realms%2Fcorp/token"),
            ("no path", "https://sso.example.org"),
        ] {
            let other = Htu::parse(other);
            assert!(other.is_some() && other != Some(url.clone()), "{name}");
        }
        assert_eq!(Htu::parse("https://a"), Htu::parse("https://a/"));
        assert_eq!(Htu::parse("https://a/b/.."), Htu::parse("https://a/"));
        assert_eq!(Htu::parse("https://[::1]:443/a"), Htu::parse("https://[0:0::1]/a"));
        assert_eq!(Htu::parse("https://a/%c3%a9"), Htu::parse("https://a/%C3%A9"));
    }

    #[test]
    fn what_is_no_url() {
        let long = format!("https://a/{}", "b".repeat(MAX_BYTES));
        for url in [
            "",
            "/realms/corp/token",
            "//a/b",
            "ftp://a/b",
            "https:/a/b",
            "https:///b",
            "https://user@a/b",
            "https://user:pass@a/b",
            "https://a:b/c",
            "https://a:+80/c",
            "https://a:65536/c",
            "https://a:1:2/c",
            "https://[::1/c",
            "https://[::1]x/c",
            "https://[a]/c",
            "https://%61/c",
            "https://a b/c",
            "https://a/b c",
            "https://a\\b/c",
            "https://a/b\\c",
            "https://a/%",
            "https://a/%4",
            "https://a/%zz",
            "https://a/\u{e9}",
            " https://a/b",
            "https://a/b\n",
            &long,
        ] {
            assert_eq!(Htu::parse(url), None, "{url:?}");
        }
    }

    /// A URL in parts that are normal already.
    fn parts() -> impl Strategy<Value = (bool, String, u16, Vec<String>)> {
        (
            any::<bool>(),
            "[a-z0-9]([a-z0-9-]{0,3}[a-z0-9])?(\\.[a-z]{1,3}){0,2}",
            1_u16..,
            prop::collection::vec("([A-Za-z0-9_~!$&'()*+,;=:@-]|%2F|%25|%C3|%00){0,4}", 1..4),
        )
    }

    fn written((secure, host, port, path): &(bool, String, u16, Vec<String>)) -> String {
        format!("{}://{host}:{port}/{}", if *secure { "https" } else { "http" }, path.join("/"))
    }

    /// A URL, spelt by chance: capitals, no port where the scheme has it, escapes, dot segments, a query.
    fn spelt((secure, host, port, path): &(bool, String, u16, Vec<String>), choices: &[bool]) -> String {
        let mut choices = choices.iter().copied().cycle();
        let mut chosen = || choices.next().unwrap_or_default();
        let mut url = String::from(if *secure { "https://" } else { "http://" });
        if chosen() {
            url = url.to_uppercase();
        }
        for letter in host.chars() {
            url.push(if chosen() { letter.to_ascii_uppercase() } else { letter });
        }
        if *port != if *secure { 443 } else { 80 } || chosen() {
            let _ = write!(url, ":{port}");
        }
        for segment in path {
            if chosen() {
                url.push_str("/x/%2e%2E/.");
            }
            url.push('/');
            let escapes: Vec<_> = segment.match_indices('%').map(|(at, _)| at).collect();
            for (at, letter) in segment.char_indices() {
                let in_escape = escapes.iter().any(|start| (*start..start + 3).contains(&at));
                match letter {
                    letter if in_escape && chosen() => url.push(letter.to_ascii_lowercase()),
                    letter if !in_escape && letter.is_ascii_alphanumeric() && chosen() => {
                        let _ = write!(url, "%{:02x}", u32::from(letter));
                    }
                    letter => url.push(letter),
                }
            }
        }
        if chosen() {
            url.push_str("?a=/../b#c");
        }
        url
    }

    proptest! {
        #[test]
        fn one_url_has_one_form_however_it_is_spelt(url in parts(), choices in prop::collection::vec(any::<bool>(), 64)) {
            let form = Htu::parse(&written(&url));
            prop_assert!(form.is_some());
            prop_assert_eq!(Htu::parse(&spelt(&url, &choices)), form);
        }

        #[test]
        fn two_urls_are_never_one(
            (one, other, mix) in (parts(), parts(), any::<[bool; 4]>()),
            choices in prop::collection::vec(any::<bool>(), 64),
        ) {
            // Most parts alike, so that each difference stands alone.
            let other = (
                if mix[0] { one.0 } else { other.0 },
                if mix[1] { one.1.clone() } else { other.1 },
                if mix[2] { one.2 } else { other.2 },
                if mix[3] { one.3.clone() } else { other.3 },
            );
            prop_assert_eq!(Htu::parse(&written(&one)) == Htu::parse(&spelt(&other, &choices)), one == other);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}", url in "https?://[a:\\[\\]/.%0-9@?#]{0,20}") {
            let _ = (Htu::parse(&text), Htu::parse(&url));
        }
    }
}
