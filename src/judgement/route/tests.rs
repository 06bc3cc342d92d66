mod dialects;
mod mangled;

use http::Request;

use super::*;
use crate::judgement::dialect::Dialect;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const LENGTH: (&str, &str) = ("content-length", "9");
const DOOR: &str = "/realms/corp/protocol/openid-connect/token";

fn table() -> RouteTable {
    let rules = Dialect::Keycloak.rules();
    RouteTable::new(["/realms/corp", "/sso/realms/partner"].map(|path| RealmPath {
        path,
        endpoints: None,
        rules,
        realm: "",
    }))
}

fn try_head(version: Version, method: &str, target: &str, headers: &[(&str, &str)]) -> Option<Parts> {
    let mut request = Request::builder().version(version).method(method).uri(target).header("host", "sso.example.org");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).ok().map(|request| request.into_parts().0)
}

fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
    try_head(Version::HTTP_11, method, target, headers).unwrap()
}

/// A route in short: what a table row can name.
fn short(route: &Route) -> String {
    match route {
        Route::Pass => "pass".into(),
        Route::Form => "form".into(),
        Route::Bodiless => "bodiless".into(),
        Route::Keys(realm) => format!("keys {realm}"),
        Route::Discovery(realm) => format!("discovery {realm}"),
        Route::Own { realm, endpoint } => format!("{endpoint:?} {realm}").to_lowercase(),
        Route::Door { realm: Some(realm) } => format!("door {realm}"),
        Route::Door { realm: None } => "door of no realm".into(),
        Route::Endpoint { door, realm: Some(realm) } => format!("{door:?} {realm}").to_lowercase(),
        Route::Endpoint { door, realm: None } => format!("{door:?} of no realm").to_lowercase(),
        Route::ApiAccess(realm) => format!("api access {realm}"),
        Route::Preflight => "preflight".into(),
        Route::Reject(refusal) => refusal.reason.as_str().into(),
    }
}

/// Realms whose names a URL has to encode: the spelling that Keycloak publishes is theirs, every other one is refused.
#[test]
fn realms_with_escaped_names_have_one_spelling() {
    let rules = Dialect::Keycloak.rules();
    let names = ["/realms/my%20realm", "/realms/m%C3%BCnchen", "/realms/%E6%9D%B1%E4%BA%AC%202", "/realms/corp"];
    let table = RouteTable::new(names.map(|path| RealmPath { path, rules, realm: "", endpoints: None }));
    let endpoints = [
        ("POST", "/protocol/openid-connect/token", "door"),
        ("POST", "/protocol/openid-connect/token/introspect", "introspection"),
        ("POST", "/protocol/openid-connect/revoke", "revocation"),
        ("POST", "/protocol/openid-connect/logout", "logout"),
        ("GET", "/protocol/openid-connect/userinfo", "userinfo"),
        ("GET", "/protocol/openid-connect/certs", "keys"),
        ("GET", "/.well-known/openid-configuration", "discovery"),
        ("GET", "/broker/partner/token", "brokertoken"),
    ];
    let spellings: [(&str, &[&str]); 3] = [
        (
            "my%20realm",
            &[
                "%6Dy%20realm",
                "my%2520realm",
                "my%20real%6D",
                "my%20%20realm",
                "my%20realm%20",
                "my%20realm%00",
                "my%20realm;x",
                "MY%20REALM%20",
                "my%c0%a0realm",
                "my%u0020realm",
            ],
        ),
        (
            "m%C3%BCnchen",
            &[
                "m%c3%bcnchen",
                "m%C3%bcnchen",
                "%6D%C3%BCnchen",
                "m%25C3%25BCnchen",
                "m%C3%BCnchen%00",
                "m%C3%BCnchen;x",
                "M%c3%9cnchen",
            ],
        ),
        (
            "%E6%9D%B1%E4%BA%AC%202",
            &[
                "%e6%9d%b1%e4%ba%ac%202",
                "%E6%9D%B1%E4%BA%AC%20%32",
                "%E6%9D%B1%E4%BA%AC%202%20",
                "%20%E6%9D%B1%E4%BA%AC%202",
                "%25E6%9D%B1%E4%BA%AC%202",
                "%E6%9D%B1%E2%80%8B%E4%BA%AC%202",
                "%E6%9D%B1%E4%BA%AC%C2%A02",
            ],
        ),
    ];
    for (method, endpoint, expected) in endpoints {
        for (realm, (name, others)) in spellings.iter().enumerate() {
            let route = |name: &str| short(&table.route(&head(method, &format!("/realms/{name}{endpoint}"), &[])));
            assert_eq!(route(name), format!("{expected} {realm}"), "{name}{endpoint}");
            for other in *others {
                let found = route(other);
                // Two spaces are another name, and no server makes one of them.
                let another_realm = *other == "my%20%20realm" && (found == "pass" || found.ends_with("of no realm"));
                assert!(found == "path_not_canonical" || another_realm, "{other}{endpoint}: {found}");
            }
        }
        // A realm that is not configured is another realm, and only its exchanges are Cambio's.
        for other in ["my%20realm%20two", "MY%20REALM", "%C3%BC", "corp%20two"] {
            let found = short(&table.route(&head(method, &format!("/realms/{other}{endpoint}"), &[])));
            assert!(found == "pass" || found.ends_with("of no realm"), "{other}{endpoint}: {found}");
        }
    }
    for path in ["/realms/my%20realm/account", "/realms/m%C3%BCnchen/login-actions/authenticate"] {
        assert_eq!(table.route(&head("GET", path, &[])), Route::Pass, "{path}");
    }
}

