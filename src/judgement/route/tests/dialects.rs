//! The doors of dialects, and the realms that they belong to.

use super::*;

#[test]
fn the_realm_above_all_realms_is_not_named_in_its_paths() {
    let place = |path, realm| RealmPath { path, endpoints: None, rules: Dialect::Forgerock.rules(), realm };
    let table = RouteTable::new([place("/realms/corp", "root"), place("/realms/sub", "mySubRealm")]);
    for base in ["", "/openam", "/am"] {
        for (path, expected) in [
            ("/oauth2/access_token", "door 0"),
            ("/oauth2/realms/root/access_token", "door 0"),
            ("/oauth2/introspect", "introspection 0"),
            ("/oauth2/realms/root/introspect/", "introspection 0"),
            ("/oauth2/realms/root/realms/mySubRealm/access_token", "door 1"),
            ("/oauth2/realms/root/realms/mySubRealm/introspect", "introspection 1"),
            // The realm has no name, and every other realm lies below it.
            ("/oauth2/realms/root/realms/root/access_token", "path_not_canonical"),
            ("/oauth2/realms/root/realms/other/access_token", "path_not_canonical"),
            ("/oauth2/access_token/", "path_not_canonical"),
            ("/oauth2//access_token", "path_not_canonical"),
            ("/oauth2/./access_token", "path_not_canonical"),
            ("/oauth2/x/../access_token", "path_not_canonical"),
            ("/oauth2/%61ccess_token", "path_not_canonical"),
            ("/oauth2/access_token;x", "path_not_canonical"),
            ("/oauth2/Access_Token", "path_not_canonical"),
            ("/oauth2/realms/Root/access_token", "path_not_canonical"),
            ("/oauth2\\access_token", "path_not_canonical"),
            ("/oauth2/authorize", "pass"),
        ] {
            let path = format!("{base}{path}");
            let Some(head) = try_head(Version::HTTP_11, "POST", &path, &[]) else { continue };
            assert_eq!(short(&table.route(&head)), expected, "{path}");
        }
    }
    let other = RouteTable::new([place("/realms/corp", "Root")]);
    let head = try_head(Version::HTTP_11, "POST", "/oauth2/access_token", &[]).unwrap();
    assert_eq!(short(&other.route(&head)), "pass", "another realm is not the one above all");
}

#[test]
fn dialects_have_doors_of_their_own() {
    let place = |path, dialect: Dialect, realm| RealmPath { path, endpoints: None, rules: dialect.rules(), realm };
    let table = RouteTable::new([
        place("/realms/corp", Dialect::Forgerock, "mySubRealm"),
        place("/realms/kb", Dialect::KeyBridge, ""),
        place("/realms/pace", Dialect::Pace, ""),
        place("/realms/cern", Dialect::Cern, ""),
    ]);
    for (method, path, expected, upstream) in [
        ("POST", DOOR, "door 0", None),
        ("POST", "/oauth2/realms/root/realms/mySubRealm/access_token", "door 0", Some(DOOR)),
        ("POST", "/openam/oauth2/realms/root/realms/mySubRealm/access_token", "door 0", Some(DOOR)),
        (
            "POST",
            "/oauth2/realms/root/realms/mySubRealm/introspect",
            "introspection 0",
            Some("/realms/corp/protocol/openid-connect/token/introspect"),
        ),
        (
            "POST",
            "/oauth2/realms/root/realms/mySubRealm/introspect/",
            "introspection 0",
            Some("/realms/corp/protocol/openid-connect/token/introspect"),
        ),
        ("POST", "/oauth2/realms/root/realms/mySubRealm/Introspect", "path_not_canonical", None),
        ("POST", "/oauth2/realms/root/realms/mySubRealm//introspect", "path_not_canonical", None),
        ("POST", "/oauth2/realms/root/realms/mySubRealm/%69ntrospect", "path_not_canonical", None),
        ("POST", "/oauth2/realms/root/realms/mysubrealm/access_token", "path_not_canonical", None),
        ("POST", "/oauth2/realms/root/realms/x/../mySubRealm/access_token", "path_not_canonical", None),
        // Not ours.
        ("POST", "/oauth2/realms/root/access_token", "pass", None),
        ("POST", "/oauth2/realms/root/realms/other/access_token", "pass", None),
        ("POST", "/token/oauth2", "door 1", Some("/realms/kb/protocol/openid-connect/token")),
        ("POST", "/token/oauth2/", "path_not_canonical", None),
        ("POST", "/Token/oauth2", "path_not_canonical", None),
        ("POST", "/token//oauth2", "path_not_canonical", None),
        ("POST", "/%74oken/oauth2", "path_not_canonical", None),
        ("PUT", "/token/oauth2", "method_not_allowed", Some("/realms/kb/protocol/openid-connect/token")),
        ("POST", "/protocol/openid-connect/token", "door 2", Some("/realms/pace/protocol/openid-connect/token")),
        (
            "POST",
            "/auth/realms/cern/protocol/openid-connect/token",
            "door 3",
            Some("/realms/cern/protocol/openid-connect/token"),
        ),
        ("POST", "/auth/realms/corp/protocol/openid-connect/token", "door of no realm", None),
    ] {
        assert_eq!(short(&table.route(&head(method, path, &[]))), expected, "{method} {path}");
        assert_eq!(table.upstream_path(path), upstream, "{path}");
    }
}

/// A refusal of another spelling is answered in the words of the dialect whose door is meant, and decides nothing else.
#[test]
fn who_calls_a_dialect_by_another_spelling_is_told_in_its_words() {
    let place = |path, dialect: Dialect| RealmPath { path, rules: dialect.rules(), realm: "", endpoints: None };
    let table = RouteTable::new([place("/realms/kb", Dialect::KeyBridge), place("/realms/pace", Dialect::Pace)]);
    for (path, expected) in [
        ("/protocol/openid-connect/token", Some(1)),
        ("/protocol/openid-connect/token/", Some(1)),
        ("//Protocol/./openid-connect/x/../%74oken;a=b", Some(1)),
        ("/token/oauth2/", Some(0)),
        ("/realms/pace/protocol/openid-connect/token", Some(1)),
        ("/realms/pace/protocol/openid-connect/token/", None),
        ("/x/protocol/openid-connect/token", None),
        ("/protocol/openid-connect/token/introspect", None),
        ("/../..", None),
        ("/", None),
    ] {
        assert_eq!(table.realm_meant(path), expected, "{path}");
    }
}
