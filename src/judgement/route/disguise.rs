//! What a path could mean to the most liberal of servers.
//!
//! Servers decode once or twice, take `\` for `/`, cut `;parameters`, merge slashes, resolve dot segments, fold case
//! and drop trailing dots, in any order. Rather than guess one of these orders, Cambio decodes everything and looks
//! for the names `protocol`, `openid-connect` and `token` as segments in that order with anything between them:
//! resolving, merging and cutting only take segments away, so whatever such a server reads as a token endpoint has
//! them. No other endpoint of Keycloak has, save introspection. Doors that a dialect has at paths of its own are
//! looked for by all their segments in the same way.

use crate::judgement::dialect::endpoints::keycloak::{CERTS, INTROSPECT, LOGOUT, REVOKE, USERINFO};
use crate::judgement::dialect::endpoints::{DISCOVERY, METADATA};

/// The endpoints below every realm that Cambio answers, besides the token endpoint.
const OWN: [&str; 7] = [INTROSPECT, CERTS, LOGOUT, REVOKE, USERINFO, DISCOVERY, METADATA];

/// What stands between the path of a realm and the name of its endpoint.
const BETWEEN: [&str; 2] = ["/protocol/openid-connect/", "/.well-known/"];

/// The names that make a token endpoint, in order.
const NAMES: [&str; 3] = ["protocol", "openid-connect", "token"];

/// The segments of a door's path, as [`decode`] spells them.
pub(super) fn segments(path: &str) -> Vec<String> {
    decode(path).split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect()
}

/// The segments of a path as most servers would resolve them: without parameters, and without dot segments.
pub(super) fn resolved(path: &str) -> Vec<String> {
    let mut resolved: Vec<String> = Vec::new();
    for segment in segments(path) {
        match segment.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => drop(resolved.pop()),
            name => resolved.push(name.to_owned()),
        }
    }
    resolved
}

/// Whether some server could read `path`, which is no canonical token endpoint, as a token endpoint, or as one of the
/// `doors` that dialects have.
pub(super) fn may_be_read_as_door<'d>(path: &str, mut doors: impl Iterator<Item = &'d [String]>) -> bool {
    if is_clean(path) {
        return false;
    }
    // Introspection only as Keycloak itself writes it; the part before it is looked at like any other path.
    let before = path.strip_suffix('/').unwrap_or(path).strip_suffix(INTROSPECT);
    let decoded = decode(before.unwrap_or(path));
    has_in_order(&decoded, &NAMES) || doors.any(|door| has_in_order(&decoded, door))
}

/// The text with every escape decoded until none is left, overlong and invalid UTF-8 tolerated, case folded,
/// and everything that some server takes for a slash as a slash.
pub(super) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        bytes.push(byte);
        // Whatever is decoded may complete an escape with what stands before it, as in %2525 or %%32%35.
        while let Some((length, decoded)) = escape_at_end(&bytes) {
            bytes.truncate(bytes.len() - length);
            bytes.push(decoded);
        }
    }
    lenient_utf8(&bytes).into_iter().flat_map(fold).collect()
}

/// Whether some server could read the name of a governed grant in a query string: all of them have this part.
pub(super) fn may_name_grant(query: &str) -> bool {
    let kept: String = decode(query).chars().filter(char::is_ascii_graphic).collect();
    kept.contains("grant-type")
}

/// The paths of endpoints that Cambio answers, besides token endpoints.
///
/// A path that some server could take for one of them is refused, unless it is written as Keycloak writes it. The rule
/// is narrower than the rule for token endpoints, because Keycloak has further pages below `logout`, and because these
/// endpoints of realms that are not configured are not Cambio's.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnPaths {
    /// The segments of the realms' paths, folded.
    realms: Vec<Vec<String>>,
}

impl OwnPaths {
    /// Adds the endpoints of the realm at this path.
    pub(super) fn add_realm(&mut self, path: &str) {
        self.realms.push(segments(path));
    }

    /// Whether some server could read `path`, which is none of the canonical paths, as one of these endpoints at a realm
    /// that is configured. `is_realm` tells whether a path is that of some realm, in its one spelling.
    pub(super) fn may_be_meant(&self, path: &str, is_realm: impl Fn(&str) -> bool) -> bool {
        if is_clean(path) {
            return false;
        }
        let bare = path.strip_suffix('/').unwrap_or(path);
        if let Some(realm) = OWN.iter().find_map(|endpoint| bare.strip_suffix(endpoint)) {
            // The endpoint is written plainly, so it is the realm that may be disguised.
            return !is_realm(realm) && self.may_be_realm(realm);
        }
        if let Some(realm) = bare.strip_prefix(METADATA) {
            return !is_realm(realm) && self.may_be_realm(realm);
        }
        let after = BETWEEN.iter().find_map(|between| path.find(between).and_then(|at| path.get(at..)));
        match after {
            Some(after) if is_plain(after) => OWN.iter().any(|endpoint| ends_with(after, endpoint)),
            _ if is_plain(path) => OWN.iter().any(|endpoint| ends_with(path, endpoint)),
            _ => {
                let decoded = decode(path);
                OWN.iter().any(|endpoint| has_in_order(&decoded, &segments(endpoint)))
            }
        }
    }