#[test]
fn every_path_has_one_route() {
    for (method, target, expected) in [
        ("POST", DOOR, "door 0"),
        ("POST", "/sso/realms/partner/protocol/openid-connect/token", "door 1"),
        ("POST", "/realms/master/protocol/openid-connect/token", "door of no realm"),
        ("POST", "/realms/my%20realm/protocol/openid-connect/token", "door of no realm"),
        ("POST", "/realms/c%6Frp/protocol/openid-connect/token", "path_not_canonical"),
        ("POST", "/realms/corp%20/protocol/openid-connect/token", "path_not_canonical"),
        ("POST", "/realms/corp%20two/protocol/openid-connect/token", "door of no realm"),
        ("POST", "/realms/corp%27s/protocol/openid-connect/token", "door of no realm"),
        ("GET", "/realms/corp%20two/protocol/openid-connect/certs", "pass"),
        ("GET", "/realms/corp%20/protocol/openid-connect/certs", "path_not_canonical"),
        ("POST", "/auth/realms/master/protocol/openid-connect/token", "door of no realm"),
        ("POST", "/sso/realms/master/protocol/openid-connect/token", "door of no realm"),
        ("POST", "/realms/CORP/protocol/openid-connect/token", "door of no realm"),
        ("POST", "/realms/a/b/protocol/openid-connect/token", "path_not_canonical"),
        ("POST", "/realms//protocol/openid-connect/token", "path_not_canonical"),
        ("POST", "/realms/../protocol/openid-connect/token", "path_not_canonical"),
        ("POST", "/realms/%2e%2e/protocol/openid-connect/token", "path_not_canonical"),
        ("POST", "/realms/a%2Fb/protocol/openid-connect/token", "path_not_canonical"),
        ("POST", "/realms/corp;x/protocol/openid-connect/token", "path_not_canonical"),
        ("POST", "/other/protocol/openid-connect/token", "path_not_canonical"),
        ("POST", "/realms/corp/protocol/openid-connect/token/", "path_not_canonical"),
        ("GET", "//realms/corp/protocol/openid-connect/token", "path_not_canonical"),
        ("POST", "/realms/corp/protocol/openid-connect/token?", "door 0"),
        ("POST", "/realms/corp/protocol/openid-connect/token?a=b", "door 0"),
        ("GET", "/realms/corp/protocol/openid-connect/token?a=b", "pass"),
        ("OPTIONS", "/realms/corp/protocol/openid-connect/token?a=b", "pass"),
        ("GET", "/realms/corp/protocol/openid-connect/token?g=x:grant-type:y", "parameter_in_query"),
        ("OPTIONS", "/realms/corp/protocol/openid-connect/token?g=x:GRANT%252d%0ATYPE:y", "parameter_in_query"),
        ("GET", DOOR, "pass"),
        ("HEAD", DOOR, "pass"),
        ("OPTIONS", DOOR, "pass"),
        ("PUT", DOOR, "method_not_allowed"),
        ("DELETE", DOOR, "method_not_allowed"),
        ("post", DOOR, "method_not_allowed"),
        ("POST", "/realms/corp/protocol/openid-connect/token/introspect", "introspection 0"),
        ("GET", "/realms/corp/protocol/openid-connect/token/introspect", "pass"),
        ("POST", "/realms/corp/protocol/openid-connect/token/introspect/", "introspection 0"),
        ("POST", "/realms/master/protocol/openid-connect/token/introspect", "pass"),
        ("POST", "/realms/corp/protocol/openid-connect/revoke", "revocation 0"),
        ("GET", "/realms/corp/protocol/openid-connect/revoke", "pass"),
        ("POST", "/realms/corp/protocol/openid-connect/revoke/", "revocation 0"),
        ("POST", "/realms/corp/protocol/openid-connect/logout", "logout 0"),
        ("POST", "/realms/corp/protocol/openid-connect/logout/?x", "logout 0"),
        ("GET", "/realms/corp/protocol/openid-connect/logout", "pass"),
        ("POST", "/realms/corp/protocol/openid-connect/logout/backchannel-logout", "pass"),
        ("GET", "/realms/corp/protocol/openid-connect/userinfo/", "userinfo 0"),
        ("GET", "/realms/corp/protocol/openid-connect/certs/", "keys 0"),
        ("GET", "/realms/corp/.well-known/openid-configuration/", "discovery 0"),
        ("GET", "/realms/corp/.well-known/oauth-authorization-server", "discovery 0"),
        ("GET", "/.well-known/oauth-authorization-server/sso/realms/partner", "discovery 1"),
        ("GET", "/.well-known/oauth-authorization-server/realms/master", "pass"),
        ("GET", "/realms/corp/.well-known/uma2-configuration", "pass"),
        ("POST", "/sso/realms/partner/protocol/openid-connect/userinfo", "userinfo 1"),
        ("GET", "/realms/corp/protocol/openid-connect/userinfo?x=y", "userinfo 0"),
        ("HEAD", "/realms/corp/protocol/openid-connect/userinfo", "pass"),
        ("GET", "/realms/corp/protocol/openid-connect/certs", "keys 0"),
        ("HEAD", "/realms/corp/protocol/openid-connect/certs?x", "keys 0"),
        ("POST", "/realms/corp/protocol/openid-connect/certs", "pass"),
        ("GET", "/sso/realms/partner/.well-known/openid-configuration", "discovery 1"),
        ("GET", "/realms/master/protocol/openid-connect/certs", "pass"),
        ("GET", "/realms/corp/broker/github/token", "brokertoken 0"),
        ("GET", "/realms/corp/broker/github/token/", "brokertoken 0"),
        ("POST", "/sso/realms/partner/broker/github/token", "brokertoken 1"),
        ("GET", "/realms/partner/broker/github/token", "brokertoken of no realm"),
        ("OPTIONS", "/realms/corp/broker/github/token", "pass"),
        ("GET", "/realms/corp/broker/github/endpoint", "pass"),
        ("GET", "/realms/corp/broker/github/token;a", "path_not_canonical"),
        ("GET", "/realms/corp/protocol/oid4vc/create-credential-offer?a=b", "credentialoffer 0"),
        ("GET", "/realms/master/protocol/oid4vc/credential-offer/nonce", "credentialoffer of no realm"),
        ("GET", "/", "pass"),
        ("GET", "/realms/corp/protocol/openid-connect/auth?redirect_uri=/protocol/openid-connect/token", "pass"),
        ("POST", "/auth-service/api-access/token", "pass"),
        ("CONNECT", "sso.example.org:443", "method_not_allowed"),
        ("OPTIONS", "*", "framing_refused"),
    ] {
        assert_eq!(short(&table().route(&head(method, target, &[]))), expected, "{method} {target}");
    }
}

