//! Exports as Keycloak writes them, and what becomes of them.

mod documents;
mod never_more;
mod operators;

use serde_json::{Value, json};

use super::*;

/// A confidential client with the id `id-NAME`.
fn client(name: &str, more: &Value) -> Value {
    let mut client = json!({
        "id": format!("id-{name}"), "clientId": name, "enabled": true, "publicClient": false, "bearerOnly": false,
        "protocol": "openid-connect", "secret": format!("{name}-s3cret"),
        "attributes": {"realm_client": "false", "saml.signing.private.key": "pr1vate"},
        "defaultClientScopes": ["profile", "roles"], "optionalClientScopes": ["offline_access", "address"],
    });
    merge(&mut client, more);
    client
}

fn merge(into: &mut Value, more: &Value) {
    for (key, value) in more.as_object().unwrap() {
        into[key] = value.clone();
    }
}

/// A policy whose lists are JSON in strings.
fn policy(kind: &str, name: &str, logic: &str, config: &Value) -> Value {
    let config: serde_json::Map<_, _> = config
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| (key.clone(), if value.is_string() { value.clone() } else { value.to_string().into() }))
        .collect();
    json!({"name": name, "type": kind, "logic": logic, "decisionStrategy": "UNANIMOUS", "config": config})
}

/// The permission for the audience `api`, by a strategy.
fn permission(policies: &[&str], strategy: &str) -> Value {
    let config =
        json!({"resources": ["client.resource.id-api"], "scopes": ["token-exchange"], "applyPolicies": policies});
    let mut permission = policy("scope", "token-exchange.permission.client.id-api", "POSITIVE", &config);
    permission["decisionStrategy"] = strategy.into();
    permission
}

fn policies() -> Vec<Value> {
    vec![
        policy("client", "a", "POSITIVE", &json!({"clients": ["a"]})),
        policy("client", "ab", "POSITIVE", &json!({"clients": ["a", "id-b"]})),
        policy("client", "not-b", "NEGATIVE", &json!({"clients": ["b"]})),
        policy("client", "gone", "NEGATIVE", &json!({"clients": ["gone"]})),
        policy("client", "odd", "NEGATIVE", &json!({"clients": "not a list"})),
        policy("role", "role", "POSITIVE", &json!({"roles": [{"id": "robot", "required": true}]})),
        policy("role", "not-role", "NEGATIVE", &json!({"roles": [{"id": "robot", "required": true}]})),
        policy("js", "js", "POSITIVE", &json!({"code": "$evaluation.grant() // s3cret"})),
        policy("time", "time", "POSITIVE", &json!({"noa": "2099-01-01 00:00:00"})),
        policy("aggregate", "all", "POSITIVE", &json!({"applyPolicies": ["ab", "not-b"]})),
        policy("aggregate", "not-all", "NEGATIVE", &json!({"applyPolicies": ["ab", "not-b"]})),
        policy("aggregate", "loop", "POSITIVE", &json!({"applyPolicies": ["a", "loop"]})),
        policy("client", "xor", "XOR", &json!({"clients": ["a"]})),
    ]
}

/// A realm with the clients a, b, public, disabled and api, and these policies and permissions.
fn realm(policies: &[Value]) -> Value {
    json!({
        "realm": "corp", "enabled": true, "privateKey": "pr1vate",
        "clients": [
            client("a", &json!({})), client("b", &json!({})), client("api", &json!({})),
            client("public", &json!({"publicClient": true})), client("disabled", &json!({"enabled": false})),
            client("realm-management", &json!({"bearerOnly": true, "authorizationSettings": {
                "policyEnforcementMode": "ENFORCING", "decisionStrategy": "UNANIMOUS",
                "resources": [
                    {"name": "client.resource.id-api", "type": "Client"}, {"name": "idp.resource.id-partner"}, {"name": "Users"},
                ],
                "policies": policies,
            }})),
        ],
        "clientScopes": [
            {"name": "profile", "attributes": {"include.in.token.scope": "true"}},
            {"name": "address", "attributes": {"include.in.token.scope": "true"}},
            {"name": "roles", "attributes": {"include.in.token.scope": "false"}},
            {"name": "offline_access", "attributes": {"include.in.token.scope": "true"}},
        ],
        "identityProviders": [{"alias": "partner", "internalId": "id-partner", "config": {"clientSecret": "s3cret"}}],
        "roles": {"client": {"api": [{"name": "user"}]}},
        "users": [{"serviceAccountClientId": "b", "realmRoles": ["robot"], "credentials": [{"secretData": "s3cret"}]}],
    })
}

