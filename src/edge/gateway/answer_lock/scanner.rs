//! Finds the mark of an exchange, and members that carry tokens, in JSON text that arrives in pieces.

const MARK: &[u8] = b"issued_token_type";

/// Members that carry a token in an answer of a token endpoint (RFC 6749 section 5.1, OpenID Connect Core section 3.1.3.3).
const TOKENS: [&[u8]; 3] = [b"access_token", b"refresh_token", b"id_token"];

/// A scanner of one answer.
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    depth: usize,
    in_string: bool,
    escape: Escape,
    /// The current string, if it may still be a name that counts.
    name: Option<Name>,
    /// The last string at depth one was a name that counts; a colon makes it a member's.
    candidate: Option<Member>,
    found: bool,
    has_token: bool,
}

/// A member that counts.
#[derive(Clone, Copy, Debug)]
enum Member {
    Mark,
    Token,
}

/// The beginning of a string.
#[derive(Clone, Copy, Debug, Default)]
struct Name {
    text: [u8; MARK.len()],
    length: usize,
}

impl Name {
    fn with(mut self, byte: u8) -> Option<Self> {
        *self.text.get_mut(self.length)? = byte;
        self.length += 1;
        Some(self)
    }

    fn member(&self) -> Option<Member> {
        let text = self.text.get(..self.length)?;
        if text == MARK { Some(Member::Mark) } else { TOKENS.contains(&text).then_some(Member::Token) }
    }
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
                    self.name = (self.depth <= 1).then(Name::default);
                }
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                b':' => match self.candidate {
                    Some(Member::Mark) => {
                        self.found = true;
                        return true;
                    }
                    Some(Member::Token) => self.has_token = true,
                    None => {}
                },
                b' ' | b'\t' | b'\r' | b'\n' => continue,
                _ => {}
            }
            self.candidate = None;
        }
        self.found
    }

    /// Whether the outermost object has a member that carries a token, as far as it was read.
    pub(super) fn has_token(&self) -> bool {
        self.has_token
    }

    fn string_byte(&mut self, byte: u8) {
        match self.escape {
            Escape::Begun if byte == b'u' => self.escape = Escape::Unicode(0, 0),
            // No other escape spells a character of a name that counts.
            Escape::Begun => {
                self.escape = Escape::None;
                self.name = None;
            }
            Escape::Unicode(digits, value) => {
                let Some(digit) = char::from(byte).to_digit(16) else {
                    self.escape = Escape::None;
                    self.name = None;
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
                    self.candidate = self.name.as_ref().and_then(Name::member);
                }
                _ => self.character(Some(byte)),
            },
        }
    }

    fn character(&mut self, byte: Option<u8>) {
        self.name = self.name.zip(byte).and_then(|(name, byte)| name.with(byte));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_tokens_in_the_outermost_object_only() {
        for (name, text, expected) in [
            ("an access token", r#"{"a":1,"access_token":"x"}"#, true),
            ("a refresh token", r#"{"refresh_token" : "x"}"#, true),
            ("an ID token", r#"{"id_token":"x"}"#, true),
            ("a line of many", "{\"a\":1}\n{\"access_token\":1}", true),
            ("an escaped name", r#"{"\u0061ccess_token":1}"#, true),
            ("without its value yet", r#"{"access_token""#, false),
            ("as a value", r#"{"a":"access_token"}"#, false),
            ("in a nested object", r#"{"a":{"access_token":1}}"#, false),
            ("in a list", r#"[{"access_token":1}]"#, false),
            ("a longer name", r#"{"access_token_lifespan":1,"access_token1":1}"#, false),
            ("a name of the mark's length", r#"{"access_token_type":1}"#, false),
            ("a shorter name", r#"{"access_toke":1,"id":1}"#, false),
        ] {
            for split in 0..text.len() {
                let mut scanner = Scanner::default();
                scanner.push(&text.as_bytes()[..split]);
                scanner.push(&text.as_bytes()[split..]);
                assert_eq!(scanner.has_token(), expected, "{name}, split at {split}");
            }
        }
    }

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
