//! The most liberal reading of a body: could any parser find a governed grant here?
//!
//! It errs to one side. A governed grant that stands behind `grant_type`, whatever separates the two and however both
//! are escaped, padded or wrapped, is found; bodies without the grant's full name are not.

use crate::oauth::urn;

/// A grant by which one token becomes another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Governed {
    TokenExchange,
    JwtBearer,
    UmaTicket,
    Ciba,
}

impl Governed {
    pub(super) const ALL: [Self; 4] = [Self::TokenExchange, Self::JwtBearer, Self::UmaTicket, Self::Ciba];

    pub(super) fn urn(self) -> &'static str {
        match self {
            Self::TokenExchange => urn::GRANT_TOKEN_EXCHANGE,
            Self::JwtBearer => urn::GRANT_JWT_BEARER,
            Self::UmaTicket => urn::GRANT_UMA_TICKET,
            Self::Ciba => urn::GRANT_CIBA,
        }
    }
}

/// Whether any parser could read a governed grant in `body`: for forms sent to paths that are no token endpoint.
pub fn carries_governed_grant(body: &[u8]) -> bool {
    !readable(body).is_empty()
}

/// The governed grants that any parser could read in `body`.
pub(super) fn readable(body: &[u8]) -> Vec<Governed> {
    let mut found = Vec::new();
    // Escaped text within escaped text: each layer is looked at, since a parser may stop at any of them.
    let mut layer = body.to_vec();
    for _ in 0..MAX_LAYERS {
        let text = visible(&layer);
        for grant in Governed::ALL {
            let urn = grant.urn().as_bytes();
            if !found.contains(&grant)
                && (in_pairs(&text, urn) || in_lists(&text, urn) || in_parts(&text, urn))
            {
                found.push(grant);
            }
        }
        let decoded = unescape(&layer);
        if decoded.len() == layer.len() {
            return found;
        }
        layer = decoded;
    }
    // Nobody escapes so often with good intentions.
    Governed::ALL.to_vec()
}

/// What remains of a parameter's name once everything that some parser drops, cuts or decodes is gone.
pub(super) fn stem(name: &str) -> String {
    let mut layer = name.as_bytes().to_vec();
    for _ in 0..MAX_LAYERS {
        layer = unescape(&layer);
    }
    let text = visible(&layer);
    let kept = text.trim_ascii().split(|byte| b"[.;&=".contains(byte)).next().unwrap_or_default();
    kept.iter().filter(|byte| byte.is_ascii_graphic()).map(|byte| char::from(*byte)).collect()
}

/// No body of an ordinary client is escaped more than twice.
const MAX_LAYERS: usize = 8;
const NAME: &[u8] = b"grant_type";

/// ASCII in lower case; what pads it (NUL of UTF-16 and UTF-32, byte order marks, invisible characters) is dropped, and
/// so is CR, which leaves LF at the end of a line.
fn visible(bytes: &[u8]) -> Vec<u8> {
    let kept = |byte: &u8| byte.is_ascii() && *byte != 0 && *byte != b'\r';
    bytes.iter().copied().filter(kept).map(|byte| byte.to_ascii_lowercase()).collect()
}

/// `grant_type`, then nothing but separators, quotes, brackets and digits, then the grant: a form, JSON, XML, YAML.
fn in_pairs(text: &[u8], urn: &[u8]) -> bool {
    memchr::memmem::find_iter(text, urn).any(|at| {
        let before = text.get(..at).unwrap_or_default();
        let end = before.iter().rposition(|byte| byte.is_ascii_lowercase() || *byte == b'_');
        before.get(..end.map_or(0, |end| end + 1)).is_some_and(is_name_at_end)
    })
}

/// A field `grant_type` whose value has the grant somewhere, as one of a list.
fn in_lists(text: &[u8], urn: &[u8]) -> bool {
    text.split(|byte| b"&;".contains(byte)).any(|field| {
        let (name, value) =
            field.split_at(field.iter().position(|byte| *byte == b'=').unwrap_or(field.len()));
        is_name_at_end(name.trim_ascii_end()) && memchr::memmem::find(value, urn).is_some()
    })
}

/// A part of a multipart body whose head names `grant_type` and whose content begins with the grant.
fn in_parts(text: &[u8], urn: &[u8]) -> bool {
    let mut rest = text;
    while let Some(at) = memchr::memmem::find(rest, b"\n\n") {
        let (before, after) = rest.split_at(at);
        let start = memchr::memmem::rfind(before, b"\n--").unwrap_or(0);
        let head = before.get(start..).unwrap_or_default();
        let content = after.trim_ascii_start();
        if content.starts_with(urn) && memchr::memmem::find(head, NAME).is_some() {
            return true;
        }
        rest = content;
    }
    false
}

