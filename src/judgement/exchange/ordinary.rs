//! Requests at a token endpoint that only pass: in no reading are they a governed grant.
//!
//! A reading is a way in which some server could understand a request: with `&`, `;` or line ends between fields, with
//! escapes decoded never, once or again, leniently or strictly, as a form, as JSON or as parts, from the body or from the
//! query string, in UTF-8, UTF-16 or another charset. `lenient` looks for what is governed in all readings in which
//! letters are the letters of ASCII. Here it is made sure that there are no other readings.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use super::lenient::{all_layers, has_nothing_governed};

/// Media types of bodies in which a letter is written as itself, in the body's charset. A body without a type counts, too.
const PLAIN_TYPES: [&str; 6] =
    ["", "*/*", "application/json", "application/octet-stream", "application/x-www-form-urlencoded", "text/plain"];

/// Parts of the names of types that resemble these.
const LIKE_PLAIN: [&str; 4] = ["form-urlencoded", "/*", "json", "/plain"];

/// Charsets in which a letter of ASCII is written as its byte of ASCII, and UTF-16 and UTF-32, which only add NULs:
/// `lenient` ignores these. Names without hyphens, underscores and the like.
#[rustfmt::skip]
const PLAIN_CHARSETS: [&str; 38] = [
    "utf8", "ascii", "usascii", "latin1", "l1", "utf16", "utf16be", "utf16le", "utf32", "utf32be", "utf32le", "ucs2", "ucs4",
    "big5", "eucjp", "euckr", "gb18030", "gb2312", "gbk", "shiftjis", "sjis", "tis620", "windows31j", "koi8r", "koi8u",
    "macintosh", "macroman", "xmacroman", "windows874", "cp437", "ibm437", "cp850", "ibm850", "cp852", "ibm852", "cp866",
    "ibm866", "cp932",
];

/// Families of such charsets. A number follows.
const PLAIN_FAMILIES: [&str; 3] = ["iso8859", "windows125", "cp125"];

/// Parts of the names of encodings that spell letters with other characters of ASCII.
#[rustfmt::skip]
const RESPELLINGS: [&str; 16] = [
    "utf7", "imap", "punycode", "idna", "escape", "rot", "base", "hex", "uu", "quoted", "qp", "html", "ebcdic", "scsu", "bocu",
    "zip",
];

/// What may begin such an encoding, or name it, within a body. In lower case.
const MARKS: [&[u8]; 7] = [b"\\", b"~", b"&#", b"<!", b"=?", b"encoding", b"charset"];

/// First bytes of compressed data, whatever the head says.
const COMPRESSED: [&[u8]; 8] =
    [b"\x1F\x8B", b"\x28\xB5\x2F\xFD", b"\x78\x01", b"\x78\x5E", b"\x78\x9C", b"\x78\xDA", b"BZh", b"\xFD7zXZ"];

/// How the letters of a body are written, as far as the head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    /// As in ASCII.
    Plain,
    /// Perhaps in another way: only characters of ASCII that can't stand for others are clear.
    Unknown,
    /// In another way.
    Other,
}

/// Whether no reading of the request is a governed grant.
pub(super) fn is_ordinary(head: &Parts, body: &[u8]) -> bool {
    let query = head.uri.query().unwrap_or_default().as_bytes();
    let is_clear = match spelling(&head.headers) {
        Spelling::Plain => true,
        Spelling::Unknown => all_layers(body, is_clear) && all_layers(query, is_clear),
        Spelling::Other => false,
    };
    is_clear
        && is_identity(&head.headers)
        && !COMPRESSED.iter().any(|magic| body.starts_with(magic))
        && has_nothing_governed(query)
        && has_nothing_governed(body)
}

/// Whether every content coding is `identity`; an empty header names none. Of two servers, one may decode a coding that the
/// other ignores.
fn is_identity(headers: &HeaderMap) -> bool {
    let names = headers.get_all(CONTENT_ENCODING).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    names.map(<[u8]>::trim_ascii).all(|name| name.is_empty() || name.eq_ignore_ascii_case(b"identity"))
}

