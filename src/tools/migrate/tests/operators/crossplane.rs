//! Crossplane's objects.

use super::*;

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
