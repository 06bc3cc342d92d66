//! Tokens that Cambio signed end with what they depend on: session, user, client, not-before.

use bytes::Bytes;
use http::Request;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::refresh_tokens::{plan, refresh, refresh_token};
use crate::support::files::BACK_END_API;
use crate::support::world::{TOKEN_PATH, World, login};
use crate::support::{client, form, token};

const ALICE: &str = "5d6a1b0e-6f3c-4c55-9a3b-1f1d0c6a11ce";
const INTROSPECT: &str = "/realms/corp/protocol/openid-connect/token/introspect";
const USERINFO: &str = "/realms/corp/protocol/openid-connect/userinfo";
const LOGOUT: &str = "/realms/corp/protocol/openid-connect/logout";
const OTHER_API: &str = "audience: other-api
owner: other-team
issuance: mint
permissions:
  - { clients: [back-end-api], exchangedTokens: true }
";

/// A world with a directory whose answers are used for five seconds.
async fn world(issuance: &str, directory: &str) -> World {
    let permission =
        "{ clients: [front-end-app], scopes: [openid, email], requestedTokens: [access_token, refresh_token] }";
    let file = format!("{BACK_END_API}issuance: {issuance}\npermissions:\n  - {permission}\n");
    let file =
        if issuance == "mint" { file.replace("{ own: true }", "{ own: true, source: directory }") } else { file };
    let plan = plan().await;
    plan.folder.write("cambio-secret", "cambio-secret\n");
    let text = format!("    signingKey: corp.pem\n{directory}");
    let plan = plan.configure("    signingKey: corp.pem\n", &text);
    plan.audience("back-end-api", &file).audience("other-api", OTHER_API).start().await
}

const DIRECTORY: &str = "    directory: { clientId: cambio, clientSecretFile: cambio-secret, cacheFor: 0s }\n";

/// What came of one login: access tokens of every way, and a refresh token.
struct Descendants {
    login: Value,
    access: String,
    other: String,
    refresh: String,
}

async fn descendants(world: &World) -> Descendants {
    let login = login(world.address(), TOKEN_PATH, "front-end-app", "front-end-secret", "alice").await.json();
    let changes =
        [("scope", "openid email"), ("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")];
    let answer = world.exchange(login["access_token"].as_str().unwrap(), &changes).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let access = answer.access_token();
    let other = exchanged(world, &access).await;
    Descendants { access, other: other.access_token(), refresh: refresh_token(&answer), login }
}

async fn exchanged(world: &World, token: &str) -> client::Answer {
    let changes = [("client_id", "back-end-api"), ("client_secret", "back-end-secret"), ("audience", "other-api")];
    world.exchange(token, &changes).await
}

async fn introspected(world: &World, client: (&str, &str), token: &str) -> (u16, Value) {
    let fields = [("client_id", client.0), ("client_secret", client.1), ("token", token)];
    let answer = client::post(world.address(), INTROSPECT, &fields).await;
    (answer.status.as_u16(), answer.json()["active"].clone())
}

impl Descendants {
    /// Introspection of all three tokens, userinfo, and an exchange.
    async fn alive(&self, world: &World) -> [bool; 5] {
        let request = Request::get(USERINFO).header("authorization", format!("Bearer {}", self.access));
        let userinfo = client::send(world.address(), request.body(Bytes::new()).unwrap()).await.status == 200;
        [
            introspected(world, ("back-end-api", "back-end-secret"), &self.access).await.1 == true,
            introspected(world, ("other-api", "other-secret"), &self.other).await.1 == true,
            introspected(world, ("front-end-app", "front-end-secret"), &self.refresh).await.1 == true,
            userinfo,
            exchanged(world, &self.access).await.status == 200,
        ]
    }
}

fn user(changes: &Value) -> String {
    let mut user = json!({"id": ALICE, "username": "alice", "enabled": true, "notBefore": 0});
    user.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    user.to_string()
}

fn clients(id: &str, changes: &Value) -> String {
    let mut client = json!({"id": "x", "clientId": id, "enabled": true, "notBefore": 0});
    client.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    json!([client]).to_string()
}

