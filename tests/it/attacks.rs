//! Ways round the locks that were tried, each with what stops it.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::faults::{Endpoint, Fault};
use crate::support::world::{Plan, TOKEN_PATH, World, exchange_fields, login};
use crate::support::{client, form, raw};

const MARKED: &str = r#"{"access_token":"x.y.z","issued_token_type":"urn:ietf:params:oauth:token-type:access_token"}"#;

/// A world whose identity provider takes jwt-bearer, which the configuration opens.
async fn with_open_door() -> World {
    let plan = Plan::new().await;
    plan.configure("signingKey: corp.pem\n", "signingKey: corp.pem\n    doors: { jwtBearer: open }\n").start().await
}

async fn assert_stays_at(world: &World, count: usize) {
    // A request that is audited for certain: whatever came before it has its line by then.
    client::post(world.address(), TOKEN_PATH, &[("a", "b")]).await;
    assert_eq!(world.audit(count + 1).await.len(), count + 1);
}

/// Clients read a token endpoint's answer without a look at its status and media type.
#[tokio::test]
async fn no_status_and_no_media_type_hides_an_answer_of_a_token_endpoint() {
    let world = World::start().await;
    let wide: String = MARKED.chars().flat_map(|character| [character, '\0']).collect();
    let rows = [
        ("JSON", 200, "application/json", MARKED),
        ("text", 200, "text/plain", MARKED),
        ("a page", 200, "text/html", MARKED),
        ("two types", 200, "text/html, application/json", MARKED),
        ("created", 201, "application/json", MARKED),
        ("a part", 206, "application/json", MARKED),
        ("an error", 400, "application/json", MARKED),
        ("a server error", 500, "application/json", MARKED),
        ("a redirect", 302, "application/json", MARKED),
        ("UTF-16", 200, "application/json", wide.as_str()),
    ];
    for (index, (name, status, kind, body)) in rows.into_iter().enumerate() {
        world.idp.faults().set(Endpoint::Token, Fault::Answer(status, kind, body.to_owned()));
        let answer = login(world.address(), TOKEN_PATH, "front-end-app", "front-end-secret", "alice").await;
        assert_eq!(answer.status, 403, "{name}");
        assert!(!answer.text().contains("x.y.z"), "{name}");
        let lines = world.audit(index + 1).await;
        assert_eq!(lines.len(), index + 1, "{name}");
        let told = (&lines[index]["event"], &lines[index]["reason"]);
        assert_eq!(told, (&json!("answer_withheld"), &json!("answer_locked")), "{name}");
    }
    assert!((world.metric("cambio_answers_withheld_total").await - 10.0).abs() < 0.5);
}

