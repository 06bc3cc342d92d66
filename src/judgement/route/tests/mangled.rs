//! No way of writing the path of a judged endpoint differently passes.

use proptest::prelude::*;

use super::*;
use crate::judgement::dialect::endpoints::Endpoints;

/// One way in which a path that some server takes for `DOOR` can be written.
#[derive(Clone, Debug)]
enum Mangle {
    Escape {
        at: usize,
        times: usize,
        upper: bool,
    },
    FlipCase(usize),
    /// Text that some server drops, put after a slash.
    Insert {
        at: usize,
        text: &'static str,
    },
    /// Text that some server cuts, put at the end of a segment.
    Tail {
        at: usize,
        text: &'static str,
    },
    Slash {
        at: usize,
        text: &'static str,
    },
    Append(&'static str),
    Prefix(&'static str),
}

fn mangles() -> impl Strategy<Value = Mangle> {
    let dropped = prop::sample::select(vec!["/", "./", "x/../", "%2e/", "a/b/%2e%2e/..;/", "%2f", "x/.%252e/", ";/"]);
    let cut = prop::sample::select(vec![";a=b", ";", "%3b", "%00", "%20", ".", "%09", "%E2%80%8B", "%253Bx"]);
    let slash = prop::sample::select(vec!["%2F", "%2f", "%5c", "%252f", "%c0%af", "%u002f", "\\", "//", "%EF%BC%8F"]);
    let end = prop::sample::select(vec![
        "/", ".", "%20", "%00", "%3f", "%23", ";x=y", "/.", "//", "%2f", "/x/..", ".json", "%0a",
    ]);
    let start = prop::sample::select(vec!["/", "/.", "/x/..", "/%2e", "/;", "/auth/..", "/%5c"]);
    prop_oneof![
        (any::<usize>(), 1..4_usize, any::<bool>()).prop_map(|(at, times, upper)| Mangle::Escape { at, times, upper }),
        any::<usize>().prop_map(Mangle::FlipCase),
        (any::<usize>(), dropped).prop_map(|(at, text)| Mangle::Insert { at, text }),
        (any::<usize>(), cut).prop_map(|(at, text)| Mangle::Tail { at, text }),
        (any::<usize>(), slash).prop_map(|(at, text)| Mangle::Slash { at, text }),
        end.prop_map(Mangle::Append),
        start.prop_map(Mangle::Prefix),
    ]
}

impl Mangle {
    fn apply(&self, path: &mut String) {
        let slashes: Vec<usize> = path.match_indices('/').map(|(at, _)| at).collect();
        match *self {
            Self::Escape { at, times, upper } => {
                // Only letters of the path, not those of an escape that an earlier step made.
                let letters: Vec<usize> = letters(path);
                if let Some(at) = pick(&letters, at) {
                    let byte = path.as_bytes()[at];
                    let hex = if upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
                    path.replace_range(at..=at, &format!("%{}{hex}", "25".repeat(times - 1)));
                }
            }
            Self::FlipCase(at) => {
                if let Some(at) = pick(&letters(path), at) {
                    let byte = path.as_bytes()[at] ^ 0x20;
                    path.replace_range(at..=at, &char::from(byte).to_string());
                }
            }
            Self::Insert { at, text } => {
                if let Some(at) = pick(&slashes, at) {
                    path.insert_str(at + 1, text);
                }
            }
            Self::Tail { at, text } => {
                if let Some(at) = pick(&slashes, at).filter(|at| *at > 0) {
                    path.insert_str(at, text);
                }
            }
            Self::Slash { at, text } => {
                if let Some(at) = pick(&slashes, at).filter(|at| *at > 0) {
                    path.replace_range(at..=at, text);
                }
            }
            Self::Append(text) => path.push_str(text),
            Self::Prefix(text) => path.insert_str(0, text),
        }
    }
}

fn pick(places: &[usize], at: usize) -> Option<usize> {
    (!places.is_empty()).then(|| places[at % places.len()])
}

fn letters(path: &str) -> Vec<usize> {
    let bytes = path.as_bytes();
    (0..bytes.len())
        .filter(|at| bytes[*at].is_ascii_alphabetic() && !bytes[at.saturating_sub(5)..*at].contains(&b'%'))
        .collect()
}

fn endpoints(root: &str) -> Endpoints {
    let at = |path: &str| format!("{root}{path}");
    Endpoints {
        token: at("/token"),
        jwks: at("/jwks"),
        introspection: Some(at("/token/introspection")),
        revocation: None,
        userinfo: Some(at("/me")),
        end_session: Some(at("/session/end")),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_mangling_of_a_door_passes(mangles in prop::collection::vec(mangles(), 0..5), method in "POST|GET|PUT") {
        let mut path = DOOR.to_owned();
        for mangle in &mangles {
            mangle.apply(&mut path);
        }
        let Some(head) = try_head(Version::HTTP_11, &method, &path, &[FORM, LENGTH]) else {
            return Ok(());
        };
        match table().route(&head) {
            Route::Door { realm: Some(0) } => prop_assert_eq!(&path, DOOR),
            Route::Door { realm: None } => {
                prop_assert!(path.ends_with(TOKEN) && path.starts_with("/realms/"), "{}", path);
            }
            Route::Reject(_) => {}
            other => prop_assert!(false, "{path} went to {other:?}"),
        }
    }

    #[test]
    fn no_mangling_of_an_own_endpoint_passes(
        mangles in prop::collection::vec(mangles(), 0..5),
        endpoint in prop::sample::select(vec![
            "/protocol/openid-connect/token/introspect", "/protocol/openid-connect/revoke",
            "/protocol/openid-connect/logout", "/protocol/openid-connect/userinfo",
            "/protocol/openid-connect/certs", "/.well-known/openid-configuration",
        ]),
    ) {
        let written = format!("/realms/corp{endpoint}");
        let mut path = written.clone();
        for mangle in &mangles {
            mangle.apply(&mut path);
        }
        let Some(head) = try_head(Version::HTTP_11, "POST", &path, &[FORM, LENGTH]) else {
            return Ok(());
        };
        match table().route(&head) {
            Route::Own { realm: 0, .. } => prop_assert_eq!(path.strip_suffix('/').unwrap_or(&path), &written),
            Route::Reject(_) => {}
            // Another realm, whose name differs in the case of its letters, or a page below the endpoint.
            Route::Form | Route::Pass => {
                let bare = path.strip_suffix('/').unwrap_or(&path);
                let below = bare.split_once(endpoint).is_some_and(|(_, rest)| {
                    rest.starts_with('/') && !rest.contains([';', '%', '\\']) && rest.contains(char::is_alphanumeric)
                });
                let other = !bare.starts_with("/realms/corp/") && bare.ends_with(endpoint);
                prop_assert!(other || bare == written || below, "{}", path);
            }
            other => prop_assert!(false, "{path} went to {other:?}"),
        }
    }

    #[test]
    fn no_mangling_of_a_dialects_door_passes(
        mangles in prop::collection::vec(mangles(), 0..5),
        (dialect, door) in prop::sample::select(vec![
            (Dialect::Forgerock, "/oauth2/realms/root/realms/mySubRealm/access_token"),
            (Dialect::KeyBridge, "/token/oauth2"),
            (Dialect::Cern, "/auth/realms/corp/protocol/openid-connect/token"),
            (Dialect::Pace, "/protocol/openid-connect/token"),
        ]),
    ) {
        let mut path = door.to_owned();
        for mangle in &mangles {
            mangle.apply(&mut path);
        }
        let Some(head) = try_head(Version::HTTP_11, "POST", &path, &[FORM, LENGTH]) else {
            return Ok(());
        };
        let table = RouteTable::new([RealmPath { path: "/realms/corp", endpoints: None, rules: dialect.rules(), realm: "mySubRealm" }]);
        match table.route(&head) {
            Route::Door { realm: Some(0) } => prop_assert!(table.realm_at(&path).is_some()),
            Route::Door { realm: None } => prop_assert!(path.ends_with(TOKEN), "{path}"),
            Route::Reject(_) => {}
            other => prop_assert!(false, "{path} went to {other:?}"),
        }
    }

    #[test]
    fn no_mangling_of_a_configured_endpoint_passes(
        mangles in prop::collection::vec(mangles(), 0..5),
        (root, endpoint) in prop::sample::select(vec![
            ("", "/token"), ("", "/token/introspection"), ("", "/me"), ("", "/jwks"), ("", "/session/end"),
            ("", "/.well-known/openid-configuration"), ("/dex", "/token"), ("/dex", "/token/introspection"), ("/dex", "/me"),
        ]),
    ) {
        let endpoints = endpoints(root);
        let written = format!("{root}{endpoint}");
        let mut path = written.clone();
        for mangle in &mangles {
            mangle.apply(&mut path);
        }
        let Some(head) = try_head(Version::HTTP_11, "POST", &path, &[FORM, LENGTH]) else {
            return Ok(());
        };
        let rules = Dialect::Rfc8693.rules();
        let table = RouteTable::new([RealmPath { path: root, endpoints: Some(&endpoints), rules, realm: "" }]);
        let bare = path.strip_suffix('/').unwrap_or(&path);
        match table.route(&head) {
            Route::Door { realm: Some(0) } => prop_assert_eq!(&path, &format!("{root}/token")),
            Route::Own { realm: 0, .. } => prop_assert_eq!(bare, &written),
            Route::Reject(_) => {}
            Route::Form | Route::Pass => {
                // A page below another endpoint than the token endpoint, or what no server takes for the endpoint: keys and
                // discovery are no forms' business.
                let is_read = endpoint == "/jwks" || endpoint.starts_with("/.well-known");
                let below = bare.strip_prefix(written.as_str()).is_some_and(|rest| {
                    rest.starts_with('/') && !rest.contains([';', '%', '\\']) && rest.contains(char::is_alphanumeric)
                });
                prop_assert!(is_read && bare == written || below && !endpoint.starts_with("/token"), "{}", path);
            }
            other => prop_assert!(false, "{path} went to {other:?}"),
        }
    }

    #[test]
    fn routing_never_panics(path in "/[ -~é]{0,40}", method in "[A-Z]{1,7}") {
        if let Some(head) = try_head(Version::HTTP_11, &method, &path, &[]) {
            table().route(&head);
        }
    }
}
