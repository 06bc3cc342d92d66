//! The shapes in which an export comes.

use super::*;

/// The usual realm, in which `a` may exchange for `api`.
fn usual() -> Value {
    with(permission(&["a"], "UNANIMOUS"))
}

fn named(name: &str, mut realm: Value) -> Value {
    realm["realm"] = name.into();
    realm
}

fn migrate_all(documents: &[(&str, &str)], realm: Option<&str>) -> Result<Migration, MigrateError> {
    let documents: Vec<_> =
        documents.iter().map(|(name, text)| ExportDocument { name, bytes: text.as_bytes() }).collect();
    keycloak(&documents, MigrationOptions { realm, owner: None })
}

#[test]
fn one_realm_in_any_encoding_and_wrapping() {
    let text = usual().to_string();
    let wide = |order: fn(u16) -> [u8; 2]| {
        std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(order).collect::<Vec<u8>>()
    };
    for (name, bytes) in [
        ("UTF-8", text.clone().into_bytes()),
        ("a byte order mark", [b"\xEF\xBB\xBF", text.as_bytes()].concat()),
        ("UTF-16, little end first", wide(u16::to_le_bytes)),
        ("UTF-16, big end first", wide(u16::to_be_bytes)),
        ("white space", format!("\r\n\t {text}\n").into_bytes()),
        ("a list", format!("[{text}]").into_bytes()),
        ("a list with a null", format!("[null, {text}]").into_bytes()),
        ("YAML", format!("# an export\n--- \n{text}\n").into_bytes()),
    ] {
        let migration = migrate(&bytes, MigrationOptions::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(clients(&migration), ["a"], "{name}");
    }
    let odd = [wide(u16::to_le_bytes), vec![0]].concat();
    assert!(matches!(migrate(&odd, MigrationOptions::default()), Err(MigrateError::Shape { .. })));
}

#[test]
fn which_of_several_realms_is_meant() {
    let (corp, empty) = (usual(), json!({"realm": "master", "enabled": true, "clients": [client("x", &json!({}))]}));
    let other = named("other", usual());
    let both = json!([empty, corp]).to_string();
    let migration = migrate_all(&[("all.json", &both)], None).unwrap();
    assert_eq!(clients(&migration), ["a"]);
    let note = migration.findings.iter().find(|one| one.about == "realm \"master\"").unwrap();
    assert!(note.text.contains("has no permission of V1"), "{}", note.text);
    // Two realms have permissions: nobody guesses.
    let three = json!([empty, corp, other]).to_string();
    let names = ["corp", "master", "other"].map(str::to_owned).to_vec();
    assert_eq!(migrate_all(&[("all.json", &three)], None), Err(MigrateError::SeveralRealms { realms: names.clone() }));
    assert_eq!(migrate_all(&[("all.json", &three)], Some("no")), Err(MigrateError::SeveralRealms { realms: names }));
    let migration = migrate_all(&[("all.json", &three)], Some("other")).unwrap();
    assert!(migration.files["api.yaml"].contains("realm: \"other\""));
    assert!(migration.report.contains("realm \"corp\": is in the export, too, and has permissions of V1"));
    // Of one realm, the name is the one in cambio.yaml.
    let migration = migrate_all(&[("all.json", &corp.to_string())], Some("other")).unwrap();
    assert!(migration.files["api.yaml"].contains("realm: \"other\""));
}

#[test]
fn a_folder_has_the_users_in_files_of_their_own() {
    let mut realm = with(permission(&["role"], "UNANIMOUS"));
    let users = realm.as_object_mut().unwrap().remove("users").unwrap();
    let (realm, users) = (realm.to_string(), json!({"realm": "corp", "users": users}).to_string());
    let more = json!({"realm": "corp", "users": [{"username": "alice", "credentials": [{"secretData": "s3cret"}]}]})
        .to_string();
    let strange = r#"{"name": "a package"}"#;
    for files in [
        [("a.json", realm.as_str()), ("b.json", &users), ("c.json", &more), ("d.json", strange)],
        [("a.json", users.as_str()), ("b.json", &more), ("c.json", strange), ("d.json", &realm)],
    ] {
        let migration = migrate_all(&files, None).unwrap();
        assert!(migration.report.contains("given directly to: \"b\""), "{}", migration.report);
        assert!(migration.report.contains("is no export and no object of an operator"), "{}", migration.report);
    }
    let twice = migrate_all(&[("a.json", &realm), ("b.json", &realm)], None).unwrap_err();
    assert_eq!(twice.to_string(), "the realm \"corp\" is in a.json and in b.json: give one of them");
    assert_eq!(migrate_all(&[("b.json", &users)], None), Err(MigrateError::NoClients));
    assert_eq!(migrate_all(&[], None), Err(MigrateError::Empty));
    assert_eq!(migrate_all(&[("d.json", strange)], None), Err(MigrateError::NoRealm { document: "d.json".to_owned() }));
}

/// Every member of the usual realm is once `null` and once absent: nothing fails, and nobody gains anything.
#[test]
fn null_is_absent_everywhere() {
    fn places(value: &Value, at: &str, all: &mut Vec<String>) {
        let inner: Vec<(String, &Value)> = match value {
            Value::Object(members) => members.iter().map(|(name, inner)| (name.clone(), inner)).collect(),
            Value::Array(items) => items.iter().enumerate().map(|(at, inner)| (at.to_string(), inner)).collect(),
            _ => Vec::new(),
        };
        for (name, inner) in inner {
            let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
            places(inner, &at, all);
            all.push(at);
        }
    }
    let export = with(permission(&["ab", "not-b"], "UNANIMOUS"));
    let mut all = Vec::new();
    places(&export, "", &mut all);
    for at in all {
        let mut with_null = export.clone();
        *with_null.pointer_mut(&at).unwrap() = Value::Null;
        let result = migrate(with_null.to_string().as_bytes(), MigrationOptions::default());
        let of_realm = ["/realm", "/clients"].contains(&at.as_str());
        assert_eq!(result.is_err(), of_realm, "{at}: {result:?}");
        let listed = result.as_ref().map(clients).unwrap_or_default();
        // A client whose switch is gone is enabled, confidential and of OpenID Connect, as at Keycloak.
        let lost = ["/publicClient", "/enabled", "/bearerOnly"].iter().any(|end| at.ends_with(end));
        assert!(listed.is_empty() || listed == ["a"] || lost, "{at}: {listed:?}");
        let (parent, name) = at.rsplit_once('/').unwrap();
        if let Some(Value::Object(members)) = with_null.pointer_mut(parent) {
            members.remove(name);
            let absent = migrate(with_null.to_string().as_bytes(), MigrationOptions::default());
            assert_eq!(absent, result, "{at}");
        }
    }
}

#[test]
fn lists_of_policies_in_every_writing() {
    let lists = |write: fn(Value) -> Value| {
        let mut all = policies();
        all.push(permission(&["ab", "not-b"], "UNANIMOUS"));
        for one in &mut all {
            for value in one["config"].as_object_mut().unwrap().values_mut() {
                if let Some(list) = value.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok()) {
                    *value = write(list);
                }
            }
        }
        realm(&all)
    };
    let pretty = |list: Value| Value::String(serde_json::to_string_pretty(&list).unwrap());
    for (name, export) in [("lists", lists(|list| list)), ("spread over lines", lists(pretty))] {
        assert_eq!(clients(&migrated(&export)), ["a"], "{name}");
    }
    // The admin API has lists beside `config`, and names policies `policies`.
    let mut beside = permission(&[], "UNANIMOUS");
    beside["config"] = Value::Null;
    merge(
        &mut beside,
        &json!({"resources": ["client.resource.id-api"], "scopes": ["token-exchange"], "policies": ["a"]}),
    );
    assert_eq!(clients(&migrated(&with(beside.clone()))), ["a"]);
    // Two places that contradict each other are not understood.
    beside["config"] = json!({"applyPolicies": "[\"ab\"]"});
    let migration = migrated(&with(beside));
    assert!(clients(&migration).is_empty() && migration.report.contains("what it applies is not understood"));
}

