//! Clients, client scopes, roles and identity providers, as Keycloak's directory shows them.

use super::*;

#[tokio::test]
async fn a_client_scope_may_have_a_colon_in_its_name() {
    let permission =
        "permissions: [{ clients: [front-end-app], scopes: ['read:orders', 'write:orders', 'email:x'] }]\n";
    let plan = plan().await.audience("back-end-api", &format!("{BACK_END_API}{permission}"));
    let client = json!([{"id": "0b8f", "clientId": "front-end-app", "attributes": {"standard.token.exchange.enabled": "true"},
        "defaultClientScopes": ["basic", "roles"], "optionalClientScopes": ["read:orders", "email"]}]);
    let faults = plan.idp.faults();
    faults.answer_at("/admin/realms/corp/clients?clientId=front-end-app", 200, &client.to_string());
    let scopes = ["basic", "roles", "read:orders", "write:orders", "write", "email"].map(|name| json!({"name": name}));
    faults.answer_at("/admin/realms/corp/client-scopes", 200, &json!(scopes).to_string());
    let found = found_online(&plan.folder).await;
    let about_scopes = |found: &OnlineFindings| {
        let all = said(&found.problems);
        all.into_iter().filter(|one| one.starts_with("permissions[0].scopes")).collect::<Vec<_>>()
    };
    let expected = "permissions[0].scopes[1]: the client \"front-end-app\" of the realm corp may not request the scope \"write:orders\": \
                    add the client scope to it (Keycloak: Clients, front-end-app, Client scopes)";
    assert_eq!(about_scopes(&found), [expected], "{found:?}");

    faults.answer_at("/admin/realms/corp/client-scopes", 403, "{}");
    let found = found_online(&plan.folder).await;
    let expected = "permissions[0].scopes[1]: the client \"front-end-app\" of the realm corp may not request the scope \"write:orders\"; \
                    whether the realm has the client scope is not shown to Cambio";
    assert_eq!(about_scopes(&found), [expected], "{found:?}");
}

#[tokio::test]
async fn only_mappers_that_are_in_force_write_realm_roles() {
    let permission = |scopes: &str| {
        format!("{BACK_END_API}permissions: [{{ clients: [front-end-app], issuance: forward, scopes: [{scopes}] }}]\n")
    };
    let plan = plan().await.audience("back-end-api", &permission("email"));
    let client = json!([{"id": "0b8f", "clientId": "front-end-app", "attributes": {"standard.token.exchange.enabled": "true"},
        "defaultClientScopes": ["basic", "email"], "optionalClientScopes": ["realm-roles"]}]);
    let faults = plan.idp.faults();
    faults.answer_at("/admin/realms/corp/clients?clientId=front-end-app", 200, &client.to_string());
    for (scopes, is_in_access_token, expected) in [
        ("email", "true", false),
        ("email, realm-roles", "true", true),
        ("email, realm-roles", "false", false),
        ("'*'", "true", true),
    ] {
        let mapper = json!({"protocolMapper": "oidc-usermodel-realm-role-mapper",
            "config": {"access.token.claim": is_in_access_token}});
        let shown = json!([{"name": "basic"}, {"name": "email"}, {"name": "realm-roles", "protocolMappers": [mapper]}]);
        faults.answer_at("/admin/realms/corp/client-scopes", 200, &shown.to_string());
        plan.folder.write("audiences/back-end-api.yaml", &permission(scopes));
        let found = found_online(&plan.folder).await;
        let is_named = found.problems.iter().any(|one| one.message.starts_with("forward refuses the tokens of users"));
        assert_eq!(is_named, expected, "{scopes} {is_in_access_token}: {found:?}");
    }
}

#[tokio::test]
async fn a_hint_that_fails_loses_no_finding() {
    let permissions = "permissions:
  - { clients: [front-end-app, fornt-end-app] }
  - { clients: [front-end-app], scopes: [emial] }
roles: { realm: [auditer] }
";
    let plan = plan()
        .await
        .audience("back-end-api", &format!("{BACK_END_API}{permissions}").replace("roles: { own: true }\n", ""));
    let faults = plan.idp.faults();
    let large = format!("[{}]", " ".repeat(2 << 20));
    for (status, body) in [(500, "{}"), (403, "{}"), (200, "broken"), (200, large.as_str())] {
        faults.answer_at("/admin/realms/corp/clients?first=0&max=50", status, body);
        faults.answer_at("/admin/realms/corp/roles?first=0&max=500", status, body);
        let found = found_online(&plan.folder).await;
        let places = |list: &[Problem]| list.iter().map(|one| one.key.clone()).collect::<Vec<_>>();
        assert_eq!(places(&found.problems), ["permissions[0].clients[1]", "permissions[1].scopes[0]"], "{found:?}");
        assert_eq!(places(&found.warnings), ["roles.realm[0]"], "{found:?}");
        assert!(!found.problems[0].message.contains("did you mean"), "{found:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_stops_no_other_question() {
    let plan = plan().await.audience("back-end-api", &format!("{BACK_END_API}permissions: [{{ clients: [ghost] }}]\n"));
    let large = format!("[{}]", " ".repeat(2 << 20));
    plan.idp.faults().answer_at("/admin/realms/corp/clients?clientId=back-end-api", 200, &large);
    let found = found_online(&plan.folder).await;
    assert!(said(&found.problems).iter().any(|one| one.contains("has no client \"ghost\"")), "{found:?}");
    let note = "the client \"back-end-api\" of the realm corp: the answer is larger than 1024 KiB: not compared";
    assert!(found.notes.iter().any(|one| one.message == note), "{found:?}");
    assert!(!found.problems.iter().any(|one| one.message.contains("\"back-end-api\"")), "{found:?}");
}

#[tokio::test]
async fn nothing_is_asked_twice_and_every_identity_provider_is_looked_at() {
    let file = |name: &str| {
        format!(
            "audience: {name}\nowner: o\npermissions: [{{ clients: [front-end-app], issuance: forward, scopes: [email, profile] }}, \
             {{ clients: [front-end-app], issuance: translate, issuers: [partner] }}]\nroles: {{ realm: [auditer] }}\n"
        )
    };
    let plan = plan().await.audience("back-end-api", &file("back-end-api")).audience("other", &file("other-api"));
    let faults = plan.idp.faults();
    let others: Vec<_> = (0..50).map(|number| json!({"alias": format!("other-{number}"), "enabled": true})).collect();
    let path = "/admin/realms/corp/identity-provider/instances";
    faults.answer_at(&format!("{path}?first=0&max=50"), 200, &json!(others).to_string());
    let found = found_online(&plan.folder).await;
    let lacks = "has no identity provider with the issuer";
    assert!(!found.problems.iter().any(|one| one.message.contains(lacks)), "{found:?}");
    let received = faults.received();
    let mut asked: Vec<_> =
        received.iter().map(|one| one.target.as_str()).filter(|one| one.starts_with("/admin/")).collect();
    assert!(asked.contains(&format!("{path}?first=50&max=50").as_str()), "{asked:?}");
    let count = asked.len();
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked.len(), count, "{asked:?}");
}