/// What the identity provider refuses is passed on as it is, unless it is no refusal.
#[tokio::test]
async fn a_refused_exchange_bears_no_token() {
    let world = World::start().await;
    let alice = world.alice().await;
    let rows = [
        ("the marks", MARKED),
        ("a token", r#"{"error":"access_denied","access_token":"x.y.z"}"#),
        ("an escaped name", r#"{"\u0069ssued_token_type":1,"token":"x.y.z"}"#),
    ];
    for (name, body) in rows {
        world.idp.faults().set(Endpoint::Token, Fault::Answer(400, "application/json", body.to_owned()));
        let before = world.audit_so_far();
        let answer = world.exchange(&alice, &[]).await;
        assert!(!answer.text().contains("x.y.z"), "{name}");
        let line = world.audit_after(before).await;
        let told = (&line["event"], &line["reason"], &line["upstream_status"]);
        assert_eq!(told, (&json!("token_exchange"), &json!("answer_locked"), &json!(400)), "{name}");
    }
    assert!((world.metric("cambio_answers_withheld_total").await - 3.0).abs() < 0.5);
}

/// One line for each request through an open door, whatever becomes of it, written when that is known.
#[tokio::test]
async fn an_open_door_leaves_one_line() {
    let world = with_open_door().await;
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("client_id", "front-end-app"),
        ("assertion", "x.y.z"),
    ];
    let json_answer = |status, body: &str| Fault::Answer(status, "application/json", body.into());
    let rows = [
        ("a token", json_answer(200, r#"{"access_token":"x"}"#), 200, "door_passed", "allowed", Value::Null),
        (
            "a refusal",
            json_answer(400, r#"{"error":"invalid_grant"}"#),
            400,
            "door_passed",
            "denied",
            json!("upstream_refused"),
        ),
        ("no answer", Fault::CloseAtOnce, 502, "door_passed", "failed", json!("upstream_unavailable")),
        ("marks", json_answer(200, MARKED), 403, "answer_withheld", "denied", json!("answer_locked")),
    ];
    for (index, (name, fault, status, event, outcome, reason)) in rows.into_iter().enumerate() {
        world.idp.faults().set(Endpoint::Token, fault);
        let answer = client::post(world.address(), TOKEN_PATH, &fields).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        let lines = world.audit(index + 1).await;
        assert_eq!(lines.len(), index + 1, "{name}: {lines:?}");
        let line = &lines[index];
        assert_eq!(line["door"], "jwt_bearer", "{name}: {line}");
        assert_eq!((&line["event"], &line["outcome"]), (&json!(event), &json!(outcome)), "{name}: {line}");
        assert_eq!((&line["status"], &line["reason"]), (&json!(status), &reason), "{name}: {line}");
    }
}

/// A login is none of audit's business, not even one that fails because the identity provider does.
#[tokio::test]
async fn a_login_leaves_no_line() {
    let world = World::start().await;
    world.alice().await;
    world.idp.faults().set(Endpoint::Token, Fault::CloseAtOnce);
    let answer = login(world.address(), TOKEN_PATH, "front-end-app", "front-end-secret", "alice").await;
    assert_eq!(answer.status, 502);
    assert_stays_at(&world, 0).await;
}

/// The head comes while the permission is there, the body when it is gone.
#[tokio::test]
async fn a_slow_body_does_not_keep_a_permission_alive() {
    let plan = Plan::new().await.configure("bodyTimeout: 1s", "bodyTimeout: 20s");
    let world = plan.start().await;
    let alice = world.alice().await;
    let body = form::encode(&exchange_fields(&alice));
    let request = raw::post(TOKEN_PATH, "Content-Type: application/x-www-form-urlencoded\r\n", &body);
    let (begin, end) = request.split_at(request.len() - 10);
    let mut stream = TcpStream::connect(world.address()).await.unwrap();
    stream.write_all(begin).await.unwrap();
    // Answered on another connection, so the first head has been read for long.
    world.exchange(&alice, &[]).await.access_token();
    world.permit(false).await;
    stream.write_all(end).await.unwrap();
    assert_eq!(raw::read(&mut stream).await.status, 403);
    assert_eq!(world.audit(2).await[1]["reason"], "client_not_permitted");
}

/// A line of the audit log does not grow with what a caller sends.
#[tokio::test]
async fn an_audit_line_is_bounded() {
    let world = World::start().await;
    let alice = world.alice().await;
    let long = "\u{1}x".repeat(8_000);
    let words = "word ".repeat(5_000);
    for changes in [[("audience", long.as_str())], [("client_id", &long)], [("scope", words.trim())]] {
        let before = world.audit_so_far();
        world.exchange(&alice, &changes).await;
        let size = world.audit_after(before).await.to_string().len();
        assert!(size < 12_000, "{size}: {}", changes[0].0);
    }
    let method = format!("{} {TOKEN_PATH} HTTP/1.1\r\nHost: sso.example.org\r\n\r\n", "M".repeat(5_000));
    let before = world.audit_so_far();
    assert_eq!(raw::send(world.address(), method.as_bytes()).await.status, 405);
    assert!(world.audit_after(before).await.to_string().len() < 1_000);
}

/// An identity provider that is asked for the documents of one public origin is not made to tell them of another.
#[tokio::test]
async fn nobody_else_chooses_what_discovery_says() {
    use crate::support::echo::Echo;

    let echo = Echo::start().await;
    let plan = Plan::new().await;
    let old = format!("upstream:\n  url: http://{}", plan.idp.address());
    let plan = plan.configure(&old, &format!("upstream:\n  url: http://{}", echo.address));
    let world =
        plan.configure("  headerTimeout: 2s", "  trustedProxies: [127.0.0.1]\n  headerTimeout: 2s").start().await;
    let path = crate::support::world::DISCOVERY_PATH;
    let said = |headers: &'static str, query: &'static str| {
        let request =
            format!("GET {path}{query} HTTP/1.1\r\nHost: sso.example.org\r\nConnection: close\r\n{headers}\r\n");
        let address = world.address();
        async move { raw::send(address, request.as_bytes()).await.text() }
    };
    let poisoned = said(
        "X-Forwarded-Host: evil.example\r\nX-Forwarded-Port: 666\r\nX-Forwarded-Prefix: /evil\r\nCookie: a=b\r\nX-Own: c\r\n",
        "?evil=1",
    )
    .await;
    // The path under which a listed proxy serves Cambio is the proxy's to know. The origin is configured.
    assert!(poisoned.contains("\"/evil\""), "{poisoned}");
    for own in ["evil=1", "cookie", "x-own", "666", "evil.example"] {
        assert!(!poisoned.contains(own), "{own}: {poisoned}");
    }
    let clean = said("", "").await;
    assert!(clean.contains("sso.example.org") && !clean.contains("666") && !clean.contains("evil"), "{clean}");
    // The same question is answered from the cache.
    assert_eq!(said("", "").await, clean);
}

/// Keycloak takes its issuer from the host, and believes assertions for that issuer: what Cambio asks goes under the
/// configured origin, whatever host the caller names. What only passes keeps its host.
#[tokio::test]
async fn what_cambio_asks_names_the_configured_origin() {
    let mint = "audience: other-api\nowner: other\nissuance: mint\npermissions: [{ clients: [front-end-app] }]\n";
    let world = Plan::new().await.audience("other-api", mint).start().await;
    let alice = world.alice().await;
    let hosts = async |fields: &[(&str, &str)]| {
        world.idp.faults().forget();
        let mut request = client::form_request(TOKEN_PATH, fields);
        request.headers_mut().insert("host", "evil.example".parse().unwrap());
        request.headers_mut().insert("x-forwarded-host", "evil.example".parse().unwrap());
        let answer = client::send(world.address(), request).await;
        let told = |name: &str, request: &cambio::tools::demo::Received| {
            request.headers.get(name).map(|value| value.to_str().unwrap().to_owned())
        };
        let mut seen: Vec<_> = world.idp.faults().received().iter().map(|received| told("host", received)).collect();
        seen.extend(world.idp.faults().received().iter().map(|received| told("x-forwarded-host", received)));
        seen.dedup();
        (answer.status.as_u16(), seen)
    };
    let configured = vec![Some("sso.example.org".to_owned())];
    let usual = exchange_fields(&alice);
    assert_eq!(hosts(&usual).await, (200, configured.clone()), "an exchange");
    let minted = form::changed(&usual, &[("audience", "other-api")]);
    assert_eq!(hosts(&minted).await, (200, configured), "a client that the identity provider authenticates");
    let password = [("grant_type", "password"), ("client_id", "front-end-app"), ("client_secret", "front-end-secret")];
    let login = [&password[..], &[("username", "alice"), ("password", "alice-password")]].concat();
    assert_eq!(hosts(&login).await, (200, vec![Some("evil.example".to_owned())]), "a login");
}

/// Readiness asks the identity provider properly, and once, however often it is named.
#[tokio::test]
async fn readiness_is_no_amplifier() {
    let world = World::start().await;
    world.alice().await;
    world.idp.faults().forget();
    let query = format!("/readyz?include=upstream{}", ",upstream".repeat(50));
    assert_eq!(client::get(world.cambio.admin, &query).await.status, 200);
    let heads: Vec<_> =
        world.idp.faults().received().into_iter().filter(|received| received.method == "HEAD").collect();
    assert_eq!(heads.len(), 1);
    assert!(heads[0].headers.contains_key("host"));
}
