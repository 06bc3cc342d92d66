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
    in_string: bool,
    escaped: bool,
    /// Bytes of the outermost object's current string that equal the mark so far; `None` once they differ.
    matched: Option<usize>,
    /// The last string at depth one was the mark; a colon makes it a member's name.
    candidate: bool,
    found: bool,
}

impl Scanner {
    /// Reads on; says whether the mark has been seen, now or before.
    pub fn push(&mut self, piece: &[u8]) -> bool {
        if self.found {
            return true;
        }
        // Escapes in a member's name hide it from a comparison of bytes; such a name is taken for the mark.
        for &byte in piece {
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
        if self.escaped {
            self.escaped = false;
            return;
        }
        match byte {
            b'\\' => {
                self.escaped = true;
                self.matched = self.matched.map(|_| usize::MAX);
            }
            b'"' => {
                self.in_string = false;
                let escaped_name = self.matched == Some(usize::MAX);
                self.candidate = self.depth <= 1 && (self.matched == Some(MARK.len()) || escaped_name);
            }
            _ => {
                self.matched = match self.matched {
                    Some(usize::MAX) => Some(usize::MAX),
                    Some(n) if MARK.get(n) == Some(&byte) => Some(n + 1),
                    _ => None,
                };
            }
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
