//! The answer lock: an answer with the marks of an exchange leaves only through the pipeline.
//!
//! The mark is a member `issued_token_type` of the answer's outermost JSON object (RFC 8693 section 2.2.1): no other
//! grant's answer has it. A JSON answer is held back until it is whole, or longer than any token answer is; from then
//! on it streams, still read, and is cut where the mark appears.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};

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
    /// It is JSON under a content coding, so the lock can't read it.
    Coded,
}

/// Decides from the head of an answer.
pub fn reading(status: StatusCode, headers: &HeaderMap) -> Reading {
    if !status.is_success() || status == StatusCode::NO_CONTENT {
        return Reading::Free;
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let json = match (types.next(), types.next()) {
        (None, _) | (Some(_), Some(_)) => true,
        (Some(kind), None) => is_json(kind.as_bytes()),
    };
    if !json {
        return Reading::Free;
    }
    let coded = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if coded { Reading::Coded } else { Reading::Read }
}

/// Looks for the mark in a JSON text that comes in pieces.
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    depth: usize,
    place: Place,
    name: Name,
    found: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Outside,
    InString,
    /// After a backslash.
    InEscape,
}

/// How the string that is being read, or was read last, compares with the mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Name {
    #[default]
    Other,
    /// So many bytes are equal.
    Prefix(usize),
    /// Written with escapes, which hide it from a comparison of bytes: taken for the mark.
    Escaped,
}

impl Scanner {
    /// Reads on; says whether the mark has been seen, now or before.
    pub fn push(&mut self, piece: &[u8]) -> bool {
        for &byte in piece {
            if self.found {
                break;
            }
            match self.place {
                Place::Outside => self.outside(byte),
                Place::InString => self.in_string(byte),
                Place::InEscape => self.place = Place::InString,
            }
        }
        self.found
    }

    fn outside(&mut self, byte: u8) {
        match byte {
            b'"' => {
                self.place = Place::InString;
                self.name = Name::Prefix(0);
                return;
            }
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            // Only a colon makes the string before it a member's name.
            b':' => self.found = self.depth <= 1 && self.name.may_be_mark(),
            b' ' | b'\t' | b'\r' | b'\n' => return,
            _ => {}
        }
        self.name = Name::Other;
    }

    fn in_string(&mut self, byte: u8) {
        match (byte, self.name) {
            (b'\\', _) => {
                self.place = Place::InEscape;
                self.name = Name::Escaped;
            }
            (b'"', _) => self.place = Place::Outside,
            (_, Name::Prefix(n)) if MARK.get(n) == Some(&byte) => self.name = Name::Prefix(n + 1),
            (_, Name::Escaped) => {}
            (_, _) => self.name = Name::Other,
        }
    }
}

impl Name {
    fn may_be_mark(self) -> bool {
        match self {
            Self::Other => false,
            Self::Prefix(equal) => equal == MARK.len(),
            Self::Escaped => true,
        }
    }
}

/// Whether a whole answer bears the mark.
pub fn bears_mark(body: &Bytes) -> bool {
    Scanner::default().push(body)
}

fn is_json(content_type: &[u8]) -> bool {
    let essence = content_type.split(|&b| b == b';').next().unwrap_or_default().trim_ascii();
    let lower = essence.to_ascii_lowercase();
    lower.is_empty()
        || lower == b"application/json"
        || lower == b"text/json"
        || lower.ends_with(b"+json")
        || !lower.contains(&b'/')
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
            (Some("text/html"), None, Reading::Free),
            (Some("application/octet-stream"), Some("gzip"), Reading::Free),
        ] {
            assert_eq!(reading(StatusCode::OK, &head(kind, coding)), expected, "{kind:?} {coding:?}");
        }
        assert_eq!(reading(StatusCode::BAD_REQUEST, &head(Some("application/json"), None)), Reading::Free);
    }
}