    /// Whether the path spells the path of a configured realm, once all of it is decoded.
    pub(super) fn is_realm_decoded(&self, path: &str) -> bool {
        let spelled = |names: &[String]| names.iter().map(|name| solid(name)).collect::<Vec<_>>();
        let found = spelled(&segments(path));
        self.realms.iter().any(|realm| spelled(realm) == found)
    }

    /// Whether some server could read the path as that of a configured realm.
    fn may_be_realm(&self, path: &str) -> bool {
        let decoded = decode(path);
        self.realms.iter().any(|realm| has_in_order(&decoded, realm))
    }
}

/// Whether a path has one reading but for the case of its letters and what stands after a dot: no escapes, no
/// parameters, no segments that some server takes away, which includes a last one that begins with a dot (`revoke/.json`).
pub(super) fn is_plain(path: &str) -> bool {
    let bare = path.strip_suffix('/').unwrap_or(path);
    path.bytes().all(|byte| byte.is_ascii_graphic() && !b"%;\\".contains(&byte))
        && bare.rsplit('/').next().is_some_and(|last| !last.starts_with('.'))
        && bare.split('/').skip(1).all(|segment| !segment.bytes().all(|byte| byte == b'.'))
}

/// Whether a plain path ends with an endpoint, in any case and with anything that some server cuts.
fn ends_with(path: &str, endpoint: &str) -> bool {
    let path = segments(path);
    let names = segments(endpoint);
    path.len() >= names.len() && path.iter().rev().zip(names.iter().rev()).all(|(segment, name)| is_name(segment, name))
}

/// Whether the path has nothing to decode and no part of the paths that are looked for, as nearly every path of a page.
fn is_clean(path: &str) -> bool {
    let bytes = path.as_bytes();
    let begins =
        |at: usize, part: &[u8]| bytes.get(at..at + part.len()).is_some_and(|found| found.eq_ignore_ascii_case(part));
    bytes.is_ascii()
        && !bytes.contains(&b'%')
        && !bytes.iter().enumerate().any(|(at, byte)| match byte {
            b't' | b'T' => begins(at, b"token"),
            b'i' | b'I' => begins(at, b"introspect"),
            b'o' | b'O' => begins(at, b"openid-connect"),
            b'w' | b'W' => begins(at, b"well-known"),
            _ => false,
        })
}

/// Whether the segments of a decoded path have these names in this order, with anything between them.
pub(super) fn has_in_order(decoded: &str, names: &[impl AsRef<str>]) -> bool {
    let mut names = names.iter().map(AsRef::as_ref).peekable();
    for segment in decoded.split('/') {
        if names.next_if(|name| is_name(segment, name)).is_some() && names.peek().is_none() {
            return true;
        }
    }
    false
}

/// Whether `segment` is `name`, perhaps with something after it that some server cuts (`token;a=b`, `token.json`,
/// `token%00x`) or something within it that some server drops (spaces, control and invisible characters).
pub(super) fn is_name(segment: &str, name: &str) -> bool {
    let ends = |rest: &str| !rest.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '-' || next == '_');
    let is_graphic = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    // Nearly every segment and name is graphic: then nothing could be dropped, and nothing is copied.
    let kept = || segment.chars().filter(char::is_ascii_graphic).collect::<String>();
    segment.trim_start_matches(|c: char| !c.is_ascii_graphic()).strip_prefix(name).is_some_and(ends)
        || !is_graphic(segment) && kept().strip_prefix(name).is_some_and(ends)
        || !is_graphic(name) && solid(segment).strip_prefix(&solid(name)).is_some_and(ends)
}

/// A text without what some server drops, for names with spaces or with letters that are not ASCII.
fn solid(text: &str) -> String {
    text.chars().filter(|character| character.is_alphanumeric() || character.is_ascii_graphic()).collect()
}

/// The byte that an escape at the end of `bytes` stands for: `%HH`, or IIS's `%u00HH`.
fn escape_at_end(bytes: &[u8]) -> Option<(usize, u8)> {
    let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    match bytes {
        [.., b'%', b'u' | b'U', b'0', b'0', high, low] => Some((6, hex(*high)? << 4 | hex(*low)?)),
        [.., b'%', high, low] => Some((3, hex(*high)? << 4 | hex(*low)?)),
        _ => None,
    }
}

