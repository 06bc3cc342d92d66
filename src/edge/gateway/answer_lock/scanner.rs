//! Finds the mark of an exchange in JSON text that arrives in pieces.

use crate::adapters::net::body::ReadAlong;

const MARK: &[u8] = b"issued_token_type";

/// A scanner of one answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Scanner {
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
    /// Reads the next piece, and returns whether the mark has been seen so far.
    pub(super) fn push(&mut self, piece: &[u8]) -> bool {
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

impl ReadAlong for Scanner {
    fn read(&mut self, piece: &[u8]) -> bool {
        !self.push(piece)
    }
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
            assert_eq!(Scanner::default().push(text.as_bytes()), expected, "{name}");
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
            assert!(Scanner::default().push(&bytes), "{name}");
        }
    }
}