/// The spelling of all media types and charsets that the head names, wherever in `Content-Type` they stand.
fn spelling(headers: &HeaderMap) -> Spelling {
    let types = headers.get_all(CONTENT_TYPE).iter().map(HeaderValue::to_str);
    let spellings = types.flat_map(|value| match value {
        Ok(value) => value.split(',').map(spelling_of_type).collect(),
        Err(_) => vec![Spelling::Unknown],
    });
    spellings.fold(Spelling::Plain, worse)
}

fn spelling_of_type(text: &str) -> Spelling {
    let text = text.to_ascii_lowercase();
    let mut parts = text.split(';').map(str::trim);
    let of_type = match parts.next().unwrap_or_default() {
        essence if PLAIN_TYPES.contains(&essence) => Spelling::Plain,
        // Parts, and what a lenient server might still take for a form or JSON.
        "multipart/form-data" => Spelling::Unknown,
        essence if !essence.contains('/') || LIKE_PLAIN.iter().any(|part| essence.contains(part)) => Spelling::Unknown,
        // Markup may stand within a word, and other formats encode, compress or encrypt.
        _ => Spelling::Other,
    };
    parts.filter(|parameter| parameter.contains("charset")).map(spelling_of_charset).fold(of_type, worse)
}

fn spelling_of_charset(parameter: &str) -> Spelling {
    let (name, label) = parameter.split_once('=').unwrap_or((parameter, ""));
    let label: String = label.chars().filter(char::is_ascii_alphanumeric).collect();
    let of_family = |family: &&str| {
        let number = label.strip_prefix(*family).unwrap_or_default();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    if RESPELLINGS.iter().any(|part| label.contains(part)) {
        Spelling::Other
    } else if name.trim() == "charset"
        && (PLAIN_CHARSETS.contains(&label.as_str()) || PLAIN_FAMILIES.iter().any(of_family))
    {
        Spelling::Plain
    } else {
        Spelling::Unknown
    }
}

fn worse(one: Spelling, other: Spelling) -> Spelling {
    match (one, other) {
        (Spelling::Other, _) | (_, Spelling::Other) => Spelling::Other,
        (Spelling::Unknown, _) | (_, Spelling::Unknown) => Spelling::Unknown,
        (Spelling::Plain, Spelling::Plain) => Spelling::Plain,
    }
}

/// Whether one layer of a body reads the same in all charsets that spell letters with bytes of their own, as EBCDIC does
/// with bytes that are not printable ASCII.
fn is_clear(layer: &[u8]) -> bool {
    let printable = |byte: &u8| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let lower = layer.to_ascii_lowercase();
    layer.iter().all(printable)
        && !MARKS.iter().any(|mark| memchr::memmem::find(&lower, mark).is_some())
        && !respells(layer, b'+', b'/')
        && !respells(layer, b'&', b',')
}

/// Whether the layer has ASCII in UTF-7 (RFC 2152, which begins a run of base64 with `+`), or in that of IMAP (RFC 3501
/// section 5.1.3, with `&`): a unit of UTF-16 below 128. `last` is the last character of its base64.
fn respells(layer: &[u8], begin: u8, last: u8) -> bool {
    let bits = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        _ if byte == last => Some(63),
        _ => None,
    };
    let mut rest = layer.iter();
    while rest.any(|byte| *byte == begin) {
        let (mut unit, mut count) = (0_u32, 0);
        // A run ends before the first other character, which may begin the next run.
        while let Some(six) = rest.as_slice().first().and_then(|byte| bits(*byte)) {
            rest.next();
            (unit, count) = (unit << 6 | u32::from(six), count + 6);
            if count >= 16 {
                count -= 16;
                if unit >> count < 0x80 {
                    return true;
                }
                unit &= (1 << count) - 1;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests;
