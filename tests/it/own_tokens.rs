//! Introspection, userinfo and revocation for tokens that Cambio signed; for all others, the identity provider's answers.

use bytes::Bytes;
use http::Request;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::refresh_tokens::{exchanged, plan, refresh, refresh_token};
use crate::support::client::Answer;
use crate::support::files::BACK_END_API;
use crate::support::world::World;
use crate::support::{client, form, golden, token};

const INTROSPECT: &str = "/realms/corp/protocol/openid-connect/token/introspect";
const REVOKE: &str = "/realms/corp/protocol/openid-connect/revoke";
const USERINFO: &str = "/realms/corp/protocol/openid-connect/userinfo";
const FORM: &str = "application/x-www-form-urlencoded";
const PERMITTED: &str = "permissions:
  - { clients: [front-end-app], scopes: [openid, email, profile], requestedTokens: [access_token, refresh_token] }
";

async fn world() -> World {
    plan().await.audience("back-end-api", &format!("{BACK_END_API}{PERMITTED}")).start().await
}

fn credentials(client: &str) -> [(&str, &str); 2] {
    let secret = match client {
        "front-end-app" => "front-end-secret",
        "back-end-api" => "back-end-secret",
        "other-api" => "other-secret",
        _ => "reporting-secret",
    };
    [("client_id", client), ("client_secret", secret)]
}

/// A request of one of the realm's clients about a token.
async fn about(world: &World, path: &str, client: &str, token: &str) -> Answer {
    let fields = form::changed(&credentials(client), &[("token", token)]);
    client::post(world.address(), path, &fields).await
}

async fn is_active(world: &World, client: &str, token: &str) -> bool {
    let answer = about(world, INTROSPECT, client, token).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["active"].as_bool().unwrap()
}

async fn userinfo(world: &World, authorization: &str) -> Answer {
    let request = Request::get(USERINFO).header("authorization", authorization).body(Bytes::new()).unwrap();
    client::send(world.address(), request).await
}

#[tokio::test]
async fn introspection_tells_the_audience_what_the_token_says() {
    let world = world().await;
    let issued = exchanged(&world, &[]).await.access_token();
    let answer = about(&world, INTROSPECT, "back-end-api", &issued).await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    let told = answer.json();
    let claims = token::claims(&issued);
    for (claim, value) in claims.as_object().unwrap() {
        assert_eq!(&told[claim], value, "{claim}");
    }
    let named = json!([told["active"], told["client_id"], told["username"], told["token_type"]]);
    assert_eq!(named, json!([true, "front-end-app", "alice", "Bearer"]));
    assert_eq!(token::client_roles(&told, "back-end-api"), ["backend_user"]);
    golden::check("introspection.json", &format!("{}\n", golden::mask(&without_times(told))));
}

fn without_times(mut told: Value) -> String {
    for name in ["exp", "iat", "jti", "sid"] {
        told[name] = json!(format!("[{name}]"));
    }
    serde_json::to_string_pretty(&told).unwrap()
}

#[tokio::test]
async fn a_token_is_active_for_its_audience_until_it_expires() {
    let world = world().await;
    let issued = exchanged(&world, &[]).await.access_token();
    let mut forged = issued.clone();
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'Q' } else { 'A' });
    for (client, token, expected) in [
        ("back-end-api", &issued, true),
        ("front-end-app", &issued, false),
        ("other-api", &issued, false),
        ("back-end-api", &forged, false),
    ] {
        assert_eq!(is_active(&world, client, token).await, expected, "{client}");
    }
    let wrong = [("client_id", "back-end-api"), ("client_secret", "wrong"), ("token", &issued)];
    assert_eq!(client::post(world.address(), INTROSPECT, &wrong).await.status, 401);
    assert_eq!(client::post(world.address(), INTROSPECT, &[("token", &issued)]).await.status, 401, "nobody");
    world.clock.advance(SignedDuration::from_mins(5));
    assert!(!is_active(&world, "back-end-api", &issued).await, "expired");
    let allowed = "cambio_own_token_requests_total{endpoint=\"introspection\",outcome=\"allowed\",realm=\"corp\"}";
    assert!((world.metric(allowed).await - 1.0).abs() < 0.1);
}

#[tokio::test]
async fn a_revoked_token_is_of_no_use_anywhere() {
    let world = world().await;
    let issued = exchanged(&world, &[("scope", "openid email")]).await.access_token();
    assert!(is_active(&world, "back-end-api", &issued).await);
    assert_eq!(userinfo(&world, &format!("Bearer {issued}")).await.status, 200);

    let before = world.audit_so_far();
    let refused = about(&world, REVOKE, "back-end-api", &issued).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]), (400, &json!("invalid_token")), "another's");
    assert_eq!(world.audit_after(before).await["reason"], "token_of_another_client");
    let wrong = [("client_id", "front-end-app"), ("client_secret", "wrong"), ("token", &issued)];
    assert_eq!(client::post(world.address(), REVOKE, &wrong).await.status, 401);
    assert!(is_active(&world, "back-end-api", &issued).await, "still");

    let before = world.audit_so_far();
    let revoked = about(&world, REVOKE, "front-end-app", &issued).await;
    assert_eq!((revoked.status.as_u16(), revoked.text()), (200, String::new()));
    assert!(!is_active(&world, "back-end-api", &issued).await);
    let answer = userinfo(&world, &format!("Bearer {issued}")).await;
    assert_eq!(answer.status, 401);
    assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""));
    let mut line = world.audit_after(before).await;
    assert_eq!(line["issued_jti"], token::claims(&issued)["jti"]);
    line["issued_jti"] = json!("[jti]");
    golden::check("audit/revoked.json", &golden::audit(&line));
    assert_eq!(about(&world, REVOKE, "front-end-app", &issued).await.status, 200, "as often as one likes");
}