/// Every end, for tokens that were reissued and minted: before the stated seconds are over the old answer may serve, and
/// after them nothing is active.
#[tokio::test]
async fn nothing_outlives_what_it_descends_from() {
    let user_at = format!("/admin/realms/corp/users/{ALICE}");
    let client_at = "/admin/realms/corp/clients?clientId=front-end-app".to_owned();
    let back_end_at = "/admin/realms/corp/clients?clientId=back-end-api".to_owned();
    for issuance in ["reissue", "mint"] {
        let later = |world: &World| world.now() + 1;
        let ends: [(&str, &dyn Fn(&World)); 9] = [
            ("user disabled", &|w| w.idp.faults().answer_at(&user_at, 200, &user(&json!({"enabled": false})))),
            ("user not-before", &|w| w.idp.faults().answer_at(&user_at, 200, &user(&json!({"notBefore": later(w)})))),
            ("user gone", &|w| w.idp.faults().answer_at(&user_at, 404, "{}")),
            ("session gone", &|w| w.idp.faults().answer_at(&format!("{user_at}/sessions"), 200, "[]")),
            ("client disabled", &|w| {
                w.idp.faults().answer_at(&client_at, 200, &clients("front-end-app", &json!({"enabled": false})));
                w.idp.faults().answer_at(&back_end_at, 200, &clients("back-end-api", &json!({"enabled": false})));
            }),
            ("client not-before", &|w| {
                let not_before = json!({"notBefore": later(w)});
                w.idp.faults().answer_at(&client_at, 200, &clients("front-end-app", &not_before));
                w.idp.faults().answer_at(&back_end_at, 200, &clients("back-end-api", &not_before));
            }),
            ("client gone", &|w| {
                w.idp.faults().answer_at(&client_at, 200, "[]");
                w.idp.faults().answer_at(&back_end_at, 200, "[]");
            }),
            ("realm not-before", &|w| {
                let page = json!({"realm": "corp", "tokens-not-before": later(w)}).to_string();
                w.idp.faults().answer_at("/realms/corp", 200, &page);
            }),
            ("nothing", &|_| {}),
        ];
        for (name, end) in ends {
            let world = world(issuance, DIRECTORY).await;
            let tokens = descendants(&world).await;
            assert_eq!(tokens.alive(&world).await, [true; 5], "{issuance}, {name}");
            end(&world);
            world.clock.advance(SignedDuration::from_secs(5));
            assert_eq!(tokens.alive(&world).await, [name == "nothing"; 5], "{issuance}, {name}");
            let before = world.audit_so_far();
            let answer = exchanged(&world, &tokens.access).await;
            if name != "nothing" {
                assert_eq!(answer.status, 400, "{issuance}, {name}");
                assert_eq!(world.audit_after(before).await["reason"], "session_ended", "{issuance}, {name}");
            }
        }
    }
}

#[tokio::test]
async fn a_logout_ends_them_within_the_stated_seconds() {
    for (setting, seconds) in [("", 5), (", sessionCacheFor: 20s", 20), (", sessionCacheFor: 0s", 0)] {
        let directory = DIRECTORY.replace(", cacheFor: 0s", setting);
        let world = world("reissue", &directory).await;
        let tokens = descendants(&world).await;
        assert_eq!(tokens.alive(&world).await, [true; 5]);
        let refresh_token = tokens.login["refresh_token"].as_str().unwrap();
        let credentials = [("client_id", "front-end-app"), ("client_secret", "front-end-secret")];
        let fields = form::changed(&credentials, &[("refresh_token", refresh_token)]);
        assert_eq!(client::post(world.address(), LOGOUT, &fields).await.status, 204);
        if seconds > 0 {
            world.clock.advance(SignedDuration::from_secs(seconds - 1));
            assert_eq!(tokens.alive(&world).await, [true; 5], "{seconds}: the answer serves that long");
            world.clock.advance(SignedDuration::from_secs(1));
        }
        assert_eq!(tokens.alive(&world).await, [false; 5], "{seconds}");
        let ended = "cambio_session_checks_total{outcome=\"denied\",realm=\"corp\"}";
        assert!(world.metric(ended).await > 0.9);
    }
}