#[test]
fn flags_as_text() {
    for (flag, listed) in [(json!("true"), true), (json!("TRUE"), true), (json!("false"), false), (json!(true), true)] {
        let mut export = usual();
        export["clients"][0]["enabled"] = flag.clone();
        assert_eq!(!clients(&migrated(&export)).is_empty(), listed, "{flag}");
    }
}

#[test]
fn clients_that_can_t_be_told_apart_are_nobody() {
    let mut export = with(permission(&["not-b"], "UNANIMOUS"));
    let again = client("a", &json!({"id": "another"}));
    export["clients"].as_array_mut().unwrap().extend([again, json!({"id": "nameless"}), json!({"clientId": ""})]);
    let migration = migrated(&export);
    assert!(!clients(&migration).contains(&"a".to_owned()));
    assert!(
        migration.report.contains("several clients of one name, and none of them is read: \"a\""),
        "{}",
        migration.report
    );
    assert!(migration.report.contains("clients without `clientId`"), "{}", migration.report);
}

#[test]
fn names_of_clients_in_every_spelling() {
    for (name, file) in [
        ("https://api.example.org/v1?x=1", Some("https%3A%2F%2Fapi.example.org%2Fv1%3Fx%3D1.yaml")),
        ("a\"b: {c} #", Some("a%22b%3A%20%7Bc%7D%20%23.yaml")),
        ("../../etc/passwd", Some("%2E.%2F..%2Fetc%2Fpasswd.yaml")),
        ("line\nbreak", None),
        ("tab\tbed", None),
    ] {
        let mut export = usual();
        export["clients"][2]["clientId"] = name.into();
        let migration = migrated(&export);
        assert_eq!(migration.files.keys().next().map(String::as_str), file, "{name}");
        assert!(
            file.is_some() || migration.report.contains("can't be the name of an audience"),
            "{}",
            migration.report
        );
    }
    // Ids that differ in case only: two clients, and two files on every file system.
    let mut export = usual();
    export["clients"].as_array_mut().unwrap().push(client("API", &json!({})));
    let mut other = permission(&["b-only"], "UNANIMOUS");
    other["name"] = "token-exchange.permission.client.id-API".into();
    other["config"]["resources"] = "[\"client.resource.id-API\"]".into();
    let settings = &mut export["clients"][5]["authorizationSettings"];
    settings["resources"].as_array_mut().unwrap().push(json!({"name": "client.resource.id-API"}));
    let only = policy("client", "b-only", "POSITIVE", &json!({"clients": ["b"]}));
    settings["policies"].as_array_mut().unwrap().extend([other, only]);
    let files = migrated(&export).files;
    assert_eq!(files.keys().collect::<Vec<_>>(), ["%41%50%49.yaml", "api.yaml"]);
    assert!(files["%41%50%49.yaml"].contains("audience: \"API\"") && files["%41%50%49.yaml"].contains("[\"b\"]"));
    assert!(files["api.yaml"].contains("audience: \"api\"") && files["api.yaml"].contains("[\"a\"]"));
}

