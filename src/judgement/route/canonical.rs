//! The one spelling of a path.
//!
//! Keycloak publishes the addresses of a realm with every character escaped that a URL can't have, in capital hex digits:
//! the realm `my realm` is at `/realms/my%20realm`, `münchen` at `/realms/m%C3%BCnchen`. That spelling is canonical. Keycloak
//! also answers at other spellings (`%c3%bc`), so a path in another spelling of a configured realm is refused.

use super::disguise;

/// Whether a path has one spelling only, and this is the one: unreserved characters, and escapes of spaces and of letters
/// that are not ASCII.
pub fn is_canonical(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_canonical_segment))
}

fn is_canonical_segment(segment: &str) -> bool {
    let Some(name) = unescaped(segment) else { return false };
    // What some server trims, or takes for a way through the folders, is no name.
    !matches!(name.as_str(), "" | "." | "..") && name.trim() == name && name.chars().all(has_one_reading)
}

/// Whether every server reads the character as itself. Full-width forms and a few other letters become ASCII in some.
fn has_one_reading(character: char) -> bool {
    if character.is_ascii() {
        return character == ' ' || is_unreserved(character);
    }
    character.is_alphanumeric() && disguise::fold(character).all(|folded| !folded.is_ascii())
}

/// The segment without escapes; none if an escape is not in capital digits, or not necessary.
fn unescaped(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(Some(byte).filter(|byte| is_unreserved(char::from(*byte)))?);
            continue;
        }
        let escaped = digit(rest.next()?)? << 4 | digit(rest.next()?)?;
        bytes.push(Some(escaped).filter(|byte| *byte == b' ' || !byte.is_ascii())?);
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// RFC 3986 section 2.3.
fn is_unreserved(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_' | '~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_spelling() {
        for path in [
            "/realms/corp",
            "/realms/a.b-c_d~e",
            "/realms/my%20realm",
            "/realms/m%C3%BCnchen",
            "/realms/%D0%BC%D0%BE%D1%81%D0%BA%D0%B2%D0%B0",
            "/realms/%E6%9D%B1%E4%BA%AC%201",
            "/auth/realms/my%20realm",
        ] {
            assert!(is_canonical(path), "{path}");
        }
        for path in [
            "",
            "/",
            "realms/corp",
            "/realms/corp/",
            "/realms//corp",
            "/realms/.",
            "/realms/..",
            "/realms/my realm",
            "/realms/my+realm",
            "/realms/münchen",
            // Another case of the digits, an escape without need, an escape of an escape, half an escape.
            "/realms/m%c3%bcnchen",
            "/realms/m%C3%bcnchen",
            "/realms/%6Dy%20realm",
            "/realms/my%2520realm",
            "/realms/my%u0020realm",
            "/realms/m%C3",
            "/realms/my%2",
            "/realms/my%",
            // Overlong UTF-8, and none at all.
            "/realms/my%C0%A0realm",
            "/realms/m%FCnchen",
            // What some server trims, cuts, drops, folds or composes.
            "/realms/%20corp",
            "/realms/corp%20",
            "/realms/%20",
            "/realms/corp%00",
            "/realms/corp%0A",
            "/realms/corp%2F",
            "/realms/corp%3Bx",
            "/realms/corp%5Cx",
            "/realms/a%2Bb",
            "/realms/corp%C2%A0x",
            "/realms/corp%E2%80%8B",
            "/realms/%EF%BD%83orp",
            "/realms/%C5%BFso",
            "/realms/%E2%84%AA",
            "/realms/mu%CC%88nchen",
        ] {
            assert!(!is_canonical(path), "{path}");
        }
    }
}