/// Endpoints that Cambio answers, in spellings that some server takes for theirs. Keycloak 26.7.5 itself serves a slash
/// at the end, and no other.
#[test]
fn endpoints_in_disguise_are_refused() {
    const REVOKE: &str = "/realms/corp/protocol/openid-connect/revoke";
    let refused = [
        "/realms/corp/protocol/openid-connect/revoke//",
        "/realms/corp/protocol/openid-connect/REVOKE",
        "/realms/corp/protocol/openid-connect/%72evoke",
        "/realms/corp/protocol/openid-connect/revoke;x",
        "/realms/corp/protocol/openid-connect/revoke%2F",
        "/realms/corp/protocol/openid-connect/revoke%20",
        "/realms/corp/protocol/openid-connect/revoke.",
        "/realms/corp/protocol/openid-connect/revoke.json",
        "/realms/corp/protocol/openid-connect/./revoke",
        "/realms/corp/protocol/openid-connect/x/../revoke",
        "/realms/corp/protocol/openid-connect//revoke",
        "/realms/corp/protocol%2Fopenid-connect/revoke",
        "/realms/corp/Protocol/openid-connect/revoke",
        "/realms/corp/protocol;a=b/openid-connect/revoke",
        "//realms/corp/protocol/openid-connect/revoke",
        "/realms/c%6frp/protocol/openid-connect/revoke",
        "/realms/corp;x/protocol/openid-connect/revoke",
        "/realms/x/../corp/protocol/openid-connect/revoke",
        "/realms//corp/protocol/openid-connect/revoke",
        "/Realms/corp/protocol/openid-connect/revoke",
        "/realms/corp/protocol/openid-connect/token/introspect;x",
        "/realms/corp/protocol/openid-connect/userinfo%00",
        "/realms/corp/protocol/openid-connect/Certs/",
        "/realms/corp/protocol/openid-connect/log%6Fut",
        "/realms/corp/.well-known/openid-configuration;x",
        "/realms/corp/.well-known//openid-configuration",
        "/realms/corp/.Well-Known/openid-configuration",
        "/realms/corp/.well-known/%6fauth-authorization-server",
        "/.well-known/oauth-authorization-server/realms/c%6Frp",
    ];
    for path in refused {
        for method in ["POST", "GET"] {
            assert_eq!(short(&table().route(&head(method, path, &[]))), "path_not_canonical", "{method} {path}");
        }
    }
    // What has one reading, which is not Cambio's, passes: other realms, other pages, pages below these.
    let passed = [
        "/realms/master/protocol/openid-connect/revoke",
        "/realms/master/protocol/openid-connect/revoke/",
        "/realms/CORP/protocol/openid-connect/revoke",
        "/realms/my%20realm/protocol/openid-connect/revoke",
        "/realms/my%20realm/protocol/openid-connect/logout/logout-confirm",
        "/realms/corp/protocol/openid-connect/logout/logout-confirm",
        "/realms/corp/protocol/openid-connect/auth",
        "/realms/corp/protocol/openid-connect/certs-of-others",
        "/realms/corp/protocol/saml/descriptor",
        "/.well-known/openid-configuration",
        "/.well-known/acme-challenge/x",
        "/realms/corp/account/%72evoke",
    ];
    for path in passed {
        assert_eq!(short(&table().route(&head("GET", path, &[]))), "pass", "{path}");
    }
    assert_eq!(short(&table().route(&head("POST", REVOKE, &[]))), "revocation 0");
}

