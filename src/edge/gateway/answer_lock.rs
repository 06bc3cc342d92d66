//! The answer lock: an answer with the marks of an exchange leaves only through the pipeline.
//!
//! The mark is a member `issued_token_type` of the answer's outermost JSON object (RFC 8693 section 2.2.1): no other
//! grant's answer has it. A JSON answer is held back until it is whole, or longer than any token answer is; from then
//! on it streams, still read, and is cut where the mark appears.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use memchr::memchr2_iter;

/// Bytes that are held back. A token must fit into an HTTP header to be used, and headers end far below this.
pub const HOLD: usize = 256 * 1024;

const MARK: &[u8] = b"issued_token_type";

/// Whether an answer must be read before it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It can't be an answer of a token endpoint.
    Free,
    /// It is JSON, or does not say what it is.
    Read,
    /// It is under a content coding, so the lock can't read it.
    Coded,
}

/// Where an answer comes from, which says how much of it is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A token endpoint: every answer is read, whatever it calls itself. Clients there read JSON without a look at
    /// status and media type.
    Door,
    /// Any other path, asked with a method that may change something.
    Elsewhere,
    /// Any other path, asked with GET, HEAD or OPTIONS, of which no server makes an exchange: JSON under a content
    /// coding that the caller may have asked for is free.
    Read,
}

/// Decides from the head of an answer.
pub fn reading(origin: Origin, status: StatusCode, headers: &HeaderMap) -> Reading {
    if matches!(status, StatusCode::SWITCHING_PROTOCOLS | StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Reading::Free;
    }
    if origin != Origin::Door && !(status.is_success() && may_be_json(headers)) {
        return Reading::Free;
    }
    let coded = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    match (coded, origin) {
        (false, _) => Reading::Read,
        (true, Origin::Read) => Reading::Free,
        (true, Origin::Door | Origin::Elsewhere) => Reading::Coded,
    }
}

/// Looks for the mark in a JSON text that comes in pieces.
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    depth: usize,
    in_string: bool,
    escape: Escape,
    /// Characters of the current string that equal the mark so far; `None` once they differ.
    matched: Option<usize>,
    /// The last string at depth one was the mark; a colon makes it a member's name.
    candidate: bool,
    found: bool,
}

/// How far an escape within a string has come.
#[derive(Clone, Copy, Debug, Default)]
enum Escape {
    #[default]
    None,
    /// After the backslash.
    Begun,
    /// After `\u`: digits so far, and what they make.
    Unicode(u8, u32),
}

impl Scanner {
    /// Reads on; says whether the mark has been seen, now or before.
    pub fn push(&mut self, piece: &[u8]) -> bool {
        if self.found {
            return true;
        }
        for &byte in piece {
            // JSON has no NUL; UTF-16 and UTF-32, which some clients detect, are ASCII with NULs in between.
            if byte == 0 {
                continue;
            }
            if self.in_string {
                self.string_byte(byte);
                continue;
            }
            match byte {
                b'"' => {
                    self.in_string = true;
                    self.matched = Some(0);
                }
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                b':' if self.candidate => {
                    self.found = true;
                    return true;
                }
                b' ' | b'\t' | b'\r' | b'\n' => continue,
                _ => {}
            }
            self.candidate = false;
        }
        self.found
    }

    fn string_byte(&mut self, byte: u8) {
        match self.escape {
            Escape::Begun if byte == b'u' => self.escape = Escape::Unicode(0, 0),
            // No other escape spells a character of the mark.
            Escape::Begun => {
                self.escape = Escape::None;
                self.matched = None;
            }
            Escape::Unicode(digits, value) => {
                let Some(digit) = char::from(byte).to_digit(16) else {
                    self.escape = Escape::None;
                    self.matched = None;
                    return;
                };
                let value = value << 4 | digit;
                self.escape = Escape::Unicode(digits + 1, value);
                if digits == 3 {
                    self.escape = Escape::None;
                    self.character(u8::try_from(value).ok());
                }
            }
            Escape::None => match byte {
                b'\\' => self.escape = Escape::Begun,
                b'"' => {
                    self.in_string = false;
                    self.candidate = self.depth <= 1 && self.matched == Some(MARK.len());
                }
                _ => self.character(Some(byte)),
            },
        }
    }

    fn character(&mut self, byte: Option<u8>) {
        let expected = self.matched.and_then(|count| MARK.get(count)).copied();
        self.matched = self.matched.filter(|_| byte.is_some() && byte == expected).map(|count| count + 1);
    }
}

/// Whether a whole answer bears the mark.
pub fn bears_mark(body: &Bytes) -> bool {
    Scanner::default().push(body)
}

