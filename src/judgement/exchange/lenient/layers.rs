//! The layers of a text: escaped text within escaped text, as it is and without what some parser drops.

use std::borrow::Cow;

use memchr::memchr2;

use crate::words::oauth::bytes::{all, visited};

/// No body of an ordinary client is escaped more than twice. A layer is shorter than the layer around it, so that all
/// layers together have at most this many times the bytes of the body.
pub(super) const MAX_LAYERS: usize = 8;

/// Calls `look` with each layer of escaped text within escaped text, because a parser may stop at any layer. Some
/// parsers drop white space and control characters within names and values, before or after they decode escapes, and
/// the NULs of UTF-16 stand within escapes: `look` gets each layer with and without these characters, and the layers
/// that show only without them. Returns whether the last layer was reached.
pub(super) fn each_layer(body: &[u8], mut look: impl FnMut(&[u8], &[u8])) -> bool {
    let mut hides_escapes = false;
    let reached = decode_layers(Cow::Borrowed(body), |layer| {
        let text = visible(layer);
        look(&text, &dense(&text));
        hides_escapes |= memchr2(b'%', b'\\', layer).is_some() && !all(layer, is_kept);
        Cow::Borrowed(layer)
    });
    if !reached || !hides_escapes {
        return reached;
    }
    decode_layers(Cow::Borrowed(body), |layer| {
        let kept: Vec<u8> = layer.iter().copied().filter(|byte| is_kept(*byte)).collect();
        let text = visible(&kept);
        look(&text, &dense(&text));
        Cow::Owned(kept)
    })
}

/// Whether `holds` is true of every layer of escaped text within escaped text, and the last layer is reached.
pub(in crate::judgement::exchange) fn all_layers(body: &[u8], holds: impl Fn(&[u8]) -> bool) -> bool {
    let mut so_far = true;
    let reached = decode_layers(Cow::Borrowed(body), |layer| {
        so_far &= holds(layer);
        Cow::Borrowed(layer)
    });
    reached && so_far
}

/// Whether a layer has an escape with digits of another script, as in `%\u{667}\u{665}`. Java's parser of numbers reads them;
/// here nobody knows which characters they stand for.
pub(super) fn hides_in_digits(layer: &[u8]) -> bool {
    !layer.is_ascii()
        && memchr::memchr_iter(b'%', layer).any(|at| {
            // A digit has four bytes at most, and IIS writes a `u` before four of them.
            let after = layer.get(at + 1..layer.len().min(at + 18)).unwrap_or_default();
            visited(after.len());
            if after.is_ascii() {
                return false;
            }
            let text = String::from_utf8_lossy(after);
            let digits = text.trim_start_matches(['u', 'U']).chars().take(4);
            digits.take_while(|one| is_digit(*one)).any(|one| !one.is_ascii())
        })
}

/// A digit of any script, or what some parser takes for one.
fn is_digit(character: char) -> bool {
    let full_width = matches!(character, '\u{FF21}'..='\u{FF26}' | '\u{FF41}'..='\u{FF46}');
    character.is_ascii_hexdigit() || character.is_numeric() || full_width
}

/// Decodes layer by layer; `step` sees each layer, and says what is decoded next. Returns whether the last layer was
/// reached.
fn decode_layers(body: Cow<'_, [u8]>, mut step: impl for<'l> FnMut(&'l [u8]) -> Cow<'l, [u8]>) -> bool {
    let mut layer = body;
    for _ in 0..MAX_LAYERS {
        let decoded = unescape(&step(&layer));
        match decoded {
            Some(decoded) => layer = Cow::Owned(decoded),
            None => return true,
        }
    }
    false
}

/// Whether no parser drops the byte: it is neither white space nor a control character.
fn is_kept(byte: u8) -> bool {
    byte.is_ascii_graphic() || !byte.is_ascii()
}

/// ASCII in lower case with LF at the end of a line, without padding: NUL of UTF-16 and UTF-32, byte order marks,
/// invisible characters.
pub(super) fn visible(bytes: &[u8]) -> Vec<u8> {
    visited(bytes.len());
    if bytes.is_ascii() && memchr2(0, b'\r', bytes).is_none() {
        return bytes.to_ascii_lowercase();
    }
    let mut text = Vec::with_capacity(bytes.len());
    let mut kept = bytes.iter().copied().filter(|byte| byte.is_ascii() && *byte != 0).peekable();
    while let Some(byte) = kept.next() {
        match byte {
            b'\r' if kept.peek() == Some(&b'\n') => {}
            b'\r' => text.push(b'\n'),
            _ => text.push(byte.to_ascii_lowercase()),
        }
    }
    text
}

/// The text without white space and control characters.
pub(super) fn dense(text: &[u8]) -> Cow<'_, [u8]> {
    if all(text, |byte| byte.is_ascii_graphic()) {
        return Cow::Borrowed(text);
    }
    text.iter().copied().filter(u8::is_ascii_graphic).collect()
}