/// RFC 9110 section 7.8 lets a server ignore `Upgrade`. Apache `HttpClient` offers `TLS/1.2` with every request.
#[test]
fn upgrades_change_no_route_and_open_no_tunnel() {
    let offers = [
        ("TLS/1.2", true),
        ("TLS/1.2, HTTP/1.1", true),
        ("h2c", true),
        ("IRC/6.9", true),
        ("", true),
        ("websocket", false),
        ("WebSocket", false),
        ("h2c, websocket/13", false),
    ];
    let paths = [
        ("POST", DOOR, "door 0"),
        ("GET", DOOR, "pass"),
        ("POST", "/realms/master/protocol/openid-connect/token", "door of no realm"),
        ("GET", "/realms/master/protocol/openid-connect/token", "pass"),
        ("POST", "/realms/corp/protocol/openid-connect/token/introspect", "introspection 0"),
        ("POST", "/realms/corp/protocol/openid-connect/revoke", "revocation 0"),
        ("POST", "/realms/corp/protocol/openid-connect/logout", "logout 0"),
        ("GET", "/realms/corp/protocol/openid-connect/logout", "pass"),
        ("GET", "/realms/corp/protocol/openid-connect/userinfo", "userinfo 0"),
        ("GET", "/realms/corp/protocol/openid-connect/certs", "keys 0"),
        ("GET", "/realms/corp/.well-known/openid-configuration", "discovery 0"),
        ("GET", "/ws", "pass"),
    ];
    for (offer, ignored) in offers {
        for (method, path, expected) in paths {
            let route = table().route(&head(method, path, &[("connection", "Upgrade"), ("upgrade", offer)]));
            let refused = !ignored && method == "GET" && path != "/ws";
            let expected = if refused { "method_not_allowed" } else { expected };
            assert_eq!(short(&route), expected, "{offer}: {method} {path}");
        }
    }
}