#[tokio::test]
async fn a_refresh_token_goes_with_its_family_and_the_session_behind_it() {
    let world = world().await;
    let answer = exchanged(&world, &[]).await;
    let (access, token) = (answer.access_token(), refresh_token(&answer));
    assert!(is_active(&world, "front-end-app", &token).await);
    assert!(!is_active(&world, "back-end-api", &token).await, "another client's");
    assert_eq!(about(&world, REVOKE, "back-end-api", &token).await.status, 200, "unknown to this client");
    let wrong = [("client_id", "front-end-app"), ("client_secret", "wrong"), ("token", &token)];
    assert_eq!(client::post(world.address(), REVOKE, &wrong).await.status, 401);
    assert!(is_active(&world, "front-end-app", &token).await, "none of them revoked it");

    world.idp.faults().forget();
    let before = world.audit_so_far();
    assert_eq!(about(&world, REVOKE, "front-end-app", &token).await.status, 200);
    let received = world.idp.faults().received();
    let upstream = received.iter().find(|request| request.target == REVOKE).unwrap();
    let body = String::from_utf8(upstream.body.to_vec()).unwrap();
    assert!(body.contains("token=eyJ") && !body.contains("cambio_rt_"), "the upstream's own: {body}");
    assert_eq!(world.audit_after(before).await["event"], "token_revocation");
    assert!(!is_active(&world, "front-end-app", &token).await);
    assert!(!is_active(&world, "back-end-api", &access).await, "the access token that came with it");
    assert_eq!(refresh(&world, &token, &[]).await.status, 400);
}

#[tokio::test]
async fn a_used_refresh_token_is_not_active() {
    let world = world().await;
    let first = refresh_token(&exchanged(&world, &[]).await);
    let second = refresh_token(&refresh(&world, &first, &[]).await);
    assert!(!is_active(&world, "front-end-app", &first).await);
    assert!(is_active(&world, "front-end-app", &second).await);
}

#[tokio::test]
async fn userinfo_says_what_the_token_says_of_its_user() {
    let world = world().await;
    let issued = exchanged(&world, &[("scope", "openid email")]).await.access_token();
    let claims = token::claims(&issued);
    let expected = json!({"sub": claims["sub"], "email": "alice@example.org", "email_verified": true});
    assert_eq!(userinfo(&world, &format!("Bearer {issued}")).await.json(), expected);
    assert_eq!(userinfo(&world, &format!("bearer {issued}")).await.json(), expected, "schemes have no case");
    let posted = client::post(world.address(), USERINFO, &[("access_token", &issued)]).await;
    assert_eq!(posted.json(), expected, "in the form (RFC 6750 section 2.2)");

    let without = exchanged(&world, &[("scope", "email")]).await.access_token();
    let answer = userinfo(&world, &format!("Bearer {without}")).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (403, &json!("insufficient_scope")));
    assert!(answer.header("www-authenticate").starts_with("Bearer realm=\"corp\", error=\"insufficient_scope\""));
    let answer = userinfo(&world, &format!("DPoP {issued}")).await;
    assert_eq!(answer.status, 401, "not bound");
    world.clock.advance(SignedDuration::from_mins(5));
    assert_eq!(userinfo(&world, &format!("Bearer {issued}")).await.status, 401, "expired");
}

#[tokio::test]
async fn a_token_of_ours_is_told_apart_in_every_reading() {
    let world = world().await;
    let issued = exchanged(&world, &[("scope", "openid")]).await.access_token();
    let alice = world.alice().await;
    let request = |path: &str, kind: &str, body: String| {
        Request::post(path).header("content-type", kind).body(Bytes::from(body)).unwrap()
    };
    let auth = "client_id=front-end-app&client_secret=front-end-secret";
    let dotless = issued.replace('.', "%252E");
    let rows = [
        ("twice", request(REVOKE, FORM, format!("{auth}&token={alice}&token={issued}"))),
        ("another name", request(REVOKE, FORM, format!("{auth}&Token={issued}"))),
        ("escaped twice", request(REVOKE, FORM, format!("{auth}&token={dotless}"))),
        ("JSON", request(REVOKE, "application/json", format!("{{\"token\":\"{issued}\"}}"))),
        ("in the query", request(&format!("{REVOKE}?token={issued}"), FORM, auth.to_owned())),
        ("introspection, another name", request(INTROSPECT, FORM, format!("{auth}&x={issued}"))),
        ("userinfo, as token", request(USERINFO, FORM, format!("token={issued}"))),
    ];
    for (name, request) in rows {
        let answer = client::send(world.address(), request).await;
        assert_eq!(answer.status, 400, "{name}: {}", answer.text());
    }
    let both = Request::post(USERINFO)
        .header("authorization", format!("Bearer {issued}"))
        .header("content-type", FORM)
        .body(Bytes::from(format!("access_token={issued}")))
        .unwrap();
    assert_eq!(client::send(world.address(), both).await.status, 400, "in header and form");
    let line = world.audit(9).await.pop().unwrap();
    assert_eq!((&line["event"], &line["reason"]), (&json!("request_refused"), &json!("token_ambiguous")));
    assert!(is_active(&world, "back-end-api", &issued).await, "nothing was revoked");
}

