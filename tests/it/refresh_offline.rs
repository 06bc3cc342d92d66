//! Refresh tokens with the scope `offline_access`: what they outlive, and what ends them.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::refresh_tokens::{plan, refresh, refresh_token};
use crate::support::client::{self, Answer};
use crate::support::files::BACK_END_API;
use crate::support::world::{TOKEN_PATH, World, login};
use crate::support::{form, lenient, token};

const ALICE: &str = "5d6a1b0e-6f3c-4c55-9a3b-1f1d0c6a11ce";
const REFRESH_TOKEN: &str = "urn:ietf:params:oauth:token-type:refresh_token";
const LOGOUT: &str = "/realms/corp/protocol/openid-connect/logout";
const INTROSPECT: &str = "/realms/corp/protocol/openid-connect/token/introspect";
const REVOKE: &str = "/realms/corp/protocol/openid-connect/revoke";

fn file(issuance: &str, scopes: &str) -> String {
    let file = format!(
        "{BACK_END_API}issuance: {issuance}\npermissions:\n  - {{ clients: [front-end-app], scopes: [{scopes}], requestedTokens: [access_token, refresh_token] }}\n"
    );
    file.replace("{ own: true }", "{ own: true, source: directory }")
        .replace("lifetime: 5m", "lifetime: 5m, refreshLifetime: 720h")
}

async fn world_of(dialect: &str, issuance: &str) -> World {
    let plan = plan().await;
    plan.folder.write("cambio-secret", "cambio-secret\n");
    let directory = "    directory: { clientId: cambio, clientSecretFile: cambio-secret, cacheFor: 0s }\n";
    let realm = format!("    signingKey: corp.pem\n    dialect: {dialect}\n{directory}");
    let plan = plan.configure("    signingKey: corp.pem\n", &realm);
    plan.audience("back-end-api", &file(issuance, "openid, email, offline_access")).start().await
}

async fn world() -> World {
    world_of("terradue", "mint").await
}

/// Alice's login, as the identity provider answers it.
async fn logged_in(world: &World) -> Value {
    login(world.address(), TOKEN_PATH, "front-end-app", "front-end-secret", "alice").await.json()
}