/// A page asks about a path that the identity provider does not know. What it asks about other paths is not Cambio's.
#[test]
fn a_preflight_at_a_dialects_path_is_answered() {
    const ORIGIN: (&str, &str) = ("origin", "https://spa.example");
    const ASKS: (&str, &str) = ("access-control-request-method", "POST");
    const OWN: &str = "/protocol/openid-connect/token";
    const PACE: &str = "/realms/pace/protocol/openid-connect/token";
    let place = RealmPath { path: "/realms/pace", endpoints: None, rules: Dialect::Pace.rules(), realm: "" };
    let table = RouteTable::new([place]);
    for (name, method, path, headers, expected) in [
        ("a preflight", "OPTIONS", OWN, vec![ORIGIN, ASKS], "preflight"),
        ("with a length of 0", "OPTIONS", OWN, vec![ORIGIN, ASKS, ("content-length", "0")], "preflight"),
        ("with a body", "OPTIONS", OWN, vec![ORIGIN, ASKS, LENGTH], "method_not_allowed"),
        ("from no page", "OPTIONS", OWN, vec![ASKS], "pass"),
        ("OPTIONS alone", "OPTIONS", OWN, vec![ORIGIN], "pass"),
        ("the request itself", "POST", OWN, vec![ORIGIN, ASKS], "door 0"),
        ("at Keycloak's path", "OPTIONS", PACE, vec![ORIGIN, ASKS], "pass"),
        ("at another path", "OPTIONS", "/realms/pace/account", vec![ORIGIN, ASKS], "pass"),
    ] {
        assert_eq!(short(&table.route(&head(method, path, &headers))), expected, "{name}");
    }
}

#[test]
fn a_door_takes_nothing_but_a_post_body() {
    for (name, method, headers, expected) in [
        ("form", "POST", vec![FORM, LENGTH], "door 0"),
        ("JSON", "POST", vec![("content-type", "application/json"), LENGTH], "door 0"),
        ("GET with a body", "GET", vec![FORM, LENGTH], "method_not_allowed"),
        ("GET with chunks", "GET", vec![("transfer-encoding", "chunked")], "method_not_allowed"),
        ("GET with length 0", "GET", vec![("content-length", "0")], "pass"),
        ("override", "GET", vec![("x-http-method-override", "POST")], "method_not_allowed"),
        ("two lengths", "POST", vec![FORM, LENGTH, LENGTH], "framing_refused"),
    ] {
        assert_eq!(short(&table().route(&head(method, DOOR, &headers))), expected, "{name}");
    }
}

#[test]
fn a_body_that_may_be_a_form_is_looked_at() {
    const TWICE: &str = "application/json";
    for (name, method, headers, expected) in [
        ("form", "POST", vec![FORM, LENGTH], "form"),
        ("chunked form", "PUT", vec![FORM, ("transfer-encoding", "chunked")], "form"),
        ("another case", "POST", vec![("content-type", "Application/X-WWW-FORM-urlencoded"), LENGTH], "form"),
        ("hidden", "POST", vec![("content-type", "text/plain;a=x-www-form-urlencoded"), LENGTH], "form"),
        ("no type", "POST", vec![LENGTH], "form"),
        ("two types", "POST", vec![("content-type", TWICE), ("content-type", TWICE), LENGTH], "form"),
        ("no media type", "POST", vec![("content-type", "json"), LENGTH], "form"),
        ("GET with a form", "GET", vec![FORM, LENGTH], "form"),
        ("JSON", "POST", vec![("content-type", TWICE), LENGTH], "pass"),
        ("upload", "POST", vec![("content-type", "multipart/form-data; boundary=x"), LENGTH], "pass"),
        ("no body", "POST", vec![("content-length", "0")], "pass"),
        ("form without a body", "GET", vec![FORM], "pass"),
    ] {
        assert_eq!(short(&table().route(&head(method, "/realms/corp/x", &headers))), expected, "{name}");
    }
}

#[test]
fn http2_does_not_say_whether_a_body_follows() {
    for (name, method, target, headers, expected) in [
        ("GET", "GET", "/realms/corp/x", vec![], "pass"),
        ("GET with a form's type", "GET", "/realms/corp/x", vec![FORM], "form"),
        ("POST without a type", "POST", "/realms/corp/x", vec![], "form"),
        ("POST of JSON", "POST", "/realms/corp/x", vec![("content-type", "application/json")], "pass"),
        ("preflight of a door", "OPTIONS", DOOR, vec![], "bodiless"),
        ("GET of a door with a body", "GET", DOOR, vec![LENGTH], "method_not_allowed"),
        ("certs", "GET", "/realms/corp/protocol/openid-connect/certs", vec![], "keys 0"),
    ] {
        let head = try_head(Version::HTTP_2, method, target, &headers).unwrap();
        assert_eq!(short(&table().route(&head)), expected, "{name}");
    }
}
