//! The route of a request.

use cambio::judgement::dialect::Dialect;
use cambio::judgement::dialect::RealmPath;
use cambio::judgement::route::{Route, RouteTable};

const DOOR: &str = "/realms/corp/protocol/openid-connect/token";
/// What a way of writing puts in or behind a segment, and every server that decodes it drops, cuts or reads as a slash.
const DROPPED: [&str; 8] = ["/", "./", "x/../", "%2e/", "x/%2e%2e/", ";/", ";a=b/", "%2f"];

/// The first byte chooses what the rest is: a path as it stands, or a list of ways of writing the token endpoint's path.
/// A path that a lenient server reads as the token endpoint is never passed, nor looked at as an ordinary form.
pub fn check(input: &[u8]) {
    let Some((choice, rest)) = input.split_first() else { return };
    let path = if choice % 2 == 0 {
        let Ok(path) = std::str::from_utf8(rest) else { return };
        path.to_owned()
    } else {
        disguised(rest)
    };
    let table = RouteTable::new(["/realms/corp", "/sso/realms/partner"].map(|path| RealmPath {
        path,
        endpoints: None,
        rules: Dialect::Keycloak.rules(),
        realm: "",
    }));
    for method in ["POST", "PUT"] {
        let request = http::Request::builder().method(method).uri(&path).header("host", "sso.example.org");
        let request = request.header("content-type", "application/x-www-form-urlencoded").header("content-length", "9");
        let Ok(request) = request.body(()) else { return };
        let (head, ()) = request.into_parts();
        let route = table.route(&head);
        if is_door(head.uri.path()) {
            assert!(!matches!(route, Route::Pass | Route::Form), "a lenient server reads {path} as the token endpoint");
        }
        if head.uri.path() != DOOR {
            // Only one spelling leads to the realm.
            assert!(!matches!(route, Route::Door { realm: Some(0) }), "{path}");
        }
    }
}

/// Writes the token endpoint's path in another way: two bytes say where and how.
fn disguised(ways: &[u8]) -> String {
    let mut path = DOOR.to_owned();
    for way in ways.chunks_exact(2).take(6) {
        let [at, how] = [usize::from(way[0]), usize::from(way[1])];
        let slashes: Vec<usize> = path.match_indices('/').map(|(at, _)| at).collect();
        let after_slash = slashes[at % slashes.len()] + 1;
        match how % 4 {
            0 => path.insert_str(after_slash, DROPPED[how / 4 % DROPPED.len()]),
            1 => {
                let letters: Vec<usize> =
                    path.match_indices(|c: char| c.is_ascii_lowercase()).map(|(at, _)| at).collect();
                let letter = letters[at % letters.len()];
                // Not a letter of an escape.
                if !path[..letter].ends_with('%') && !path[..letter.saturating_sub(1)].ends_with('%') {
                    let escaped = format!("%{}{:02x}", "25".repeat(how / 4 % 3), path.as_bytes()[letter]);
                    path.replace_range(letter..=letter, &escaped);
                }
            }
            2 => path.push_str(["/", ";a=b", "%20", "//", "/."][how / 4 % 5]),
            _ => path.insert_str(after_slash - 1, [";a=b", ";"][how / 4 % 2]),
        }
    }
    path
}

/// Whether a lenient server reads the path as the token endpoint's: it decodes as often as it can, cuts parameters of
/// segments, resolves dots, and ignores empty segments.
fn is_door(path: &str) -> bool {
    let mut text = path.as_bytes().to_vec();
    for _ in 0..4 {
        text = decoded(&text);
    }
    let text = String::from_utf8_lossy(&text).replace('\\', "/");
    let mut segments: Vec<&str> = Vec::new();
    for segment in text.split('/') {
        match segment.split(';').next().unwrap_or_default().trim() {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    segments.join("/") == DOOR[1..]
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| text.get(at).and_then(|digit| char::from(*digit).to_digit(16));
    let mut decoded = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match (byte, digit(at), digit(at + 1)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                at += 2;
            }
            _ => decoded.push(byte),
        }
    }
    decoded
}
