//! CERN's second door: a client has a token for another application as itself.

use serde_json::json;

use crate::support::files::BACK_END_API;
use crate::support::world::{Plan, TOKEN_PATH, World};
use crate::support::{client, form, token};

const DOORS: [&str; 2] = ["/auth/realms/corp/api-access/token", "/realms/corp/api-access/token"];

const FIELDS: [(&str, &str); 4] = [
    ("grant_type", "client_credentials"),
    ("client_id", "front-end-app"),
    ("client_secret", "front-end-secret"),
    ("audience", "back-end-api"),
];

const ROLES: &str = "roles: { own: true, map: [{ to: robot, when: 'client == \"front-end-app\"' }] }\n";

async fn world(dialect: &str, issuance: &str) -> World {
    let permissions = format!("permissions: [{{ clients: [front-end-app], issuance: {issuance}, scopes: [email] }}]\n");
    let head = BACK_END_API.replace("roles: { own: true }\n", ROLES);
    Plan::new()
        .await
        .configure("    signingKey: corp.pem\n", &format!("    signingKey: corp.pem\n    dialect: {dialect}\n"))
        .audience("back-end-api", &format!("{head}{permissions}"))
        .start()
        .await
}

#[tokio::test]
async fn a_client_has_a_token_as_its_service_account() {
    let world = world("cern", "mint").await;
    for path in DOORS {
        world.idp.faults().forget();
        let before = world.audit_so_far();
        let answer = client::post(world.address(), path, &FIELDS).await;
        let claims = token::claims(&answer.access_token());
        assert_eq!(
            (&claims["sub"], &claims["aud"], &claims["azp"]),
            (&json!("service-account-front-end-app"), &json!("back-end-api"), &json!("front-end-app"))
        );
        assert_eq!(
            token::client_roles(&claims, "back-end-api"),
            ["backend_user", "robot"],
            "as the audience's file says"
        );
        assert_eq!(token::role_clients(&claims), ["back-end-api"]);
        assert_eq!(token::realm_roles(&claims), [""; 0]);
        let told = answer.json();
        assert_eq!((&told["token_type"], &told["issued_token_type"]), (&json!("Bearer"), &json!(null)), "{told}");
        assert!(told.get("refresh_token").is_none(), "{told}");
        let targets = world.idp.faults().received();
        let targets: Vec<_> = targets.iter().filter(|one| one.method == "POST").map(|one| &*one.target).collect();
        assert_eq!(targets, [TOKEN_PATH], "the identity provider is asked once, and proves the client by it");

        let line = world.audit_after(before).await;
        for (field, value) in [
            ("event", "token_exchange"),
            ("door", "api_access"),
            ("outcome", "allowed"),
            ("client", "front-end-app"),
            ("issuance", "mint"),
        ] {
            assert_eq!(line[field], value, "{field}: {line}");
        }
    }
}

#[tokio::test]
async fn what_is_not_permitted_or_not_one_thing_is_refused() {
    let world = world("cern", "mint").await;
    for (name, changes, status, reason) in [
        ("a wrong secret", &[("client_secret", "wrong")][..], 401, "upstream_refused"),
        (
            "another client",
            &[("client_id", "reporting-app"), ("client_secret", "reporting-secret")],
            401,
            "upstream_refused",
        ),
        ("a public client", &[("client_id", "single-page-app"), ("client_secret", "-")], 401, "upstream_refused"),
        ("another audience", &[("audience", "other-api")], 403, "audience_unknown"),
        ("no audience", &[("audience", "-")], 400, "audience_missing"),
        ("two audiences", &[("audience", "back-end-api"), ("audience", "other-api")], 400, "parameter_repeated"),
        ("a scope too many", &[("scope", "admin")], 400, "scope_not_permitted"),
        ("a password", &[("grant_type", "password")], 400, "grant_type_unsupported"),
        ("a subject token", &[("subject_token", "x")], 400, "parameter_unknown"),
    ] {
        let before = world.audit_so_far();
        let answer = client::post(world.address(), DOORS[0], &form::changed(&FIELDS, changes)).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        assert_eq!(world.audit_after(before).await["reason"], reason, "{name}");
    }
    for path in ["/realms/corp/api-access/token/", "/realms/corp//api-access/token", "/realms/corp/API-access/token"] {
        assert_eq!(client::post(world.address(), path, &FIELDS).await.status, 400, "{path}");
    }
}

#[tokio::test]
async fn nothing_but_a_minted_token_is_about_a_service_account_by_name() {
    let world = world("cern", "reissue").await;
    let before = world.audit_so_far();
    let answer = client::post(world.address(), DOORS[0], &FIELDS).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    let line = world.audit_after(before).await;
    assert_eq!(line["reason"], "client_not_permitted", "{line}");
    assert!(line["detail"].as_str().unwrap().contains("issuance: mint in the file of back-end-api"), "{line}");
}

#[tokio::test]
async fn only_cern_has_the_door() {
    let world = world("keycloak", "mint").await;
    for path in DOORS {
        let answer = client::post(world.address(), path, &FIELDS).await;
        assert_eq!(answer.body, client::post(world.idp.address(), path, &FIELDS).await.body, "{path}");
        assert_eq!(answer.status, 404, "{path}");
    }
}