/// Decodes one layer of escapes: `%HH`, `%uHHHH`, `\uHHHH`, `\xHH`, and characters of UTF-8 that some parser takes for ASCII.
/// `None` if there are none.
pub(super) fn unescape(bytes: &[u8]) -> Option<Vec<u8>> {
    visited(bytes.len());
    let ascii = bytes.is_ascii();
    let begins = |rest: &[u8]| {
        if ascii {
            return memchr2(b'%', b'\\', rest);
        }
        rest.iter().position(|byte| matches!(byte, b'%' | b'\\') || LEADS.contains(byte))
    };
    let mut rest = bytes;
    let mut decoded = Vec::new();
    while let Some((before, escape)) = begins(rest).and_then(|at| rest.split_at_checked(at)) {
        if decoded.is_empty() {
            decoded.reserve_exact(bytes.len());
        }
        decoded.extend_from_slice(before);
        let (value, length) = match escape {
            [b'%' | b'\\', b'u' | b'U', b'0', b'0', high, low, ..] => (hex(*high, *low), 6),
            [b'%', high, low, ..] => (hex(*high, *low), 3),
            [b'\\', b'x' | b'X', high, low, ..] => (hex(*high, *low), 4),
            escape => like_ascii(escape).map_or((None, 1), |(value, length)| (Some(value), length)),
        };
        decoded.extend(value.or(escape.first().copied()));
        rest = escape.get(if value.is_some() { length } else { 1 }..).unwrap_or_default();
    }
    if rest.len() == bytes.len() {
        return None;
    }
    decoded.extend_from_slice(rest);
    (decoded.len() < bytes.len()).then_some(decoded)
}

/// The first bytes of what [`like_ascii`] reads.
const LEADS: [u8; 8] = [0xC0, 0xC1, 0xC4, 0xC5, 0xE0, 0xE2, 0xEF, 0xF0];

