//! Every endpoint of every layout, in every spelling.

use http::Request;
use http::request::Parts;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::*;
use crate::judgement::dialect::Dialect;
use crate::judgement::route::{OwnTokenEndpoint, Route, RouteTable};
use crate::words::refusal::Reason;

/// Where a provider has its endpoints.
struct Layout {
    name: &'static str,
    /// The realm's path.
    path: &'static str,
    endpoints: Endpoints,
}

fn layout(name: &'static str, path: &'static str, paths: [&str; 6]) -> Layout {
    let [token, jwks, introspection, revocation, userinfo, end_session] = paths.map(str::to_owned);
    let some = |path: String| Some(path).filter(|path| !path.is_empty());
    let endpoints = Endpoints {
        token,
        jwks,
        introspection: some(introspection),
        revocation: some(revocation),
        userinfo: some(userinfo),
        end_session: some(end_session),
    };
    Layout { name, path, endpoints }
}

fn layouts() -> [Layout; 6] {
    [
        layout("stock", "", ["/token", "/jwks", "/token/introspection", "/token/revocation", "/me", "/session/end"]),
        layout("dex", "/dex", ["/dex/token", "/dex/keys", "/dex/token/introspect", "", "/dex/userinfo", ""]),
        layout("mock", "", ["/token", "/jwks", "/introspect", "/revoke", "/userinfo", "/endsession"]),
        layout(
            "slashes",
            "/application/o/shop",
            [
                "/application/o/token/",
                "/application/o/shop/jwks/",
                "/application/o/introspect/",
                "/application/o/revoke/",
                "/application/o/userinfo/",
                "/application/o/shop/end-session/",
            ],
        ),
        layout(
            "versions",
            "/oauth2/default",
            [
                "/oauth2/default/v1/token",
                "/oauth2/default/v1/keys",
                "/oauth2/default/v1/introspect",
                "/oauth2/default/v1/revoke",
                "/oauth2/default/v1/userinfo",
                "/oauth2/default/v1/logout",
            ],
        ),
        layout("well-known keys", "", ["/oauth/token", "/.well-known/jwks.json", "", "/oauth/revoke", "/userinfo", ""]),
    ]
}

impl Layout {
    fn place(&self) -> RealmPath<'_> {
        let rules = Dialect::Rfc8693.rules();
        RealmPath { path: self.path, endpoints: Some(&self.endpoints), rules, realm: "" }
    }

    fn table(&self) -> RouteTable {
        RouteTable::new([self.place()])
    }

    /// Each endpoint besides the token endpoint, with the method and the route that it has.
    fn others(&self) -> Vec<(String, &'static str, String)> {
        let mut all = vec![(self.endpoints.jwks.clone(), "GET", "keys".to_owned())];
        all.extend(self.place().discovery_paths().map(|path| (path, "GET", "discovery".to_owned())));
        for (path, method, endpoint) in [
            (&self.endpoints.introspection, "POST", OwnTokenEndpoint::Introspection),
            (&self.endpoints.revocation, "POST", OwnTokenEndpoint::Revocation),
            (&self.endpoints.userinfo, "GET", OwnTokenEndpoint::Userinfo),
            (&self.endpoints.end_session, "POST", OwnTokenEndpoint::Logout),
        ] {
            all.extend(path.clone().map(|path| (path, method, format!("{endpoint:?}"))));
        }
        all
    }
}

fn head(method: &str, target: &str) -> Option<Parts> {
    let request = Request::builder().method(method).uri(target).header("host", "id.example.org");
    request.body(()).ok().map(|request| request.into_parts().0)
}

fn short(route: &Route) -> String {
    match route {
        Route::Keys(0) => "keys".into(),
        Route::Discovery(0) => "discovery".into(),
        Route::Own { realm: 0, endpoint } => format!("{endpoint:?}"),
        Route::Door { realm: Some(0) } => "door".into(),
        Route::Reject(refusal) => refusal.reason.as_str().into(),
        Route::Pass | Route::Form => "passes".into(),
        other => format!("{other:?}"),
    }
}

fn routed(table: &RouteTable, method: &str, target: &str) -> String {
    head(method, target).map_or_else(|| "no URI".to_owned(), |head| short(&table.route(&head)))
}

/// Spellings of a path that some server takes for the path. Each begins from the path without a slash at the end.
fn spellings(path: &str) -> Vec<String> {
    let bare = path.strip_suffix('/').unwrap_or(path);
    let (before, last) = bare.rsplit_once('/').unwrap_or_default();
    let first = last.chars().find(char::is_ascii_alphabetic).unwrap_or('x');
    let escaped = |escape: String| format!("{before}/{}", last.replacen(first, &escape, 1));
    let mut all = vec![
        format!("{before}/{}", last.to_uppercase()),
        escaped(format!("%{:02x}", u32::from(first))),
        escaped(format!("%25{:02X}", u32::from(first))),
        escaped(format!("%u00{:02x}", u32::from(first))),
        escaped(char::from_u32(u32::from(first) + 0xFEE0).map(percent).unwrap_or_default()),
        escaped(format!("%09{first}")),
        format!("{bare}.json"),
        format!("{bare}."),
        format!("{bare};a=b"),
        format!("{bare};"),
        format!("{bare}%3b"),
        format!("{bare}%00"),
        format!("{bare}%20"),
        format!("{bare}%3Fa=b"),
        format!("{bare}%23"),
        format!("{bare}%2F"),
        format!("{bare}//"),
        format!("{bare}/."),
        format!("{bare}/x/.."),
        format!("{bare}/%2e"),
        format!("{bare}/;"),
        format!("{bare}%5C"),
        format!("{bare}%E2%80%8B"),
        format!("/{bare}"),
        format!("/.{bare}"),
        format!("/x/..{bare}"),
        format!("/x/%2e%2e{bare}"),
        format!("/a/b/..;/..;{bare}"),
        format!("/;{bare}"),
        format!("/%2e{bare}"),
        format!("/%5c{bare}"),
        format!("//id.example.org{bare}"),
        format!("{before}//{last}"),
        format!("{before}/./{last}"),
        format!("{before}/x/../{last}"),
        format!("{before}/%2e/{last}"),
        format!("{before};x/{last}"),
        format!("{before}%2f{last}"),
        format!("{before}%5c{last}"),
        format!("{before}%c0%af{last}"),
        format!("{before}/%20{last}"),
    ];
    // What does not change a path with one segment is no other spelling.
    all.retain(|spelling| spelling != bare && *spelling != format!("{bare}/") && spelling.starts_with('/'));
    all
}