#[test]
fn public_clients_mint_for_themselves_and_keycloaks_own_clients_are_left_out() {
    let mut export = with(permission(&["not-b"], "UNANIMOUS"));
    export["clients"].as_array_mut().unwrap().push(client("admin-cli", &json!({"publicClient": true})));
    let migration = migrated(&export);
    let file = &migration.files["api.yaml"];
    assert!(
        file.ends_with(
            "  - clients: [\"a\"]\n    scopes: [\"address\", \"openid\", \"profile\"]\n  - clients: [\"public\"]\n    \
         scopes: [\"address\", \"openid\", \"profile\"]\n    issuance: mint\nroles:\n  own: true\n"
        ),
        "{file}"
    );
    assert!(migration.report.contains("client \"public\": is public"), "{}", migration.report);
    assert!(
        migration
            .report
            .contains("Keycloak's own clients: are allowed by permissions, and are not listed: \"admin-cli\"")
    );
}

#[test]
fn permissions_of_v2_and_groups_are_named() {
    let v2 = client(
        "admin-permissions",
        &json!({"authorizationSettings": {"policies": [
            {"name": "perm-Groups", "type": "scope", "config": {"defaultResourceType": "Groups"}},
        ]}}),
    );
    let groups = json!({"groups": [{"path": "/robots / of them", "extendChildren": true}, {"path": "/other"}], "groupsClaim": "groups"});
    let mut all = policies();
    all.extend([policy("group", "grp", "POSITIVE", &groups), permission(&["grp"], "UNANIMOUS")]);
    let mut export = realm(&all);
    export["clients"].as_array_mut().unwrap().push(v2);
    export["users"] = json!([
        {"serviceAccountClientId": "a", "groups": ["/robots / of them/below"]},
        {"serviceAccountClientId": "b", "groups": ["/others"]},
    ]);
    let migration = migrated(&export);
    assert!(migration.files.is_empty());
    let mut alone = json!({"realm": "corp", "enabled": true, "adminPermissionsEnabled": true, "clients": [client("a", &json!({}))]});
    assert!(migrated(&alone).report.contains("the realm uses the fine-grained admin permissions V2"));
    alone["adminPermissionsEnabled"] = false.into();
    assert!(migrated(&alone).report.contains("the export has no permissions of V1"));
    for told in [
        "the group policy \"grp\" asks for the groups (\"/other\", \"/robots / of them\") of the client's service account and of \
         the claim \"groups\" of its token, not of the user (direct members: \"a\")",
        "the permissions V2 (client \"admin-permissions\"): are about what administrators may do",
    ] {
        assert!(migration.report.contains(told), "{}", migration.report);
    }
}

#[test]
fn an_export_without_the_realms_switch_says_so() {
    let mut export = usual();
    export["enabled"] = Value::Null;
    let migration = migrated(&export);
    assert_eq!(clients(&migration), ["a"]);
    assert!(migration.report.contains("does not say whether the realm is enabled"));
}
