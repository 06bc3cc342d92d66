//! The most liberal reading of a body: could any parser find a governed grant here?
//!
//! It finds a governed grant behind `grant_type`, whatever separates the two and however both are escaped, padded or
//! wrapped. It finds nothing in bodies without the grant's full name.

mod layers;
mod own_tokens;

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;

pub(super) use self::layers::all_layers;
use self::layers::{MAX_LAYERS, each_layer, hides_in_digits, unescape, visible};
pub use self::own_tokens::{PREFIX, carries_token_of_ours};
use crate::words::oauth::bytes::visited;
use crate::words::oauth::urn;

/// A grant that turns one token into another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Governed {
    TokenExchange,
    JwtBearer,
    UmaTicket,
    Ciba,
    PreAuthorizedCode,
}

impl Governed {
    pub(super) const ALL: [Self; 5] =
        [Self::TokenExchange, Self::JwtBearer, Self::UmaTicket, Self::Ciba, Self::PreAuthorizedCode];

    pub(super) fn urn(self) -> &'static str {
        match self {
            Self::TokenExchange => urn::GRANT_TOKEN_EXCHANGE,
            Self::JwtBearer => urn::GRANT_JWT_BEARER,
            Self::UmaTicket => urn::GRANT_UMA_TICKET,
            Self::Ciba => urn::GRANT_CIBA,
            Self::PreAuthorizedCode => urn::GRANT_PRE_AUTHORIZED_CODE,
        }
    }

    /// What finds the URN. To make a finder costs more than to search a form with it.
    fn finder(self) -> &'static Finder<'static> {
        static FINDERS: LazyLock<[Finder<'static>; 5]> =
            LazyLock::new(|| Governed::ALL.map(|grant| Finder::new(grant.urn())));
        let [exchange, bearer, uma, ciba, code] = &*FINDERS;
        match self {
            Self::TokenExchange => exchange,
            Self::JwtBearer => bearer,
            Self::UmaTicket => uma,
            Self::Ciba => ciba,
            Self::PreAuthorizedCode => code,
        }
    }
}

/// What any parser could read in a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Readings {
    /// Governed grants.
    pub(super) grants: Vec<Governed>,
    /// A refresh token of Cambio, in any place.
    pub(super) our_refresh_token: bool,
}

/// Whether any parser could read a governed grant in `body`: for forms sent to paths that are no token endpoint.
pub fn carries_governed_grant(body: &[u8]) -> bool {
    !readings(body).grants.is_empty() || !all_layers(body, |layer| !hides_in_digits(layer))
}

/// Whether `text` has nothing of a governed request in any reading: no governed grant, no refresh token of Cambio, no
/// subject token, wherever they stand, and nothing with which the text itself changes its own encoding.
pub(super) fn has_nothing_governed(text: &[u8]) -> bool {
    static NAMES: LazyLock<[Finder<'static>; 4]> =
        LazyLock::new(|| [PREFIX, "subject_token", "_charset_", "content-transfer-encoding"].map(Finder::new));
    let mut found = false;
    let ended = each_layer(text, |_, dense| {
        // Lenient readers of JSON drop a backslash before any character. Nearly no body has one.
        let mut dense = Cow::Borrowed(dense);
        if memchr::memchr(b'\\', &dense).is_some() {
            dense.to_mut().retain(|byte| *byte != b'\\');
        }
        let has = |finder: &Finder<'_>| finder.find(&dense).is_some();
        found |= (has(&COMMON) && Governed::ALL.into_iter().any(|grant| has(grant.finder()))) || NAMES.iter().any(has);
    });
    ended && !found && all_layers(text, |layer| !hides_in_digits(layer))
}

/// What any parser could read in `body`.
pub(super) fn readings(body: &[u8]) -> Readings {
    let mut read = Readings::default();
    let ended = each_layer(body, |text, dense| {
        // One search for the part that all URNs have. Nearly every body has it in one layer or in none.
        if COMMON.find(dense).is_some() {
            for grant in Governed::ALL {
                if !read.grants.contains(&grant) && is_in(text, dense, grant.finder()) {
                    read.grants.push(grant);
                }
            }
        }
        read.our_refresh_token |= REFRESH.find(dense).is_some();
    });
    if ended {
        read
    } else {
        // No honest client escapes so often.
        Readings { grants: Governed::ALL.to_vec(), our_refresh_token: true }
    }
}

/// A parameter's name as parsers could read it: in another case, escaped again, padded, as an array (`audience[]`), cut at
/// a dot, or with one of the characters that PHP turns into `_`.
pub(super) struct Spellings {
    cut: Vec<u8>,
    php: Vec<u8>,
}

impl Spellings {
    pub(super) fn of(name: &str) -> Self {
        let mut layer = Cow::Borrowed(name.as_bytes());
        for _ in 0..MAX_LAYERS {
            match unescape(&layer) {
                Some(decoded) => layer = Cow::Owned(decoded),
                None => break,
            }
        }
        let text = visible(&layer);
        let text = text.trim_ascii().split(|byte| b"&;=".contains(byte)).next().unwrap_or_default();
        let cut = text.split(|byte| b"[.".contains(byte)).next().unwrap_or_default();
        Self {
            cut: cut.iter().copied().filter(u8::is_ascii_graphic).collect(),
            php: text.iter().map(|byte| if is_underscore(*byte) { b'_' } else { *byte }).collect(),
        }
    }

    /// Whether some parser could take the name for `known`.
    pub(super) fn may_be(&self, known: &str) -> bool {
        [&self.cut, &self.php].into_iter().any(|spelling| spelling == known.as_bytes())
    }
}

/// A part of the URNs of all governed grants.
static COMMON: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(":grant-type:"));
static REFRESH: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(PREFIX));