/// Whether the name ends here and does not only end another name such as `allowed_grant_type`.
fn is_name_at_end(text: &[u8]) -> bool {
    text.strip_suffix(NAME).is_some_and(|before| {
        !before.last().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'-')
    })
}

/// One layer of escapes less: `%HH`, `%uHHHH`, `\uHHHH`, and the two-byte overlong forms that these may spell.
fn unescape(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        let (value, length) = match (byte, after) {
            (b'%' | b'\\', [b'u' | b'U', b'0', b'0', high, low, ..]) => (hex(*high, *low), 6),
            (b'%', [high, low, ..]) => (hex(*high, *low), 3),
            // Overlong ASCII: 0xC0 0x80 to 0xC1 0xBF.
            (0xC0 | 0xC1, [tail @ 0x80..=0xBF, ..]) => (Some((byte & 1) << 6 | (tail & 0x3F)), 2),
            _ => (None, 1),
        };
        decoded.push(value.unwrap_or(byte));
        rest = rest.get(if value.is_some() { length } else { 1 }..).unwrap_or_default();
    }
    decoded
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const URN: &str = urn::GRANT_TOKEN_EXCHANGE;

    #[test]
    fn finds_the_grant_wherever_a_parser_could() {
        for (name, body) in [
            ("plain", format!("grant_type={URN}")),
            ("escaped", "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&a=b".into()),
            ("escaped name", format!("gr%61nt%5Ftype={URN}")),
            ("escaped twice", format!("gr%2561nt_type={URN}")),
            ("escaped separator", format!("x=y%26grant_type={URN}")),
            ("semicolon", format!("a=b;grant_type={URN};c=d")),
            ("another case", format!("Grant_Type={}", URN.to_uppercase())),
            ("spaces", format!("a=b& grant_type =+%20{URN} ")),
            ("NUL after it", format!("grant_type={URN}%00x")),
            ("second value", format!("grant_type=password&grant_type={URN}")),
            ("array", format!("grant_type[0]={URN}")),
            ("list", format!("a=b&grant_type=password,{URN}")),
            ("JSON", format!("{{\"grant_type\": \"{URN}\"}}")),
            ("JSON escape", format!("{{\"grant\\u005ftype\": \"{URN}\"}}")),
            ("XML", format!("<grant_type>{URN}</grant_type>")),
            ("overlong", format!("%c1%a7rant_type={URN}")),
            ("byte order mark", format!("\u{FEFF}grant_type={URN}")),
            (
                "multipart",
                format!(
                    "--x\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\n{URN}\r\n--x--\r\n"
                ),
            ),
            (
                "multipart, second part and more headers",
                format!(
                    "--x\ncontent-disposition: form-data; name=a\n\nb\n--x\nContent-Disposition: form-data; \
                     name=grant_type\nContent-Type: text/plain\n\n{URN}\n--x--"
                ),
            ),
            ("jwt-bearer", format!("grant_type={}", urn::GRANT_JWT_BEARER)),
            ("escaped beyond reason", format!("a=%{}41", "25".repeat(20))),
        ] {
            assert!(carries_governed_grant(body.as_bytes()), "{name}");
        }
        let utf16: Vec<u8> = format!("grant_type={URN}").encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert!(carries_governed_grant(&utf16), "UTF-16");
    }

    #[test]
    fn finds_nothing_in_ordinary_bodies() {
        for (name, body) in [
            ("empty", String::new()),
            ("login", "username=alice&password=s3cret&credentialId=".into()),
            ("password grant", "grant_type=password&username=a&password=b".into()),
            ("the grant as another value", format!("token={URN}&grant_type=password")),
            ("another name", format!("allowed_grant_type={URN}")),
            ("registration", format!("{{\"grant_types\": [\"{URN}\"]}}")),
            ("client assertion", format!("client_assertion_type={}", urn::CLIENT_ASSERTION_JWT)),
            ("text about it", format!("note=the grant_type called {URN}")),
            ("parts apart", format!("--x\nname=\"a\"\n\nb\n--x\nname=\"c\"\n\n{URN}\n--x--")),
            ("broken escapes", "a=%%%&b=%4&c=%zz".into()),
        ] {
            assert!(!carries_governed_grant(body.as_bytes()), "{name}");
        }
    }

    #[test]
    fn reading_is_linear() {
        let body = format!("{}{}", format!("{URN}&").repeat(2_000), "\n\n".repeat(50_000));
        assert!(!carries_governed_grant(body.as_bytes()));
    }
}