#[tokio::test]
async fn tokens_of_the_identity_provider_are_its_to_answer_for() {
    let world = world().await;
    let alice = world.alice().await;
    world.idp.faults().forget();
    let before = world.audit_so_far();
    for path in [INTROSPECT, REVOKE] {
        let fields = form::changed(&credentials("front-end-app"), &[("token", &alice)]);
        let directly = client::post(world.idp.address(), path, &fields).await;
        let through = client::post(world.address(), path, &fields).await;
        assert_eq!((through.status, through.text()), (directly.status, directly.text()), "{path}");
        let received = world.idp.faults().received();
        let bodies: Vec<_> = received.iter().rev().take(2).map(|request| &request.body).collect();
        assert_eq!(bodies[0], bodies[1], "byte for byte");
    }
    assert_eq!(userinfo(&world, &format!("Bearer {alice}")).await.status, 200);
    assert_eq!(userinfo(&world, "Bearer garbage").await.status, 401);
    let posted = Request::post(USERINFO).header("authorization", format!("Bearer {alice}"));
    assert_eq!(client::send(world.address(), posted.body(Bytes::new()).unwrap()).await.status, 200);
    assert_eq!(world.audit_so_far(), before);
}

#[tokio::test]
async fn a_revoked_token_of_ours_is_no_subject_token() {
    let other = "audience: other-api\nowner: other-team\npermissions:\n  - { clients: [back-end-api], issuance: mint, exchangedTokens: true }\n";
    let world = plan().await.audience("other-api", other).start().await;
    let issued = exchanged(&world, &[]).await.access_token();
    let changes = [("client_id", "back-end-api"), ("client_secret", "back-end-secret"), ("audience", "other-api")];
    let answer = world.exchange(&issued, &changes).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(about(&world, REVOKE, "front-end-app", &issued).await.status, 200);
    let before = world.audit_so_far();
    assert_eq!(world.exchange(&issued, &changes).await.status, 400);
    assert_eq!(world.audit_after(before).await["reason"], "subject_token_inactive");
}

/// Nobody is told that a token is active when that can't be known; what needs no store goes on.
#[tokio::test]
async fn without_the_store_nothing_is_said_of_tokens_of_ours() {
    let store = "store: { redis: { url: \"redis://127.0.0.1:1\", timeout: 200ms } }\nupstream:";
    let plan = plan().await.configure("upstream:\n", &format!("{store}\n"));
    let world = plan.audience("back-end-api", &format!("{BACK_END_API}{PERMITTED}")).start().await;
    let answer = exchanged(&world, &[("scope", "openid")]).await;
    let issued = answer.access_token();
    for path in [INTROSPECT, REVOKE] {
        let client = if path == REVOKE { "front-end-app" } else { "back-end-api" };
        let answer = about(&world, path, client, &issued).await;
        let told = (answer.status.as_u16(), answer.json()["error"].clone());
        assert_eq!(told, (503, json!("temporarily_unavailable")), "{path}");
    }
    assert_eq!(userinfo(&world, &format!("Bearer {issued}")).await.status, 503);
    let before = world.audit_so_far();
    assert_eq!(refresh(&world, &refresh_token(&answer), &[]).await.status, 503);
    assert_eq!(world.audit_after(before).await["reason"], "store_unavailable");
    let alice = world.alice().await;
    assert_eq!(about(&world, INTROSPECT, "front-end-app", &alice).await.status, 200, "the upstream's");
}

#[tokio::test]
async fn where_nobody_can_say_that_a_token_is_active_it_is_not_exchanged() {
    let still = BACK_END_API.to_owned() + "permissions:\n  - { clients: [front-end-app], stillActive: true }\n";
    let plan = plan().await.configure(
        "    signingKey: corp.pem",
        "    signingKey: corp.pem\n    introspection: { clientId: back-end-api, clientSecretFile: wrong.secret }",
    );
    plan.folder.write("wrong.secret", "wrong");
    let world = plan.audience("back-end-api", &still).start().await;
    assert_eq!(world.exchange(&world.alice().await, &[]).await.status, 503);
    assert_eq!(world.audit(1).await.pop().unwrap()["reason"], "introspection_unavailable");
}