fn with(permission: Value) -> Value {
    let mut all = policies();
    all.push(permission);
    realm(&all)
}

/// Migrates one document.
fn migrate(bytes: &[u8], options: MigrationOptions<'_>) -> Result<Migration, MigrateError> {
    keycloak(&[ExportDocument { name: "corp.json", bytes }], options)
}

fn migrated(export: &Value) -> Migration {
    migrate(export.to_string().as_bytes(), MigrationOptions::default()).unwrap()
}

/// The clients in the file of `api`.
fn clients(migration: &Migration) -> Vec<String> {
    let Some(text) = migration.files.get("api.yaml") else { return Vec::new() };
    let (_, rest) = text.split_once("clients: ").unwrap();
    serde_json::from_str(rest.lines().next().unwrap()).unwrap()
}

fn not_carried_over(migration: &Migration) -> Vec<String> {
    let findings = migration.findings.iter().filter(|one| one.kind == FindingKind::NotCarriedOver);
    findings.map(|one| format!("{}: {}", one.about, one.text)).collect()
}

/// Policies and strategy of api's permission; who is listed; what the report says is not carried over ("" nothing).
#[test]
fn who_was_allowed_is_listed_and_doubt_is_named() {
    for (name, applied, strategy, listed, told) in [
        ("one client", &["a"][..], "UNANIMOUS", &["a"][..], ""),
        ("by id", &["ab"], "UNANIMOUS", &["a", "b"], ""),
        ("all but one", &["not-b"], "UNANIMOUS", &["a"], ""),
        ("both must agree", &["ab", "not-b"], "UNANIMOUS", &["a"], ""),
        ("one is enough", &["a", "not-b"], "AFFIRMATIVE", &["a"], ""),
        ("aggregated", &["all"], "UNANIMOUS", &["a"], ""),
        ("aggregated, negative", &["not-all"], "UNANIMOUS", &["b"], ""),
        ("role", &["role"], "UNANIMOUS", &[], "given directly to: \"b\""),
        ("role, negative", &["not-role"], "UNANIMOUS", &[], "may have allowed \"a\", \"b\", \"public\""),
        ("client and role", &["a", "role"], "UNANIMOUS", &[], "may have allowed \"a\": the role policy"),
        ("client or role", &["a", "role"], "AFFIRMATIVE", &["a"], "may have allowed \"b\", \"public\""),
        ("client and time", &["a", "time"], "UNANIMOUS", &[], "write its last day as `expires`"),
        ("script", &["js"], "UNANIMOUS", &[], "a script can't be read"),
        ("consensus", &["a", "ab", "not-b"], "CONSENSUS", &[], "decides by consensus"),
        ("unknown strategy", &["a"], "MAJORITY", &[], "with an unknown strategy"),
        ("unknown logic", &["xor"], "UNANIMOUS", &[], "a logic that is not understood"),
        ("a client that is gone", &["gone"], "UNANIMOUS", &[], "or one that the export does not have"),
        ("no list", &["odd"], "UNANIMOUS", &[], "names no client"),
        ("no such policy", &["nope"], "UNANIMOUS", &[], "\"nope\" is not in the export once"),
        ("a loop", &["loop"], "UNANIMOUS", &[], "nested too deep"),
        ("no policy", &[], "UNANIMOUS", &[], ""),
    ] {
        let migration = migrated(&with(permission(applied, strategy)));
        assert_eq!(clients(&migration), listed, "{name}");
        let told_is = not_carried_over(&migration).join("\n");
        assert_eq!(told.is_empty(), told_is.is_empty(), "{name}: {told_is}");
        assert!(told_is.contains(told), "{name}: {told_is}");
        assert_eq!(migration, migrated(&with(permission(applied, strategy))), "{name}");
    }
}

