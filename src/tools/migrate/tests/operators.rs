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
fn yaml_that_can_t_be_read_is_refused_without_quoting_it() {
    for text in ["a: [s3cret", "a: s3cret\na: s3cret", "s3cret", "- s3cret", "# nothing", "- &a [*a, s3cret]"] {
        let document = ExportDocument { name: "objects.yaml", bytes: text.as_bytes() };
        let error = keycloak(&[document], MigrationOptions::default()).unwrap_err();
        assert!(error.to_string().starts_with("objects.yaml: "), "{text}: {error}");
        assert!(!error.to_string().contains("s3cret"), "{text}: {error}");
    }
}