fn percent(character: char) -> String {
    utf8_percent_encode(&character.to_string(), NON_ALPHANUMERIC).to_string()
}

#[test]
fn every_endpoint_is_where_the_configuration_says() {
    for layout in layouts() {
        let (name, table, token) = (layout.name, layout.table(), layout.endpoints.token.as_str());
        for (method, target, expected) in [
            ("POST", token.to_owned(), "door"),
            ("POST", format!("{token}?a=b"), "door"),
            ("GET", token.to_owned(), "passes"),
            ("GET", format!("{token}?g=x:grant-type:y"), "parameter_in_query"),
            ("PUT", token.to_owned(), "method_not_allowed"),
        ] {
            assert_eq!(routed(&table, method, &target), expected, "{name}: {method} {target}");
        }
        assert!(table.is_configured_door(token), "{name}");
        for (path, method, expected) in layout.others() {
            let bare = path.strip_suffix('/').unwrap_or(&path);
            for spelling in [bare.to_owned(), format!("{bare}/")] {
                assert_eq!(routed(&table, method, &spelling), expected, "{name}: {method} {spelling}");
                assert!(!table.is_configured_door(&spelling), "{name}: {spelling}");
            }
            assert_eq!(routed(&table, "PUT", &path), "passes", "{name}: PUT {path}");
        }
    }
}

#[test]
fn no_other_spelling_of_an_endpoint_passes() {
    let refused = Reason::PathNotCanonical.as_str();
    for layout in layouts() {
        let (name, table, token) = (layout.name, layout.table(), layout.endpoints.token.as_str());
        let other = if token.ends_with('/') { token.trim_end_matches('/').to_owned() } else { format!("{token}/") };
        let below = ["/x", "/x/y", "/introspection/x"].map(|rest| format!("{}{rest}", token.trim_end_matches('/')));
        for spelling in spellings(token).into_iter().chain(below).chain([other]) {
            for method in ["POST", "GET", "OPTIONS"] {
                let route = routed(&table, method, &spelling);
                assert!(route == refused || route == "no URI", "{name}: {method} {spelling}: {route}");
            }
        }
        for (path, ..) in layout.others() {
            for spelling in spellings(&path) {
                for method in ["POST", "GET"] {
                    let route = routed(&table, method, &spelling);
                    assert!(route == refused || route == "no URI", "{name}: {method} {spelling}: {route}");
                }
            }
        }
    }
}

/// The whole host is one realm, and nearly all of its paths are pages.
#[test]
fn what_has_another_reading_only_passes() {
    let [stock, dex, ..] = layouts();
    for (layout, path) in [
        (&stock, "/"),
        (&stock, "/auth"),
        (&stock, "/tokens"),
        (&stock, "/token-help"),
        (&stock, "/account/token"),
        (&stock, "/account/token/"),
        (&stock, "/users/a%40example.org/token"),
        (&stock, "/me/photo"),
        (&stock, "/session/end/confirm"),
        (&stock, "/session/end/success"),
        (&stock, "/interaction/AbC_1-2"),
        (&stock, "/api/jwks"),
        (&stock, "/dex/token"),
        (&stock, "/.well-known/acme-challenge/x"),
        (&stock, "/.well-known/change-password"),
        (&stock, "/assets/x%20y.png"),
        (&stock, "/metadata"),
        (&dex, "/token"),
        (&dex, "/dex"),
        (&dex, "/dex/"),
        (&dex, "/dex/auth/local/login"),
        (&dex, "/dex/static/token"),
        (&dex, "/dexter/token"),
        (&dex, "/.well-known/openid-configuration"),
        (&dex, "/dex/keys/x"),
    ] {
        assert_eq!(routed(&layout.table(), "POST", path), "passes", "{}: {path}", layout.name);
        assert_eq!(routed(&layout.table(), "GET", path), "passes", "{}: {path}", layout.name);
    }
}

/// What servers do with a path, and what is read in the end.
#[test]
fn a_segment_that_takes_others_away_makes_every_place_the_paths() {
    let names = segments("/token");
    for (decoded, expected) in [
        ("/token", true),
        ("/token/x", true),
        ("/token;x", true),
        ("/x/token", false),
        ("/x y/token", false),
        ("/é/token", false),
        ("/.hidden/token", false),
        ("/x/../token", true),
        ("/x/..;/token", true),
        ("/x/. ./token", true),
        ("/x/.\0./token", true),
        ("//x/token", true),
        ("/x//token", true),
        ("/;x/token", true),
        ("/?/token", true),
        ("/ /token", true),
        ("/tokens", false),
        ("/x/tokens/..", false),
    ] {
        assert_eq!(may_read(decoded, &names), expected, "{decoded}");
    }
}