#[test]
fn what_was_changed_by_hand_grants_nothing() {
    let settings = "/clients/5/authorizationSettings";
    let mut all = policies();
    let (permission_at, spare_at) = (all.len(), all.len() + 1);
    all.push(permission(&["a"], "UNANIMOUS"));
    all.push(policy("js", "spare", "POSITIVE", &json!({})));
    let good = realm(&all);
    assert_eq!(clients(&migrated(&good)), ["a"]);
    let more = |config: Value| policy("resource", "more", "POSITIVE", &config);
    let (this, spare) = (format!("policies/{permission_at}"), format!("policies/{spare_at}"));
    for (name, at, value, told) in [
        ("disabled realm", "/enabled".to_owned(), json!(false), "the realm is disabled"),
        ("V2", "/adminPermissionsEnabled".to_owned(), json!(true), "permissions V2"),
        ("permissive", format!("{settings}/policyEnforcementMode"), json!("PERMISSIVE"), "ENFORCING"),
        ("no permissions", settings.to_owned(), Value::Null, "no permissions of V1"),
        ("negative", format!("{settings}/{this}/logic"), json!("NEGATIVE"), "changed by hand"),
        ("no scope permission", format!("{settings}/{this}/type"), json!("resource"), "changed by hand"),
        (
            "more scopes",
            format!("{settings}/{this}/config/scopes"),
            json!("[\"token-exchange\",\"view\"]"),
            "changed by hand",
        ),
        (
            "scopes that are no list",
            format!("{settings}/{this}/config/scopes"),
            json!("token-exchange"),
            "changed by hand",
        ),
        ("no resource", format!("{settings}/resources"), json!([]), "is not in the export once"),
        (
            "one more",
            format!("{settings}/{spare}"),
            more(json!({"resources": ["client.resource.id-api"]})),
            "\"more\" also decides",
        ),
        (
            "one for the type",
            format!("{settings}/{spare}"),
            more(json!({"defaultResourceType": "Client"})),
            "\"more\" also decides",
        ),
        (
            "one for the type, as the admin API writes it",
            format!("{settings}/{spare}"),
            json!({"name": "more", "type": "resource", "resourceType": "Client", "policies": ["deny"]}),
            "\"more\" also decides",
        ),
        (
            "one for the type, beside config",
            format!("{settings}/{spare}"),
            json!({"name": "more", "type": "resource", "defaultResourceType": "Client", "policies": ["deny"]}),
            "\"more\" also decides",
        ),
        (
            "one for a type that is no text",
            format!("{settings}/{spare}"),
            json!({"name": "more", "type": "resource", "resourceType": ["Client"], "policies": ["deny"]}),
            "\"more\" also decides",
        ),
        (
            "one for nothing in particular",
            format!("{settings}/{spare}"),
            json!({"name": "more", "type": "resource", "policies": ["deny"]}),
            "\"more\" also decides",
        ),
        (
            "one with empty lists",
            format!("{settings}/{spare}"),
            json!({"name": "more", "type": "resource", "resources": [], "scopes": [], "policies": ["deny"]}),
            "\"more\" also decides",
        ),
        ("no such client", "/clients/2/id".to_owned(), json!("other"), "not about one client"),
        ("two of the id", "/clients/0/id".to_owned(), json!("id-api"), "not about one client"),
    ] {
        let mut export = good.clone();
        if let Some(place) = export.pointer_mut(&at) {
            *place = value;
        } else {
            export[at.trim_start_matches('/')] = value;
        }
        let migration = migrated(&export);
        assert!(migration.files.is_empty(), "{name}: {:?}", migration.files);
        assert!(not_carried_over(&migration).join("\n").contains(told), "{name}: {}", migration.report);
    }
}