async fn exchanged(world: &World, subject: &str, scope: &str) -> Answer {
    let answer = world.exchange(subject, &[("scope", scope), ("requested_token_type", REFRESH_TOKEN)]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

async fn log_out(world: &World, refresh_token: &str) -> u16 {
    let credentials = [("client_id", "front-end-app"), ("client_secret", "front-end-secret")];
    let fields = form::changed(&credentials, &[("refresh_token", refresh_token)]);
    client::post(world.address(), LOGOUT, &fields).await.status.as_u16()
}

async fn is_active(world: &World, client: (&str, &str), token: &str) -> bool {
    let fields = [("client_id", client.0), ("client_secret", client.1), ("token", token)];
    client::post(world.address(), INTROSPECT, &fields).await.json()["active"] == true
}

const BACK_END: (&str, &str) = ("back-end-api", "back-end-secret");
const FRONT_END: (&str, &str) = ("front-end-app", "front-end-secret");

/// The access token has expired, the session has ended, and days have passed.
#[tokio::test]
async fn it_outlives_the_session() {
    let world = world().await;
    let login = logged_in(&world).await;
    let answer = exchanged(&world, login["access_token"].as_str().unwrap(), "openid offline_access").await;
    assert_eq!(
        (&answer.json()["scope"], &answer.json()["refresh_expires_in"]),
        (&json!("offline_access openid"), &json!(720 * 3600))
    );
    assert_eq!(answer.json().get("session_state"), None);
    assert_eq!(log_out(&world, login["refresh_token"].as_str().unwrap()).await, 204);
    assert!(is_active(&world, BACK_END, &answer.access_token()).await, "the access token depends on no session");
    let mut held = refresh_token(&answer);
    for days in [0, 1, 20] {
        world.clock.advance(SignedDuration::from_hours(24 * days));
        assert!(is_active(&world, FRONT_END, &held).await);
        let again = refresh(&world, &held, &[]).await;
        assert_eq!(again.status, 200, "{days}: {}", again.text());
        let claims = token::claims(&again.access_token());
        assert_eq!((&claims["sub"], claims.get("sid")), (&json!(ALICE), None), "{claims}");
        assert_eq!(again.json()["scope"], "offline_access openid");
        assert!(is_active(&world, BACK_END, &again.access_token()).await, "{days}");
        held = refresh_token(&again);
    }
    // A narrower token is not another family's.
    let narrow = refresh(&world, &held, &[("scope", "openid")]).await;
    assert_eq!(token::claims(&narrow.access_token())["scope"], "openid");
    assert!(is_active(&world, BACK_END, &narrow.access_token()).await);
    world.clock.advance(SignedDuration::from_hours(24 * 9));
    assert_eq!(refresh(&world, &refresh_token(&narrow), &[]).await.status, 400, "thirty days are over");
}

/// Without the scope, or without the permission, the session counts.
#[tokio::test]
async fn only_what_the_owner_permits_outlives_the_session() {
    let world = world().await;
    let login = logged_in(&world).await;
    let subject = login["access_token"].as_str().unwrap();
    let (plain, offline) =
        (exchanged(&world, subject, "openid").await, exchanged(&world, subject, "openid offline_access").await);
    assert_eq!(token::claims(&plain.access_token())["sid"], token::claims(subject)["sid"]);
    let offline = refresh(&world, &refresh_token(&offline), &[]).await;
    assert_eq!(log_out(&world, login["refresh_token"].as_str().unwrap()).await, 204);
    world.clock.advance(SignedDuration::from_secs(5));
    assert!(!is_active(&world, FRONT_END, &refresh_token(&plain)).await);
    assert_eq!(refresh(&world, &refresh_token(&plain), &[]).await.status, 400);
    world.rewrite("audiences/back-end-api.yaml", &file("mint", "openid, email")).await;
    let before = world.audit_so_far();
    assert_eq!(refresh(&world, &refresh_token(&offline), &[]).await.status, 400);
    assert_eq!(world.audit_after(before).await["detail"], "the user's session has ended");
    world.rewrite("audiences/back-end-api.yaml", &file("mint", "openid, offline_access")).await;
    assert_eq!(refresh(&world, &refresh_token(&offline), &[]).await.status, 200, "it was granted once");
}

fn user(changes: &Value) -> String {
    let mut user = json!({"id": ALICE, "username": "alice", "enabled": true, "notBefore": 0});
    user.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    user.to_string()
}

fn clients(changes: &Value) -> String {
    let mut client =
        json!({"id": "uuid-of-front-end-app", "clientId": "front-end-app", "enabled": true, "notBefore": 0});
    client.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    json!([client]).to_string()
}

/// Everything else that ends Keycloak's own refresh tokens ends these at the next refresh, be they offline or not.
#[tokio::test]
async fn what_ends_it_ends_it_at_once() {
    let user_at = format!("/admin/realms/corp/users/{ALICE}");
    let client_at = "/admin/realms/corp/clients?clientId=front-end-app".to_owned();
    let later = |world: &World| world.now() + 1;
    let ends: [(&str, &dyn Fn(&World)); 8] = [
        ("user disabled", &|w| w.idp.faults().answer_at(&user_at, 200, &user(&json!({"enabled": false})))),
        ("user not-before", &|w| w.idp.faults().answer_at(&user_at, 200, &user(&json!({"notBefore": later(w)})))),
        ("user gone", &|w| w.idp.faults().answer_at(&user_at, 404, "{}")),
        ("client disabled", &|w| w.idp.faults().answer_at(&client_at, 200, &clients(&json!({"enabled": false})))),
        ("client not-before", &|w| {
            w.idp.faults().answer_at(&client_at, 200, &clients(&json!({"notBefore": later(w)})));
        }),
        ("realm not-before", &|w| {
            let page = json!({"realm": "corp", "tokens-not-before": later(w)}).to_string();
            w.idp.faults().answer_at("/realms/corp", 200, &page);
        }),
        ("the permission", &|_| {}),
        ("nothing", &|_| {}),
    ];
    for scope in ["openid offline_access", "openid"] {
        for (name, end) in ends {
            let world = world().await;
            let login = logged_in(&world).await;
            let answer = exchanged(&world, login["access_token"].as_str().unwrap(), scope).await;
            let again = refresh(&world, &refresh_token(&answer), &[]).await;
            assert_eq!(again.status, 200, "{scope}, {name}: {}", again.text());
            end(&world);
            if name == "the permission" {
                world.permit(false).await;
            }
            let refused = refresh(&world, &refresh_token(&again), &[]).await;
            let expected = if name == "nothing" { 200 } else { 400 };
            assert_eq!(refused.status, expected, "{scope}, {name}: {}", refused.text());
        }
    }
}

/// A revocation and a logout with the refresh token itself.
#[tokio::test]
async fn its_client_ends_it() {
    for logout in [true, false] {
        let world = world().await;
        let login = logged_in(&world).await;
        let answer = exchanged(&world, login["access_token"].as_str().unwrap(), "openid offline_access").await;
        if logout {
            assert_eq!(log_out(&world, &refresh_token(&answer)).await, 204);
        } else {
            let token = refresh_token(&answer);
            let fields = [("client_id", FRONT_END.0), ("client_secret", FRONT_END.1), ("token", token.as_str())];
            assert_eq!(client::post(world.address(), REVOKE, &fields).await.status, 200);
        }
        assert!(!is_active(&world, BACK_END, &answer.access_token()).await);
        assert_eq!(refresh(&world, &refresh_token(&answer), &[]).await.status, 400);
    }
}

/// A login with `offline_access` has an offline session alone, which an administrator or the user can end.
#[tokio::test]
async fn of_an_offline_login_it_ends_with_the_offline_session() {
    for scope in ["openid offline_access", "openid"] {
        let world = world().await;
        let mut claims = token::claims(logged_in(&world).await["access_token"].as_str().unwrap());
        claims["scope"] = json!("openid offline_access");
        let (sid, subject) = (claims["sid"].clone(), world.sign(&claims));
        let answer = exchanged(&world, &subject, scope).await;
        assert_eq!(token::claims(&answer.access_token())["sid"], sid, "{scope}");
        let (faults, user_at) = (world.idp.faults(), format!("/admin/realms/corp/users/{ALICE}"));
        let consents = json!([{"clientId": "a", "additionalGrants": [{"client": "uuid-a", "key": "Offline Token"}]}]);
        faults.answer_at(&format!("{user_at}/sessions"), 200, "[]");
        faults.answer_at(&format!("{user_at}/consents"), 200, &consents.to_string());
        faults.answer_at(&format!("{user_at}/offline-sessions/uuid-a"), 200, &json!([{"id": sid}]).to_string());
        let again = refresh(&world, &refresh_token(&answer), &[]).await;
        assert_eq!(again.status, 200, "{scope}: {}", again.text());
        faults.answer_at(&format!("{user_at}/offline-sessions/uuid-a"), 200, "[]");
        assert_eq!(refresh(&world, &refresh_token(&again), &[]).await.status, 400, "{scope}");
    }
}

/// Another client's offline session has the id of the session that both began with.
#[tokio::test]
async fn another_clients_offline_session_keeps_nothing_alive() {
    let world = world().await;
    let login = logged_in(&world).await;
    let answer = exchanged(&world, login["access_token"].as_str().unwrap(), "openid").await;
    let sid = token::claims(&answer.access_token())["sid"].clone();
    let (faults, user_at) = (world.idp.faults(), format!("/admin/realms/corp/users/{ALICE}"));
    let consents = json!([{"clientId": "a", "additionalGrants": [{"client": "uuid-a", "key": "Offline Token"}]}]);
    faults.answer_at(&format!("{user_at}/sessions"), 200, "[]");
    faults.answer_at(&format!("{user_at}/consents"), 200, &consents.to_string());
    faults.answer_at(&format!("{user_at}/offline-sessions/uuid-a"), 200, &json!([{"id": sid}]).to_string());
    assert_eq!(refresh(&world, &refresh_token(&answer), &[]).await.status, 400);
}

/// Keycloak refuses the scope in an exchange for a refresh token. The caller learns this, and gets nothing less in silence.
#[tokio::test]
async fn by_reissue_the_identity_provider_decides() {
    let sent = |world: &World| {
        let last = world.idp.faults().received().into_iter().rev().find_map(|one| {
            let fields = lenient::pairs(&one.body);
            let field = |name: &str| fields.iter().find(|field| field.0 == name).map(|field| field.1.clone());
            field("subject_token").map(|_| (field("requested_token_type"), field("scope")))
        });
        last.unwrap()
    };
    for (dialect, requested, upstream) in [
        ("terradue", "-", REFRESH_TOKEN),
        ("terradue", REFRESH_TOKEN, REFRESH_TOKEN),
        ("keycloak", REFRESH_TOKEN, REFRESH_TOKEN),
        ("rfc8693", REFRESH_TOKEN, REFRESH_TOKEN),
        // An access token alone can have the scope.
        ("keycloak", "-", "urn:ietf:params:oauth:token-type:access_token"),
    ] {
        let world = world_of(dialect, "reissue").await;
        let alice = world.alice().await;
        world.idp.faults().forget();
        let answer =
            world.exchange(&alice, &[("scope", "email offline_access"), ("requested_token_type", requested)]).await;
        assert_eq!(sent(&world), (Some(upstream.to_owned()), Some("email offline_access".to_owned())), "{dialect}");
        assert_eq!(answer.status, 400, "{dialect}: {}", answer.text());
        let plain = world.exchange(&alice, &[("scope", "email"), ("requested_token_type", requested)]).await;
        assert_eq!(plain.status, 200, "{dialect}: {}", plain.text());
    }
}