/// Whether the text has the grant. `dense` is the text without white space. It has the URN wherever the text has it;
/// mostly neither has.
fn is_in(text: &[u8], dense: &[u8], urn: &Finder<'_>) -> bool {
    urn.find(dense).is_some()
        && (in_pairs(text, urn) || in_pairs(dense, urn) || in_lists(text, urn) || in_parts(text, urn))
}

/// `grant_type`, then nothing but separators, quotes, brackets and digits, then the grant: a form, JSON, XML, YAML.
fn in_pairs(text: &[u8], urn: &Finder<'_>) -> bool {
    urn.find_iter(text).any(|at| is_name_at_end(text.get(..at).unwrap_or_default()))
}

/// A field `grant_type` whose value has the grant somewhere, as one of a list.
fn in_lists(text: &[u8], urn: &Finder<'_>) -> bool {
    text.split(|byte| b"&;".contains(byte)).any(|field| {
        visited(field.len() + 1);
        let (name, value) = field.split_at(field.iter().position(|byte| *byte == b'=').unwrap_or(field.len()));
        urn.find(value).is_some() && is_name_at_end(name)
    })
}

/// A part of a multipart body whose head names `grant_type` and whose content begins with the grant.
fn in_parts(text: &[u8], urn: &Finder<'_>) -> bool {
    let mut rest = text;
    while let Some(at) = memchr::memmem::find(rest, b"\n\n") {
        let (before, after) = rest.split_at(at);
        visited(at + 2);
        let start = memchr::memmem::rfind(before, b"\n--").unwrap_or(0);
        let head = before.get(start..).unwrap_or_default();
        let content = after.trim_ascii_start();
        if content.starts_with(urn.needle()) && head.windows(10).any(is_name) {
            return true;
        }
        rest = content;
    }
    false
}

/// Whether the name stands before the separators at the end, and is not the end of a name such as `allowed_grant_type`.
fn is_name_at_end(text: &[u8]) -> bool {
    let end = text.iter().rposition(|byte| byte.is_ascii_lowercase() || *byte == b'_').map_or(0, |end| end + 1);
    visited(text.len() - end + 1);
    text.get(..end).and_then(<[u8]>::split_last_chunk::<10>).is_some_and(|(before, name)| {
        let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-".contains(byte);
        is_name(name) && !before.last().is_some_and(goes_on)
    })
}

fn is_name(text: &[u8]) -> bool {
    matches!(text, [b'g', b'r', b'a', b'n', b't', byte, b't', b'y', b'p', b'e'] if is_underscore(*byte))
}

/// The characters that PHP reads as an underscore in a parameter's name; `+` is a space.
fn is_underscore(byte: u8) -> bool {
    b"_. +[".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::oauth::bytes::linear::assert_steps;

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
            ("tab within", format!("gra\tnt_type=urn:\nietf{}", URN.trim_start_matches("urn:ietf"))),
            ("lines ended by CR", format!("a=b\rgrant_type={URN}")),
            ("PHP", format!("grant.type={URN}")),
            ("PHP, space", format!("a=b&grant+type={URN}")),
            ("list", format!("a=b&grant_type=password,{URN}")),
            ("JSON", format!("{{\"grant_type\": \"{URN}\"}}")),
            ("JSON escape", format!("{{\"grant\\u005ftype\": \"{URN}\"}}")),
            ("XML", format!("<grant_type>{URN}</grant_type>")),
            ("overlong", format!("%c1%a7rant_type={URN}")),
            ("byte order mark", format!("\u{FEFF}grant_type={URN}")),
            (
                "multipart",
                format!("--x\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\n{URN}\r\n--x--\r\n"),
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
    fn all_grants_have_what_is_looked_for_first() {
        assert!(Governed::ALL.into_iter().all(|grant| COMMON.find(grant.urn().as_bytes()).is_some()));
    }

    #[test]
    fn reading_is_linear() {
        type Reader = fn(&[u8]) -> bool;
        let readers: [(&str, Reader); 3] = [
            ("governed grants", carries_governed_grant),
            ("nothing governed", has_nothing_governed),
            ("all readings", |body| readings(body).grants.is_empty()),
        ];
        for (reader, read) in readers {
            for (name, unit) in [
                ("plain", "ab"),
                ("fields", "a=b&"),
                ("grants", &*format!("{URN}&")),
                ("grants behind digits", &*format!("{URN}1234[")),
                ("names", "grant_type=&"),
                ("names and grants", &*format!("grant_type=1&x={URN}")),
                ("parts", "\n\n"),
                ("heads of parts", "\n--a\n\n"),
                ("parts and grants", &*format!("\n--a\nname=grant_typ\n\n{URN}")),
                ("percent signs", "%"),
                ("escapes", "%41"),
                ("escapes of escapes", "%2525252525252541"),
                ("halves of escapes", "%4%u00%\\u00\\x"),
                ("letters that are not ASCII", "%\u{e9}"),
                ("digits of another script", "%u\u{667}\u{665}\u{e9}"),
                ("white space and escapes", "\r\n%0"),
                ("backslashes", "\\"),
            ] {
                let input = |size: usize| unit.repeat(size / unit.len() + 1).into_bytes();
                assert_steps(&format!("{reader}: {name}"), 200, input, read);
            }
        }
        assert_steps(
            "names of parameters",
            60,
            |size| "%2541".repeat(size / 5).into_bytes(),
            |name| Spellings::of(std::str::from_utf8(name).unwrap()).may_be("audience"),
        );
    }
}