#[test]
fn a_permission_about_another_type_or_resource_does_not_matter() {
    for more in [
        json!({"resourceType": "Group"}),
        json!({"defaultResourceType": "Group"}),
        json!({"config": {"defaultResourceType": "Group"}}),
        json!({"resources": ["Users"]}),
    ] {
        let mut other = json!({"name": "more", "type": "resource", "policies": ["a"]});
        merge(&mut other, &more);
        let mut all = policies();
        all.extend([permission(&["a"], "UNANIMOUS"), other]);
        assert_eq!(clients(&migrated(&realm(&all))), ["a"], "{more}");
    }
}

#[test]
fn audiences_that_can_be_none() {
    for (name, change, told, kind) in [
        ("disabled", json!({"enabled": false}), "disabled", FindingKind::Note),
        ("SAML", json!({"protocol": "saml"}), "OpenID Connect", FindingKind::NotCarriedOver),
        ("a star", json!({"clientId": "api*"}), "can't be the name", FindingKind::NotCarriedOver),
        ("long", json!({"clientId": "x".repeat(252)}), "can't be the name", FindingKind::NotCarriedOver),
    ] {
        let mut export = with(permission(&["a"], "UNANIMOUS"));
        merge(&mut export["clients"][2], &change);
        let migration = migrated(&export);
        assert!(migration.files.is_empty(), "{name}");
        let found = migration.findings.iter().any(|one| one.kind == kind && one.text.contains(told));
        assert!(found, "{name}: {}", migration.report);
    }
}

#[test]
fn the_standard_exchange_and_what_else_v1_had_are_told() {
    let mut all = policies();
    all.push(permission(&["a"], "UNANIMOUS"));
    let apply =
        json!({"resources": ["idp.resource.id-partner"], "scopes": ["token-exchange"], "applyPolicies": ["ab"]});
    all.push(policy("scope", "token-exchange.permission.idp.id-partner", "POSITIVE", &apply));
    let apply = json!({"resources": ["Users"], "scopes": ["impersonate"], "applyPolicies": ["a"]});
    all.push(policy("scope", "admin-impersonating.permission.users", "POSITIVE", &apply));
    let apply = json!({"resources": ["Users"], "scopes": ["user-impersonated"], "applyPolicies": ["role"]});
    all.push(policy("scope", "user-impersonated.permission.users", "POSITIVE", &apply));
    let mut export = realm(&all);
    export["clients"][1]["attributes"] = json!({
        "standard.token.exchange.enabled": "true",
        "standard.token.exchange.enableRefreshRequestedTokenType": "SAME_SESSION",
    });
    let migration = migrated(&export);
    for told in [
        "for \"api\": \"a\"\n",
        "identity provider \"partner\": V1 let \"a\", \"b\" exchange its tokens",
        "impersonation: V1 let \"a\" ask for tokens of other users (requested_subject), if user-impersonated",
        "client \"b\": its Standard token exchange (V2) needs no permission",
        "Candidates: \"api\"",
        "client \"b\": may request refresh tokens",
        "client \"a\": switch on Standard token exchange",
    ] {
        assert!(migration.report.contains(told), "{told}: {}", migration.report);
    }
    export["clients"][0]["attributes"] = json!({"standard.token.exchange.enabled": "true"});
    let report = migrated(&export).report;
    assert!(!report.contains("client \"a\""), "carried over and switched on, there is nothing to say: {report}");
}