/// Whether an answer is JSON, or leaves it open.
fn may_be_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(kind), None) = (types.next(), types.next()) else { return true };
    let essence = kind.as_bytes().split(|&b| b == b';').next().unwrap_or_default();
    !essence.contains(&b'/')
        || memchr2_iter(b'j', b'J', essence)
            .any(|at| essence.get(at..at + 4).is_some_and(|word| word.eq_ignore_ascii_case(b"json")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_mark_as_a_name_in_the_outermost_object_only() {
        for (name, text, expected) in [
            ("an exchange", r#"{"access_token":"x","issued_token_type":"urn:…"}"#, true),
            ("space before the colon", "{\"issued_token_type\" \n: 1}", true),
            ("no exchange", r#"{"access_token":"x","token_type":"Bearer"}"#, false),
            ("as a value", r#"{"a":"issued_token_type"}"#, false),
            ("in a nested object", r#"{"details":{"issued_token_type":"x"}}"#, false),
            ("in a list of events", r#"[{"issued_token_type":"x"}]"#, false),
            ("within a string", r#"{"a":"\"issued_token_type\":1"}"#, false),
            ("longer name", r#"{"issued_token_types":1}"#, false),
            ("shorter name", r#"{"issued_token_typ":1}"#, false),
            ("escaped name", r#"{"\u0069ssued_token_type":1}"#, true),
            ("without the brace", r#""issued_token_type":1"#, true),
            ("escaped to its end", r#"{"issued_token_typ\u0065":1}"#, true),
            ("another escaped name", r#"{"\u0069ssued":1,"a\"b":2,"issued_token_type\n":3}"#, false),
            ("digits of another base", r#"{"\u00g9ssued_token_type":1}"#, false),
            ("a letter beyond ASCII", r#"{"\u0169ssued_token_type":1}"#, false),
            ("byte order mark", "\u{FEFF}{\"issued_token_type\":1}", true),
            ("backslashes in values", r#"{"a":"\\","issued_token_type":1}"#, true),
        ] {
            assert_eq!(bears_mark(&Bytes::from(text)), expected, "{name}");
            for split in 1..text.len() {
                let mut scanner = Scanner::default();
                scanner.push(&text.as_bytes()[..split]);
                assert_eq!(scanner.push(&text.as_bytes()[split..]), expected, "{name}, split at {split}");
            }
        }
    }

    #[test]
    fn finds_the_mark_in_utf_16_and_utf_32() {
        let text = r#"{"access_token":"x","issued_token_type":1}"#;
        let wide: [(&str, Vec<u8>); 3] = [
            ("UTF-16LE", text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            ("UTF-16BE", text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
            ("UTF-32BE", text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect()),
        ];
        for (name, bytes) in wide {
            assert!(bears_mark(&Bytes::from(bytes)), "{name}");
        }
    }

    #[test]
    fn reads_what_could_be_a_token_answer() {
        let head = |kind: Option<&'static str>, coding: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(kind) = kind {
                headers.insert(CONTENT_TYPE, kind.parse().unwrap());
            }
            if let Some(coding) = coding {
                headers.insert(CONTENT_ENCODING, coding.parse().unwrap());
            }
            headers
        };
        for (kind, coding, expected) in [
            (Some("application/json"), None, Reading::Read),
            (Some("Application/JSON; charset=utf-8"), None, Reading::Read),
            (Some("application/problem+json"), None, Reading::Read),
            (None, None, Reading::Read),
            (Some("json"), None, Reading::Read),
            (Some("application/json"), Some("gzip"), Reading::Coded),
            (Some("application/json"), Some("identity"), Reading::Read),
            (Some("text/html, application/json"), None, Reading::Read),
            (Some("text/html"), None, Reading::Free),
            (Some("application/octet-stream"), Some("gzip"), Reading::Free),
        ] {
            let read = reading(Origin::Elsewhere, StatusCode::OK, &head(kind, coding));
            assert_eq!(read, expected, "{kind:?} {coding:?}");
        }
        let json = Some("application/json");
        for (origin, status, kind, coding, expected) in [
            (Origin::Elsewhere, 400, json, None, Reading::Free),
            (Origin::Elsewhere, 201, json, None, Reading::Read),
            (Origin::Read, 200, json, Some("gzip"), Reading::Free),
            (Origin::Read, 200, json, None, Reading::Read),
            (Origin::Door, 200, Some("text/html"), None, Reading::Read),
            (Origin::Door, 400, json, None, Reading::Read),
            (Origin::Door, 302, None, None, Reading::Read),
            (Origin::Door, 200, Some("text/plain"), Some("gzip"), Reading::Coded),
            (Origin::Door, 204, None, None, Reading::Free),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(
                reading(origin, status, &head(kind, coding)),
                expected,
                "{origin:?} {status} {kind:?}"
            );
        }
    }
}