/// What can't be found out is not active: no answer, an answer that is not Keycloak's, a directory that is not shown what
/// it needs.
#[tokio::test]
async fn an_unknown_session_is_no_session() {
    let user_at = format!("/admin/realms/corp/users/{ALICE}");
    let rows = [
        ("no page of the realm", "/realms/corp".to_owned(), 500, "{}"),
        ("a page without a time", "/realms/corp".to_owned(), 200, "{}"),
        ("no users", user_at.clone(), 403, "{}"),
        ("no user", user_at.clone(), 200, "[]"),
        ("another user", user_at.clone(), 200, r#"{"id":"x","username":"x","enabled":true}"#),
        ("no sessions", format!("{user_at}/sessions"), 403, "{}"),
        ("no offline tokens", format!("{user_at}/consents"), 500, "{}"),
        ("no clients", "/admin/realms/corp/clients?clientId=front-end-app".to_owned(), 503, "{}"),
    ];
    for (name, target, status, body) in rows {
        let world = world("reissue", DIRECTORY).await;
        let tokens = descendants(&world).await;
        assert_eq!(tokens.alive(&world).await, [true; 5], "{name}");
        world.clock.advance(SignedDuration::from_secs(6));
        if target.ends_with("consents") {
            world.idp.faults().answer_at(&format!("{user_at}/sessions"), 200, "[]");
        }
        world.idp.faults().answer_at(&target, status, body);
        let audience = ("back-end-api", "back-end-secret");
        assert_eq!(introspected(&world, audience, &tokens.access).await, (503, Value::Null), "{name}");
        let before = world.audit_so_far();
        assert_eq!(exchanged(&world, &tokens.access).await.status, 503, "{name}");
        assert_eq!(world.audit_after(before).await["reason"], "directory_unavailable", "{name}");
        let request = Request::get(USERINFO).header("authorization", format!("Bearer {}", tokens.access));
        assert_eq!(client::send(world.address(), request.body(Bytes::new()).unwrap()).await.status, 503, "{name}");
        world.idp.faults().clear();
        assert_eq!(tokens.alive(&world).await, [true; 5], "{name}: and again");
    }
}

/// Without view-clients Keycloak shows no client at all: that is not the end of every client.
#[tokio::test]
async fn a_directory_that_sees_no_client_says_so() {
    let world = world("reissue", DIRECTORY).await;
    let tokens = descendants(&world).await;
    world.clock.advance(SignedDuration::from_secs(6));
    for id in ["front-end-app", "back-end-api", "cambio"] {
        world.idp.faults().answer_at(&format!("/admin/realms/corp/clients?clientId={id}"), 200, "[]");
    }
    assert_eq!(introspected(&world, ("back-end-api", "back-end-secret"), &tokens.access).await.0, 503);
    let before = world.audit_so_far();
    assert_eq!(exchanged(&world, &tokens.access).await.status, 503);
    let line = world.audit_after(before).await;
    assert!(line["detail"].as_str().unwrap().contains("view-clients"), "{line}");
}

#[tokio::test]
async fn an_offline_session_counts() {
    let world = world("reissue", DIRECTORY).await;
    let tokens = descendants(&world).await;
    let sid = token::claims(&tokens.access)["sid"].clone();
    world.clock.advance(SignedDuration::from_secs(6));
    let faults = world.idp.faults();
    let user_at = format!("/admin/realms/corp/users/{ALICE}");
    let consents = json!([
        {"clientId": "a", "additionalGrants": [{"client": "uuid-a", "key": "Offline Token"}]},
        {"clientId": "b", "grantedClientScopes": ["email"]},
        {"clientId": "c", "additionalGrants": [{"client": "uuid-c", "key": "Offline Token"}]},
    ]);
    faults.answer_at(&format!("{user_at}/sessions"), 200, "[]");
    faults.answer_at(&format!("{user_at}/consents"), 200, &consents.to_string());
    faults.answer_at(&format!("{user_at}/offline-sessions/uuid-a"), 200, r#"[{"id":"another"}]"#);
    faults.answer_at(&format!("{user_at}/offline-sessions/uuid-c"), 200, &json!([{"id": sid}]).to_string());
    assert_eq!(tokens.alive(&world).await, [true; 5]);
    faults.answer_at(&format!("{user_at}/offline-sessions/uuid-c"), 200, "[]");
    world.clock.advance(SignedDuration::from_secs(5));
    assert_eq!(tokens.alive(&world).await, [false; 5]);
}

/// A token that was minted after a not-before, from a token of before, descends from what the not-before ended.
#[tokio::test]
async fn a_token_of_before_gives_none_that_is_later() {
    let world = world("mint", DIRECTORY).await;
    let alice = world.alice().await;
    world.clock.advance(SignedDuration::from_secs(30));
    let not_before = json!({"realm": "corp", "tokens-not-before": world.now() - 10}).to_string();
    world.idp.faults().answer_at("/realms/corp", 200, &not_before);
    let minted = world.exchange(&alice, &[("scope", "openid")]).await.access_token();
    assert_eq!(introspected(&world, ("back-end-api", "back-end-secret"), &minted).await, (200, json!(false)));
    let fresh = world.exchange(&world.alice().await, &[("scope", "openid")]).await.access_token();
    assert_eq!(introspected(&world, ("back-end-api", "back-end-secret"), &fresh).await, (200, json!(true)));
    let refreshed = descendants(&world).await;
    assert_eq!(refresh(&world, &refreshed.refresh, &[]).await.status, 200);
}

/// Without a directory nobody can be asked: a token stays active until it expires.
#[tokio::test]
async fn without_a_directory_a_token_lasts_until_it_expires() {
    let world = world("reissue", "").await;
    let tokens = descendants(&world).await;
    world.idp.faults().forget();
    assert!(tokens.alive(&world).await[0]);
    assert!(world.idp.faults().received().iter().all(|request| !request.target.starts_with("/admin")));
}