#[test]
fn a_file_says_no_more_than_the_clients_scopes() {
    let migration = migrated(&with(permission(&["ab"], "UNANIMOUS")));
    let expected = "# Written by `cambio migrate keycloak` from an export of the realm \"corp\": the clients that V1 allows with\n\
         # \"token-exchange.permission.client.id-api\".\n\
         audience: \"api\"\nowner: \"to be named\"\nrealm: \"corp\"\npermissions:\n  - clients: [\"a\", \"b\"]\n    \
         scopes: [\"address\", \"openid\", \"profile\"]\nroles:\n  own: true\n";
    assert_eq!(migration.files["api.yaml"], expected);
}

#[test]
fn no_secret_comes_out() {
    let migration = migrated(&with(permission(&["ab", "js"], "AFFIRMATIVE")));
    let text = format!("{migration:?}");
    for secret in ["s3cret", "pr1vate"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn other_documents_are_refused_without_quoting_them() {
    let shape = |line, column| MigrateError::Shape { document: "corp.json".to_owned(), line, column };
    for (name, document, expected) in [
        ("nothing", "", shape(1, 1)),
        ("no JSON", "s3cret", shape(1, 1)),
        ("cut off", "[{\"realm\": \"s3cret\"", shape(1, 19)),
        ("a list without clients", "[{\"realm\": \"a\"}]", MigrateError::NoClients),
        ("another type", "{\"realm\": \"a\", \"enabled\": \"s3cret\"}", shape(1, 35)),
        ("no clients", "{\"realm\": \"a\"}", MigrateError::NoClients),
        ("no name", "{\"realm\": \"a*\", \"clients\": [{\"clientId\": \"x\"}]}", MigrateError::RealmName),
    ] {
        let error = migrate(document.as_bytes(), MigrationOptions::default()).unwrap_err();
        assert_eq!(error, expected, "{name}");
        assert!(!error.to_string().contains("s3cret"), "{name}");
    }
}

/// What some YAML readers take for the end of a line, and JSON does not escape, must not end the comment at the top.
#[test]
fn no_name_leaves_the_comment() {
    fn replaced(value: &Value, new: &str) -> Value {
        match value {
            Value::String(list) if list.starts_with('[') => {
                list.replace("id-api", json!(new).to_string().trim_matches('"')).into()
            }
            Value::String(text) => text.replace("id-api", new).into(),
            Value::Array(items) => items.iter().map(|item| replaced(item, new)).collect(),
            Value::Object(members) => {
                members.iter().map(|(name, member)| (name.clone(), replaced(member, new))).collect()
            }
            other => other.clone(),
        }
    }
    for end in ["\u{85}", "\u{2028}", "\u{2029}", "\r", "\n"] {
        let evil = format!("id-api{end}permissions: [{{clients: ['*']}}]{end}#");
        let mut export = replaced(&with(permission(&["a"], "UNANIMOUS")), &evil);
        export["realm"] = format!("corp{end}evil: true{end}#").into();
        let options = MigrationOptions { realm: Some("corp"), owner: None };
        let migration = migrate(export.to_string().as_bytes(), options).unwrap();
        let comment: String = migration.files["api.yaml"].split("audience: ").next().unwrap().into();
        assert!(comment.contains("evil"), "{comment:?}");
        assert!(comment.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)), "{comment:?}");
        assert_eq!(comment.matches('\n').count(), 2, "{comment:?}");
    }
}

/// Whoever may choose the name of his client must not pass for another by its id.
#[test]
fn a_client_that_is_called_like_anothers_id_is_not_granted_what_that_one_is() {
    let mut export = with(permission(&["ab"], "UNANIMOUS"));
    let evil = client("id-b", &json!({}));
    export["clients"].as_array_mut().unwrap().push(evil);
    assert!(clients(&migrated(&export)).is_empty());
    assert!(not_carried_over(&migrated(&export)).iter().any(|one| one.contains("\"id-b\"")));
}