/// The ASCII character that the least strict decoders read at the start of `bytes`, and how many bytes it takes: overlong
/// forms, full-width forms, and the four letters that are ASCII in another case.
fn like_ascii(bytes: &[u8]) -> Option<(u8, usize)> {
    let low = |tail: u8| tail & 0x3F;
    match *bytes {
        [lead @ (0xC0 | 0xC1), tail @ 0x80..=0xBF, ..] => Some(((lead & 1) << 6 | low(tail), 2)),
        [0xE0, lead @ (0x80 | 0x81), tail @ 0x80..=0xBF, ..] => Some(((lead & 1) << 6 | low(tail), 3)),
        [0xF0, 0x80, lead @ (0x80 | 0x81), tail @ 0x80..=0xBF, ..] => Some(((lead & 1) << 6 | low(tail), 4)),
        // U+FF01 to U+FF5E.
        [0xEF, 0xBC, tail @ 0x81..=0xBF, ..] => Some((low(tail) + 0x20, 3)),
        [0xEF, 0xBD, tail @ 0x80..=0x9E, ..] => Some((low(tail) + 0x60, 3)),
        // The capital I with a dot, and the small i without.
        [0xC4, 0xB0 | 0xB1, ..] => Some((b'i', 2)),
        // The long s, and the Kelvin sign.
        [0xC5, 0xBF, ..] => Some((b's', 2)),
        [0xE2, 0x84, 0xAA, ..] => Some((b'k', 3)),
        _ => None,
    }
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// [`unescape`] and [`visible`] byte by byte, without a short cut.
    fn slowly(bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let mut decoded = Vec::new();
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            let (value, length) = match (byte, after) {
                (b'%' | b'\\', [b'u' | b'U', b'0', b'0', high, low, ..]) => (hex(*high, *low), 6),
                (b'%', [high, low, ..]) => (hex(*high, *low), 3),
                (b'\\', [b'x' | b'X', high, low, ..]) => (hex(*high, *low), 4),
                _ => like_ascii(rest).map_or((None, 1), |(value, length)| (Some(value), length)),
            };
            decoded.push(value.unwrap_or(byte));
            rest = &rest[if value.is_some() { length } else { 1 }..];
        }
        let kept: Vec<u8> = bytes.iter().copied().filter(|byte| byte.is_ascii() && *byte != 0).collect();
        let ends = |at: usize| kept[at] == b'\r' && kept.get(at + 1) == Some(&b'\n');
        let lines = (0..kept.len()).filter(|at| !ends(*at)).map(|at| match kept[at] {
            b'\r' => b'\n',
            byte => byte.to_ascii_lowercase(),
        });
        (decoded, lines.collect())
    }

    proptest! {
        #[test]
        fn short_cuts_change_nothing(
            pieces in proptest::collection::vec(prop_oneof![
                "[%u\\\\04aU]{1,6}".prop_map(String::into_bytes),
                "[ -~]{1,40}".prop_map(String::into_bytes),
                proptest::collection::vec(proptest::sample::select(b"\0\r\n\xC0\xC1\xE0\xF0\xEF\xBC\x81\x80\xBF\xFFaZ".to_vec()), 1..5),
            ], 0..12)
        ) {
            let bytes = pieces.concat();
            let (decoded, text) = slowly(&bytes);
            prop_assert_eq!(unescape(&bytes), (decoded.len() < bytes.len()).then_some(decoded));
            let shown = visible(&bytes);
            prop_assert_eq!(&shown, &text);
            let thin: Vec<u8> = text.iter().copied().filter(u8::is_ascii_graphic).collect();
            prop_assert_eq!(dense(&shown).into_owned(), thin);
        }
    }

    #[test]
    fn escapes_in_digits_of_another_script_are_seen() {
        for (name, text, expected) in [
            ("Arabic", "%\u{667}\u{665}rn", true),
            ("one digit of two", "%7\u{665}", true),
            ("Devanagari", "a=%\u{96D}5", true),
            ("IIS", "%u00\u{667}\u{665}", true),
            ("full width", "%\u{FF17}\u{FF26}", true),
            ("a percentage", "100% \u{667}", false),
            ("a letter after an escape", "%C3%A9\u{E9}", false),
            ("text", "pa%\u{E9}\u{667}", false),
            ("digits alone", "\u{667}\u{665}", false),
        ] {
            assert_eq!(hides_in_digits(text.as_bytes()), expected, "{name}");
        }
        assert!(!all_layers(b"a=%25%D9%A7%D9%A5rn", |layer| !hides_in_digits(layer)));
        assert!(all_layers(b"a=%25%37%35rn", |layer| !hides_in_digits(layer)));
    }

    #[test]
    fn decodes_what_some_parser_takes_for_ascii() {
        for (name, bytes, expected) in [
            ("percent", b"%67".as_slice(), b"g".as_slice()),
            ("IIS", b"%u0067", b"g"),
            ("JSON", b"\\u0067", b"g"),
            ("two bytes", b"\xC1\xA7", b"g"),
            ("three bytes", b"\xE0\x81\xA7", b"g"),
            ("four bytes", b"\xF0\x80\x81\xA7", b"g"),
            ("full width", "\u{FF47}\u{FF3F}\u{FF01}\u{FF5E}".as_bytes(), b"g_!~"),
            ("Kelvin sign", "\u{212A}".as_bytes(), b"k"),
            ("long s", "\u{17F}".as_bytes(), b"s"),
            ("i without a dot", "\u{131}".as_bytes(), b"i"),
            ("I with a dot", "\u{130}".as_bytes(), b"i"),
            ("JSON5", b"\\x67", b"g"),
        ] {
            assert_eq!(unescape(bytes).as_deref(), Some(expected), "{name}");
        }
        for other in ["é", "ž", "日本", "€", "😀", "100%", "%zz", "a"] {
            assert_eq!(unescape(other.as_bytes()), None, "{other}");
        }
    }
}
