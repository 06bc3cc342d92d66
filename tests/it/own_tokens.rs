//! Introspection, userinfo and revocation for tokens that Cambio signed; for all others, the identity provider's answers.

use bytes::Bytes;
use http::Request;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::refresh_tokens::{exchanged, plan, refresh, refresh_token};
use crate::support::client::Answer;
use crate::support::files::BACK_END_API;
use crate::support::world::{TOKEN_PATH, World};
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
    for name in ["exp", "iat", "jti", "refresh_family", "sid"] {
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

/// Keycloak, too, lets no public client introspect: its id is no secret.
#[tokio::test]
async fn public_clients_may_not_introspect() {
    let plan = plan().await.configure(
        "    signingKey: corp.pem",
        "    signingKey: corp.pem\n    clients: { single-page-app: [{ method: none }] }",
    );
    let both = "permissions:\n  - { clients: [front-end-app], scopes: [openid] }\n";
    let world = plan.audience("back-end-api", &format!("{BACK_END_API}{both}")).start().await;
    let issued = exchanged(&world, &[("requested_token_type", "-")]).await.access_token();
    let answer =
        client::post(world.address(), INTROSPECT, &[("client_id", "single-page-app"), ("token", &issued)]).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (401, &json!("invalid_client")));
    assert!(is_active(&world, "back-end-api", &issued).await);
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

const LOGOUT: &str = "/realms/corp/protocol/openid-connect/logout";

async fn log_out(world: &World, path: &str, client: &str, token: &str) -> Answer {
    client::post(world.address(), path, &form::changed(&credentials(client), &[("refresh_token", token)])).await
}

/// The refresh tokens that the identity provider got at its logout endpoint.
fn logged_out_upstream(world: &World) -> Vec<String> {
    let received = world.idp.faults().received();
    let bodies = received.iter().filter(|request| request.target.starts_with(LOGOUT));
    bodies.map(|request| String::from_utf8(request.body.to_vec()).unwrap()).collect()
}

#[tokio::test]
async fn a_logout_with_a_refresh_token_ends_family_and_session() {
    let world = world().await;
    let answer = exchanged(&world, &[]).await;
    let (access, token) = (answer.access_token(), refresh_token(&answer));
    for (name, client, token, status, error) in [
        ("another client's", "back-end-api", token.as_str(), 400, "invalid_grant"),
        ("made up", "front-end-app", "cambio_rt_AAAA", 400, "invalid_grant"),
    ] {
        let refused = log_out(&world, LOGOUT, client, token).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["error"]), (status, &json!(error)), "{name}");
    }
    let wrong = [("client_id", "front-end-app"), ("client_secret", "wrong"), ("refresh_token", &token)];
    assert_eq!(client::post(world.address(), LOGOUT, &wrong).await.status, 401);
    assert!(is_active(&world, "front-end-app", &token).await, "none of them ended it");

    world.idp.faults().forget();
    let before = world.audit_so_far();
    let answer = log_out(&world, LOGOUT, "front-end-app", &token).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (204, String::new()), "as Keycloak answers");
    let upstream = logged_out_upstream(&world);
    assert!(upstream.len() == 1 && upstream[0].contains("refresh_token=eyJ"), "the upstream's own: {upstream:?}");
    let line = world.audit_after(before).await;
    assert_eq!(json!([line["event"], line["outcome"], line["status"]]), json!(["token_revocation", "allowed", 204]));
    assert!(!is_active(&world, "front-end-app", &token).await);
    assert!(!is_active(&world, "back-end-api", &access).await, "the access token that came with it");
    assert_eq!(refresh(&world, &token, &[]).await.status, 400);
    assert_eq!(log_out(&world, LOGOUT, "front-end-app", &token).await.status, 204, "the session has ended already");
}

#[tokio::test]
async fn a_logout_that_is_not_about_a_refresh_token_of_ours_passes() {
    let world = world().await;
    let login = [
        ("grant_type", "password"),
        ("client_id", "front-end-app"),
        ("client_secret", "front-end-secret"),
        ("username", "alice"),
        ("password", "alice-password"),
    ];
    let token = refresh_token(&client::post(world.address(), TOKEN_PATH, &login).await);
    let before = world.audit_so_far();
    assert_eq!(log_out(&world, LOGOUT, "front-end-app", &token).await.status, 204);
    assert_eq!(log_out(&world, LOGOUT, "front-end-app", "garbage").await.status, 400);
    let upstream = logged_out_upstream(&world);
    assert_eq!(upstream.len(), 2, "{upstream:?}");
    assert_eq!(world.audit_so_far(), before);
    let ours = refresh_token(&exchanged(&world, &[]).await);
    for (name, path, body) in [
        ("in the query", format!("{LOGOUT}?refresh_token={ours}"), "client_id=front-end-app".to_owned()),
        ("under another name", LOGOUT.to_owned(), format!("client_id=front-end-app&Refresh_Token={ours}")),
        ("twice", LOGOUT.to_owned(), format!("client_id=front-end-app&refresh_token=x&refresh_token={ours}")),
    ] {
        let request = Request::post(path).header("content-type", FORM).body(Bytes::from(body)).unwrap();
        assert_eq!(client::send(world.address(), request).await.status, 400, "{name}");
    }
    assert!(is_active(&world, "front-end-app", &ours).await);
}

#[tokio::test]
async fn no_spelling_of_an_endpoint_leads_past_cambio() {
    let world = world().await;
    let issued = exchanged(&world, &[("scope", "openid")]).await.access_token();
    world.idp.faults().forget();
    let post = |path: &str, upgrade: Option<&str>| {
        let fields = form::changed(&credentials("back-end-api"), &[("token", &issued)]);
        let request = Request::post(path).header("content-type", FORM);
        let request = match upgrade {
            Some(offer) => request.header("connection", "Upgrade").header("upgrade", offer),
            None => request,
        };
        client::send(world.address(), request.body(Bytes::from(form::encode(&fields))).unwrap())
    };
    let slash = post(&format!("{INTROSPECT}/"), None).await;
    assert_eq!(slash.json()["active"], true, "a slash at the end");
    for offer in ["TLS/1.2", "h2c", "websocket"] {
        assert_eq!(post(INTROSPECT, Some(offer)).await.json()["active"], true, "Upgrade: {offer}");
    }
    for path in [
        format!("{INTROSPECT}//"),
        format!("{INTROSPECT};x"),
        format!("{REVOKE}//"),
        REVOKE.replace("revoke", "REVOKE"),
        REVOKE.replace("revoke", "%72evoke"),
        REVOKE.replace("revoke", "./revoke"),
        REVOKE.replace("corp", "c%6frp"),
        format!("{REVOKE};x"),
        format!("{REVOKE}%2F"),
    ] {
        let answer = post(&path, None).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (400, &json!("invalid_request")), "{path}");
    }
    let received = world.idp.faults().received();
    let told = |body: &[u8]| String::from_utf8_lossy(body).contains(&issued);
    assert!(!received.iter().any(|request| told(&request.body)), "the identity provider heard of none");
    let fields = form::changed(&credentials("front-end-app"), &[("token", &issued)]);
    let revoked = client::post(world.address(), &format!("{REVOKE}/"), &fields).await;
    assert_eq!(revoked.status, 200);
    assert!(!is_active(&world, "back-end-api", &issued).await, "revoked at the path with a slash");
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
