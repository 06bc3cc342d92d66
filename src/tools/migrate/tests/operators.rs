//! Objects of operators.

use super::*;

fn migrated_yaml(text: &str) -> Migration {
    let document = ExportDocument { name: "objects.yaml", bytes: text.as_bytes() };
    keycloak(&[document], MigrationOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// As `kubectl get -o yaml` writes Crossplane's objects: with the ids that Keycloak gave.
const CROSSPLANE: &str = r"
apiVersion: v1
kind: List
items:
- apiVersion: realm.keycloak.crossplane.io/v1alpha1
  kind: Realm
  metadata: { name: dev }
  spec: { forProvider: { realm: corp } }
- apiVersion: openidclient.keycloak.crossplane.io/v1alpha1
  kind: Client
  metadata: { name: api-object }
  spec: { forProvider: { realmIdRef: { name: dev }, accessType: CONFIDENTIAL, clientId: api } }
  status: { atProvider: { id: id-api } }
- apiVersion: openidclient.keycloak.crossplane.io/v1alpha1
  kind: Client
  metadata: { name: a-object }
  spec: { forProvider: { realmIdRef: { name: dev }, accessType: CONFIDENTIAL }, initProvider: { clientId: a } }
  status: { atProvider: { id: id-a } }
- apiVersion: openidclient.keycloak.crossplane.io/v1alpha1
  kind: ClientDefaultScopes
  metadata: { name: a-scopes }
  spec: { forProvider: { realmIdRef: { name: dev }, clientIdRef: { name: a-object }, defaultScopes: [profile, own, silent] } }
- apiVersion: openidclient.keycloak.crossplane.io/v1alpha1
  kind: ClientScope
  metadata: { name: own }
  spec: { forProvider: { realmIdRef: { name: dev }, name: own, includeInTokenScope: true } }
- apiVersion: openidclient.keycloak.crossplane.io/v1alpha1
  kind: ClientScope
  metadata: { name: silent }
  spec: { forProvider: { realmIdRef: { name: dev }, name: silent, includeInTokenScope: false } }
- apiVersion: openidclient.keycloak.crossplane.io/v1alpha1
  kind: Client
  metadata: { name: b-object }
  spec: { forProvider: { realmIdRef: { name: dev }, accessType: PUBLIC, clientId: b } }
  status: { atProvider: { id: id-b } }
- apiVersion: openidclient.keycloak.crossplane.io/v1alpha1
  kind: ClientClientPolicy
  metadata: { name: callers-object }
  spec: { forProvider: { realmIdRef: { name: dev }, name: callers, resourceServerId: id-of-management, CLIENTS, decisionStrategy: UNANIMOUS, logic: POSITIVE } }
  status: { atProvider: { id: id-callers } }
- apiVersion: openidclient.keycloak.crossplane.io/v1alpha1
  kind: ClientGroupPolicy
  metadata: { name: groups-object }
  spec: { forProvider: { realmIdRef: { name: dev }, name: groups, resourceServerId: id-of-management, groups: [{ id: x }], decisionStrategy: UNANIMOUS, logic: POSITIVE } }
  status: { atProvider: { id: id-groups } }
- apiVersion: openidclient.keycloak.crossplane.io/v1alpha1
  kind: ClientAggregatePolicy
  metadata: { name: all-object }
  spec: { forProvider: { realmIdRef: { name: dev }, name: all, resourceServerId: id-of-management, clientPoliciesRefs: [{ name: callers-object }], decisionStrategy: UNANIMOUS, logic: POSITIVE } }
- apiVersion: openidclient.keycloak.crossplane.io/v1alpha1
  kind: ClientPermissions
  metadata: { name: api-permissions }
  spec: { forProvider: { realmIdRef: { name: dev }, clientIdRef: { name: api-object }, SCOPE } }
- apiVersion: identityprovider.keycloak.crossplane.io/v1alpha1
  kind: ProviderTokenExchangeScopePermission
  metadata: { name: of-partner }
  spec: { forProvider: { realmIdRef: { name: dev }, providerAliasRef: { name: partner-object }, policyType: client, clientsRefs: [{ name: a-object }] } }
- apiVersion: oidc.keycloak.crossplane.io/v1alpha1
  kind: IdentityProvider
  metadata: { name: partner-object }
  spec: { forProvider: { realmRef: { name: dev }, alias: partner, clientSecretSecretRef: { key: s3cret } } }
- apiVersion: group.keycloak.crossplane.io/v1alpha1
  kind: Permissions
  metadata: { name: group-permissions }
  spec: { forProvider: { realmIdRef: { name: dev } } }
- apiVersion: group.keycloak.crossplane.io/v1alpha1
  kind: Group
  metadata: { name: some-group }
  spec: { forProvider: { realmIdRef: { name: dev } } }
MORE
";

fn crossplane(clients: &str, scope: &str, more: &str) -> Migration {
    migrated_yaml(&CROSSPLANE.replace("CLIENTS", clients).replace("SCOPE", scope).replace("MORE", more))
}

#[test]
fn crossplane_permissions_and_policies() {
    const REFS: &str = "clientsRefs: [{ name: a-object }]";
    const USUAL: &str = "tokenExchangeScope: [{ policies: [id-callers], decisionStrategy: UNANIMOUS }]";
    const EXTRA: &str = "- apiVersion: openidclient.keycloak.crossplane.io/v1alpha1\n  kind: ClientAuthorizationPermission\n  \
        metadata: { name: extra }\n  spec: { forProvider: { realmIdRef: { name: dev }, resourceServerId: id-of-management } }";
    for (name, clients_of_policy, scope, more, listed) in [
        ("by reference", REFS, USUAL, "", &["a"][..]),
        ("by id", "clients: [id-a]", USUAL, "", &["a"]),
        ("by both", "clients: [id-a], clientsRefs: [{ name: a-object }]", USUAL, "", &["a"]),
        ("by both, contradicting", "clients: [id-b], clientsRefs: [{ name: a-object }]", USUAL, "", &[]),
        ("by a selector", "clientsSelector: { matchLabels: { team: x } }", USUAL, "", &[]),
        ("a client that is not there", "clients: [id-a, id-gone]", USUAL, "", &[]),
        ("a reference to nothing", "clientsRefs: [{ name: a-object }, { name: gone }]", USUAL, "", &[]),
        ("a policy by name", REFS, "tokenExchangeScope: [{ policies: [callers] }]", "", &["a"]),
        ("a scope that is no list", REFS, "tokenExchangeScope: { policies: [callers] }", "", &["a"]),
        ("two scopes", REFS, "tokenExchangeScope: [{ policies: [callers] }, { policies: [callers] }]", "", &[]),
        (
            "something new in the scope",
            REFS,
            "tokenExchangeScope: [{ policies: [callers], policiesRefs: [] }]",
            "",
            &[],
        ),
        ("aggregated", REFS, "tokenExchangeScope: [{ policies: [all] }]", "", &["a"]),
        ("and a group", REFS, "tokenExchangeScope: [{ policies: [callers, id-groups] }]", "", &[]),
        (
            "or a group",
            REFS,
            "tokenExchangeScope: [{ policies: [callers, groups], decisionStrategy: AFFIRMATIVE }]",
            "",
            &["a"],
        ),
        ("a policy that is not there", REFS, "tokenExchangeScope: [{ policies: [gone] }]", "", &[]),
        ("no policies", REFS, "enabled: true", "", &[]),
        ("one more permission", REFS, USUAL, EXTRA, &[]),
    ] {
        let migration = crossplane(clients_of_policy, scope, more);
        assert_eq!(clients(&migration), listed, "{name}: {}", migration.report);
        for told in [
            "identity provider \"partner\": V1 let \"a\" exchange its tokens",
            "Permissions \"group-permissions\": permissions of this kind were not read",
            "Group (group.keycloak.crossplane.io)",
        ] {
            assert!(more == EXTRA || migration.report.contains(told), "{name}: {told}: {}", migration.report);
        }
        assert!(!format!("{migration:?}").contains("s3cret"));
    }
    let migration = crossplane(REFS, USUAL, "");
    assert!(
        migration.files["api.yaml"].contains("scopes: [\"openid\", \"own\", \"profile\"]"),
        "{:?}",
        migration.files
    );
    assert!(migration.files["api.yaml"].contains("realm: \"corp\""));
    let migration = crossplane("clients: [id-a, id-b]", USUAL, "");
    assert!(migration.files["api.yaml"].contains("issuance: mint"), "b is public: {:?}", migration.files);
    // The same objects in a namespace, each in a document of its own.
    let text = CROSSPLANE.replace("CLIENTS", REFS).replace("SCOPE", USUAL).replace("MORE", "");
    let apart = text.split_once("items:\n").unwrap().1.replace("\n- ", "\n---\n  ").replacen("- ", "  ", 1);
    let apart = apart.replace(".keycloak.crossplane.io", ".keycloak.m.crossplane.io");
    assert_eq!(clients(&migrated_yaml(&apart)), ["a"]);
}

const BY_REFERENCE: &str = "clientsRefs: [{ name: a-object }]";
const USUAL_SCOPE: &str = "tokenExchangeScope: [{ policies: [id-callers], decisionStrategy: UNANIMOUS }]";

#[test]
fn crossplane_switches_of_the_realm() {
    const REALM: &str = "{ forProvider: { realm: corp } }";
    const V2: &str = "uses the fine-grained admin permissions V2";
    const UNREADABLE: &str = "Realm \"dev\": its `enabled` or `adminPermissionsEnabled` can't be read";
    for (name, realm, told) in [
        ("on", "{ forProvider: { realm: corp, enabled: true, adminPermissionsEnabled: false } }", None),
        ("absent", "{ forProvider: { realm: corp, enabled: null } }", None),
        ("disabled", "{ forProvider: { realm: corp, enabled: false } }", Some("the realm is disabled")),
        ("as text", "{ forProvider: { realm: corp, enabled: 'false' } }", Some("the realm is disabled")),
        (
            "at first",
            "{ forProvider: { realm: corp }, initProvider: { enabled: false } }",
            Some("the realm is disabled"),
        ),
        (
            "as seen",
            "{ forProvider: { realm: corp } }\n  status: { atProvider: { enabled: false } }",
            Some("the realm is disabled"),
        ),
        (
            "observed",
            "{ managementPolicies: [Observe], forProvider: { realm: corp, enabled: true } }\n  \
             status: { atProvider: { enabled: false } }",
            Some("the realm is disabled"),
        ),
        ("V2", "{ forProvider: { realm: corp, adminPermissionsEnabled: true } }", Some(V2)),
        ("unreadable", "{ forProvider: { realm: corp, enabled: perhaps } }", Some(UNREADABLE)),
        ("unreadable V2", "{ forProvider: { realm: corp, adminPermissionsEnabled: [1] } }", Some(UNREADABLE)),
    ] {
        let text = CROSSPLANE.replace("CLIENTS", BY_REFERENCE).replace("SCOPE", USUAL_SCOPE).replace("MORE", "");
        let migration = migrated_yaml(&text.replace(REALM, realm));
        let listed: &[&str] = if told.is_none() { &["a"] } else { &[] };
        assert_eq!(clients(&migration), listed, "{name}: {}", migration.report);
        assert!(migration.report.contains(told.unwrap_or_default()), "{name}: {}", migration.report);
    }
    // Another object of the same realm does not switch it on again.
    let again = "- apiVersion: realm.keycloak.crossplane.io/v1alpha1\n  kind: Realm\n  metadata: { name: dev2 }\n  \
        spec: { forProvider: { realm: corp, enabled: true } }";
    let text = CROSSPLANE.replace("CLIENTS", BY_REFERENCE).replace("SCOPE", USUAL_SCOPE).replace("MORE", again);
    assert_eq!(clients(&migrated_yaml(&text)), ["a"]);
    let text = text.replace(REALM, "{ forProvider: { realm: corp, enabled: false } }");
    assert!(migrated_yaml(&text).files.is_empty());
}

#[test]
fn crossplane_objects_that_are_not_enforced_grant_nothing() {
    const POLICY: &str = "callers-object";
    const OBSERVE: &str = "managementPolicies: [Observe], ";
    const DELETED: &str = ", deletionTimestamp: '2026-01-01T00:00:00Z'";
    for (name, object, metadata, spec, told) in [
        ("all", POLICY, "", "managementPolicies: ['*'], ", None),
        ("no list", POLICY, ", deletionTimestamp: null", "managementPolicies: null, ", None),
        ("all but deleting", POLICY, "", "managementPolicies: [Observe, Create, Update, LateInitialize], ", None),
        ("an observed policy", POLICY, "", OBSERVE, Some("neither create nor update")),
        ("nothing", POLICY, "", "managementPolicies: [], ", Some("neither create nor update")),
        ("no readable list", POLICY, "", "managementPolicies: { Create: 1 }, ", Some("neither create nor update")),
        ("a policy that is deleted", POLICY, DELETED, "", Some("is being deleted")),
        (
            "paused",
            POLICY,
            ", annotations: { crossplane.io/paused: 'true' }",
            "",
            Some("ClientClientPolicy \"callers-object\": is paused"),
        ),
        ("what refers to it", POLICY, "", OBSERVE, Some("the operator does not enforce its object")),
        ("an observed caller", "a-object", "", OBSERVE, Some("Client \"a-object\": its managementPolicies")),
        ("an observed audience", "api-object", "", OBSERVE, Some("Client \"api-object\": its managementPolicies")),
        ("a caller that is deleted", "a-object", DELETED, "", Some("Client \"a-object\": is being deleted")),
        ("an observed permission", "api-permissions", "", OBSERVE, Some("\"api-permissions\": its managementPolicies")),
        ("a permission that is deleted", "api-permissions", DELETED, "", Some("\"api-permissions\": is being deleted")),
        ("a realm that is deleted", "dev", DELETED, "", Some("Realm \"dev\": is being deleted")),
    ] {
        let text = CROSSPLANE.replace("CLIENTS", BY_REFERENCE).replace("SCOPE", USUAL_SCOPE).replace("MORE", "");
        let usual = format!("metadata: {{ name: {object} }}\n  spec: {{ ");
        assert!(text.contains(&usual), "{name}");
        let text = text.replace(&usual, &format!("metadata: {{ name: {object}{metadata} }}\n  spec: {{ {spec}"));
        let migration = migrated_yaml(&text);
        let listed: &[&str] = if told.is_none() { &["a"] } else { &[] };
        assert_eq!(clients(&migration), listed, "{name}: {}", migration.report);
        assert!(migration.report.contains(told.unwrap_or_default()), "{name}: {}", migration.report);
    }
}

/// An object that is only observed is at Keycloak nevertheless: it takes no doubt away.
#[test]
fn crossplane_objects_that_are_only_observed_leave_the_doubt() {
    let object = |kind: &str, name: &str, parameters: &str| {
        format!(
            "- apiVersion: openidclient.keycloak.crossplane.io/v1alpha1\n  kind: {kind}\n  metadata: {{ name: {name} }}\n  \
             spec: {{ managementPolicies: [Observe], forProvider: {{ realmIdRef: {{ name: dev }}, {parameters} }} }}"
        )
    };
    for (name, more, listed) in [
        ("nothing", String::new(), &["a"][..]),
        ("the client of permissions", object("Client", "management", "clientId: realm-management"), &["a"]),
        ("a permission", object("ClientAuthorizationPermission", "extra", "resourceServerId: id-of-management"), &[]),
        ("the same permission", object("ClientPermissions", "again", "clientIdRef: { name: api-object }"), &[]),
        ("a policy of the same name", object("ClientTimePolicy", "other", "name: callers"), &[]),
    ] {
        let migration = crossplane(BY_REFERENCE, USUAL_SCOPE, &more);
        assert_eq!(clients(&migration), listed, "{name}: {}", migration.report);
    }
    // A scope, too: Keycloak's own of this name does not replace it.
    let migration = crossplane(BY_REFERENCE, USUAL_SCOPE, &object("ClientScope", "silent-profile", "name: profile"));
    assert!(migration.files["api.yaml"].contains("scopes: [\"openid\", \"own\"]"), "{:?}", migration.files);
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
