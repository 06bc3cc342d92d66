//! Objects of operators.

mod crossplane;

use super::*;

fn migrated_yaml(text: &str) -> Migration {
    let document = ExportDocument { name: "objects.yaml", bytes: text.as_bytes() };
    keycloak(&[document], MigrationOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

const EDP: &str = r#"
apiVersion: v1.edp.epam.com/v1
kind: KeycloakRealm
metadata: { name: main }
spec: { realmName: corp, keycloakRef: { kind: Keycloak, name: keycloak } }
---
apiVersion: v1.edp.epam.com/v1
kind: KeycloakClient
metadata: { name: management }
spec:
  realmRef: { kind: KeycloakRealm, name: main }
  clientId: realm-management
  bearerOnly: true
  authorization:
    policies:
      - { name: callers, type: client, clientPolicy: { clients: [a, b] } }
      - { name: not-b, type: client, logic: NEGATIVE, clientPolicy: { clients: [b] } }
      - { name: both, type: aggregate, aggregatedPolicy: { policies: [callers, not-b] } }
      - { name: robots, type: role, rolePolicy: { roles: [{ name: robot, required: true }] } }
      - { name: team, type: group, groupPolicy: { groups: [{ name: /team }] } }
---
apiVersion: v1.edp.epam.com/v1
kind: KeycloakClient
metadata: { name: api }
spec:
  realmRef: { kind: KeycloakRealm, name: main }
  clientId: api
  secret: $s3cret:key
  clientRoles: [user]
  adminFineGrainedPermissionsEnabled: ENABLED
  permission:
    scopePermissions:
      - { name: token-exchange, policies: [APPLIED] }
      - { name: view, policies: [team] }
status: { clientId: 5b1c }
---
apiVersion: v1.edp.epam.com/v1
kind: KeycloakClient
metadata: { name: a }
spec: { targetRealm: corp, clientId: a, defaultClientScopes: [profile], serviceAccount: { enabled: true, realmRoles: [robot] } }
---
apiVersion: v1.edp.epam.com/v1
kind: KeycloakClient
metadata: { name: b }
spec: { realmRef: { name: main }, clientId: b, attributes: { standard.token.exchange.enabled: "true" } }
---
apiVersion: v1.edp.epam.com/v1
kind: KeycloakAuthFlow
metadata: { name: flow }
spec: { realmRef: { name: main } }
"#;

#[test]
fn edp_clients_permissions_and_policies() {
    for (name, enabled, applied, listed, told) in [
        ("clients", "true", "callers", &["a", "b"][..], "Candidates: \"api\""),
        ("aggregated", "true", "both", &["a"], "KeycloakAuthFlow (v1.edp.epam.com)"),
        (
            "both",
            "true",
            "callers, not-b",
            &["a"],
            "client \"b\": its Standard token exchange (V2) needs no permission",
        ),
        ("a role", "true", "robots", &[], "given directly to: \"a\""),
        ("a group", "true", "team", &[], "the group policy \"team\" asks for the groups (\"/team\")"),
        ("a policy that is not there", "true", "elsewhere", &[], "the policy \"elsewhere\" is not in the export once"),
        ("switched off", "false", "callers", &[], "the operator ignores them"),
        ("no policies", "true", "", &[], "its permission allows nobody"),
    ] {
        let migration = migrated_yaml(&EDP.replace("ENABLED", enabled).replace("APPLIED", applied));
        assert_eq!(listed_in_all(&migration), listed, "{name}: {}", migration.report);
        assert!(name == "clients" || migration.report.contains(told), "{name}: {}", migration.report);
        assert!(!format!("{migration:?}").contains("s3cret"));
    }
}

#[test]
fn edp_realms_that_are_off_and_objects_that_are_deleted_grant_nothing() {
    const REALM: &str = "spec: { realmName: corp,";
    const DELETED: &str = ", deletionTimestamp: '2026-01-01T00:00:00Z' }";
    let text = EDP.replace("ENABLED", "true").replace("APPLIED", "callers");
    let deleted = |name: &str| {
        let usual = format!("metadata: {{ name: {name} }}");
        (usual.clone(), usual.replace(" }", DELETED))
    };
    let realm = |members: &str| (REALM.to_owned(), format!("{REALM} {members},"));
    for (name, (from, to), told) in [
        ("disabled", realm("enabled: false"), "the realm is disabled"),
        ("V2", realm("adminPermissionsEnabled: true"), "the fine-grained admin permissions V2"),
        ("unreadable", realm("enabled: perhaps"), "KeycloakRealm \"main\": its `enabled`"),
        ("the realm", deleted("main"), "KeycloakRealm \"main\": is being deleted"),
        ("the policies", deleted("management"), "KeycloakClient \"management\": is being deleted"),
        ("the audience", deleted("api"), "KeycloakClient \"api\": is being deleted"),
        ("a caller", deleted("a"), "KeycloakClient \"a\": is being deleted"),
    ] {
        assert_eq!(text.matches(&from).count(), 1, "{name}");
        let migration = migrated_yaml(&text.replace(&from, &to));
        assert!(migration.files.is_empty(), "{name}: {:?}", migration.files);
        assert!(migration.report.contains(told), "{name}: {}", migration.report);
    }
}

/// The clients of all permissions in the file of `api`.
fn listed_in_all(migration: &Migration) -> Vec<String> {
    let text = migration.files.get("api.yaml").map(String::as_str).unwrap_or_default();
    let lists = text.lines().filter_map(|line| line.trim_start().strip_prefix("- clients: "));
    let mut all: Vec<String> = lists.flat_map(|list| serde_json::from_str::<Vec<String>>(list).unwrap()).collect();
    all.sort();
    all
}

#[test]
fn operators_that_hold_documents_of_keycloak() {
    let mut export = with(permission(&["ab"], "UNANIMOUS"));
    let import = json!({
        "apiVersion": "k8s.keycloak.org/v2alpha1", "kind": "KeycloakRealmImport", "metadata": {"name": "corp"},
        "spec": {"keycloakCRName": "kc", "realm": export},
    });
    assert_eq!(listed_in_all(&migrated_yaml(&import.to_string())), ["a", "b"]);
    // Hostzero's operator has clients in objects of their own.
    let all = export.as_object_mut().unwrap().remove("clients").unwrap();
    let object = |kind: &str, name: String, spec: Value| json!({"apiVersion": "keycloak.hostzero.com/v1beta1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    let clients_of = all.as_array().unwrap().iter().map(|one| {
        let mut definition = one.clone();
        let id = definition.as_object_mut().unwrap().remove("clientId").unwrap();
        let spec = json!({"realmRef": {"name": "main"}, "clientId": id, "definition": definition});
        object("KeycloakClient", format!("client-{}", id.as_str().unwrap()), spec)
    });
    let realm = object("KeycloakRealm", "main".to_owned(), json!({"realmName": "corp", "definition": export}));
    let objects: Vec<_> = clients_of.chain([realm]).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    assert_eq!(listed_in_all(&migrated_yaml(&list.to_string())), ["a", "b"]);
    // A reference that two realms could be is none.
    let again = json!({"realmName": "other", "definition": {"enabled": true}});
    let list = json!([list, object("KeycloakRealm", "main".to_owned(), again)]);
    let text = list.to_string();
    let document = ExportDocument { name: "objects.json", bytes: text.as_bytes() };
    let options = MigrationOptions { realm: Some("corp"), owner: None };
    assert_eq!(keycloak(&[document], options), Err(MigrateError::NoClients));
}

#[test]
fn documents_of_keycloak_in_objects_that_are_deleted_grant_nothing() {
    let mut export = with(permission(&["ab"], "UNANIMOUS"));
    let clients = export.as_object_mut().unwrap().remove("clients").unwrap();
    let object = |kind: &str, name: &str, spec: Value| json!({"apiVersion": "keycloak.hostzero.com/v1beta1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    let mut objects: Vec<_> = clients
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let id = one["clientId"].as_str().unwrap();
            object("KeycloakClient", id, json!({"realmRef": {"name": "main"}, "clientId": id, "definition": one}))
        })
        .collect();
    objects.push(object("KeycloakRealm", "main", json!({"realmName": "corp", "definition": export})));
    assert_eq!(listed_in_all(&migrated_yaml(&json!(objects).to_string())), ["a", "b"]);
    for name in ["a", "api", "realm-management", "main"] {
        let mut some = objects.clone();
        let one = some.iter_mut().find(|one| one["metadata"]["name"] == name).unwrap();
        one["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        let migration = migrated_yaml(&json!(some).to_string());
        assert!(migration.files.is_empty(), "{name}: {:?}", migration.files);
        assert!(migration.report.contains(&format!("{name:?}: is being deleted")), "{name}: {}", migration.report);
    }
    // A realm that can't be read may be disabled.
    let last = objects.len() - 1;
    objects[last]["spec"]["definition"]["enabled"] = "perhaps".into();
    let migration = migrated_yaml(&json!(objects).to_string());
    assert!(migration.files.is_empty(), "{:?}", migration.files);
    let import = json!({
        "apiVersion": "k8s.keycloak.org/v2alpha1", "kind": "KeycloakRealmImport",
        "metadata": {"name": "corp", "deletionTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"realm": with(permission(&["ab"], "UNANIMOUS"))},
    });
    let text = import.to_string();
    let document = ExportDocument { name: "objects.json", bytes: text.as_bytes() };
    assert_eq!(keycloak(&[document], MigrationOptions::default()), Err(MigrateError::NoClients));
}

/// The last object of a realm is the whole realm, but takes back no refusal of one before.
#[test]
fn a_second_object_of_a_realm_takes_no_refusal_back() {
    let import = |name: &str, metadata: Value, members: Value| {
        let mut realm = with(permission(&["ab"], "UNANIMOUS"));
        realm["clients"].as_array_mut().unwrap().retain(|_| name == "last");
        merge(&mut realm, &members);
        let mut all = json!({"name": name});
        merge(&mut all, &metadata);
        json!({"apiVersion": "k8s.keycloak.org/v2alpha1", "kind": "KeycloakRealmImport", "metadata": all, "spec": {"realm": realm}})
    };
    for (name, metadata, members, listed) in [
        ("nothing", json!({}), json!({}), &["a", "b"][..]),
        ("disabled", json!({}), json!({"enabled": false}), &[]),
        ("V2", json!({}), json!({"adminPermissionsEnabled": true}), &[]),
        ("deleted", json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}), json!({}), &[]),
    ] {
        let objects = json!([import("first", metadata, members), import("last", json!({}), json!({}))]);
        let migration = migrated_yaml(&objects.to_string());
        assert_eq!(listed_in_all(&migration), listed, "{name}: {}", migration.report);
    }
}

#[test]
fn yaml_that_can_t_be_read_is_refused_without_quoting_it() {
    for text in ["a: [s3cret", "a: s3cret\na: s3cret", "s3cret", "- s3cret", "# nothing", "- &a [*a, s3cret]"] {
        let document = ExportDocument { name: "objects.yaml", bytes: text.as_bytes() };
        let error = keycloak(&[document], MigrationOptions::default()).unwrap_err();
        assert!(error.to_string().starts_with("objects.yaml: "), "{text}: {error}");
        assert!(!error.to_string().contains("s3cret"), "{text}: {error}");
    }
}