/// Decodes UTF-8 as the least strict decoders do: overlong forms mean what they spell, broken ones are U+FFFD.
fn lenient_utf8(bytes: &[u8]) -> Vec<char> {
    let mut characters = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&lead, after)) = rest.split_first() {
        let (length, mask) = match lead {
            0xC0..=0xDF => (1, 0x1F),
            0xE0..=0xEF => (2, 0x0F),
            0xF0..=0xF7 => (3, 0x07),
            _ => (0, 0x7F),
        };
        let tail = after.get(..length).filter(|tail| tail.iter().all(|byte| byte & 0xC0 == 0x80));
        let value = match tail {
            Some(tail) if length > 0 || lead < 0x80 => {
                tail.iter().fold(u32::from(lead & mask), |value, byte| value << 6 | u32::from(byte & 0x3F))
            }
            _ => 0xFFFD,
        };
        characters.push(char::from_u32(value).unwrap_or('\u{FFFD}'));
        rest = after.get(tail.map_or(0, <[u8]>::len)..).unwrap_or_default();
    }
    characters
}

/// Lower case, by every rule that turns another character into an ASCII one; slashes as slashes.
pub(super) fn fold(character: char) -> impl Iterator<Item = char> {
    let character = match character {
        // Full-width forms, which best-fit mappings turn into ASCII.
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(character) - 0xFEE0).unwrap_or(character),
        '\u{2044}' | '\u{2215}' => '/',
        // The two letters whose upper case is ASCII; to_lowercase handles the Kelvin sign and the I with a dot.
        '\u{17F}' => 's',
        '\u{131}' => 'i',
        other => other,
    };
    let character = if character == '\\' { '/' } else { character };
    character.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_until_nothing_is_left() {
        for (text, expected) in [
            ("/a", "/a"),
            ("%41", "a"),
            ("%2541", "a"),
            ("%252541", "a"),
            ("%%34%31", "a"),
            ("%u0041", "a"),
            ("%c0%af", "/"),
            ("%e0%80%af", "/"),
            ("%5C", "/"),
            ("%ef%bd%94", "t"),
            ("%E2%84%AA", "k"),
            ("%C4%B1", "i"),
            ("%zz%", "%zz%"),
            ("%ff", "\u{FFFD}"),
            ("é", "é"),
        ] {
            assert_eq!(decode(text), expected, "{text}");
        }
    }

    #[test]
    fn decoding_is_linear() {
        assert_eq!(decode(&format!("%{}", "25".repeat(500_000))), "%");
    }

    #[test]
    fn finds_the_door_behind_every_disguise() {
        const T: &str = "/realms/corp/protocol/openid-connect/token";
        for (path, expected) in [
            (format!("{T}/"), true),
            (format!("{T}."), true),
            (format!("{T}.json"), true),
            (format!("{T}%20"), true),
            (format!("{T}%00.png"), true),
            (format!("{T}%3Fa=b"), true),
            (format!("{T}%23"), true),
            (format!("{T};a=b"), true),
            (format!("{T}/x"), true),
            (format!("{T}/introspect/x"), true),
            (format!("{T}/introspect/../"), true),
            (format!("{T}/INTROSPECT"), true),
            (format!("{T};/introspect"), true),
            (format!("{T}%2Fintrospect"), true),
            (format!("/x{T}/x/protocol/openid-connect/token/introspect"), true),
            ("/realms/corp/protocol;x/openid-connect/token".to_owned(), true),
            ("/realms/corp/protocol//openid-connect/./token".to_owned(), true),
            ("/realms/corp/protocol/x/%2e%2e/openid-connect/token".to_owned(), true),
            ("/realms/corp/protocol%5copenid-connect%252ftoken".to_owned(), true),
            ("/realms/corp/PROTOCOL/OpenID-Connect/To%E2%84%AAen".to_owned(), true),
            ("/realms/corp/protocol/openid-connect/to%09ken".to_owned(), true),
            ("/protocol/openid-connect/token".to_owned(), true),
            (format!("{T}/introspect"), false),
            (format!("{T}/introspect/"), false),
            ("/realms/my%20realm/protocol/openid-connect/token/introspect".to_owned(), false),
            ("/realms/corp/protocol/openid-connect/tokens".to_owned(), false),
            ("/realms/corp/protocol/openid-connect/userinfo".to_owned(), false),
            ("/realms/token/protocol/openid-connect/auth".to_owned(), false),
            ("/realms/corp/account/token".to_owned(), false),
            ("/admin/realms/corp/clients/generate-example-access-token".to_owned(), false),
            ("/auth-server/api-access/token".to_owned(), false),
        ] {
            assert_eq!(may_be_read_as_door(&path, std::iter::empty()), expected, "{path}");
        }
    }
}
