//! Endpoints and grants, besides the exchange, that turn one token into another: closed unless the configuration opens them.

use http::Request;
use hyper::body::Bytes;
use serde_json::json;

use crate::support::client;
use crate::support::world::{Plan, TOKEN_PATH, World};

const BROKER: &str = "/realms/corp/broker/partner/token";
const OFFER: &str =
    "/realms/corp/protocol/oid4vc/create-credential-offer?credential_configuration_id=x&pre_authorized=true";
const INTROSPECT: &str = "/realms/corp/protocol/openid-connect/token/introspect";
const PRE_AUTHORIZED: [(&str, &str); 2] =
    [("grant_type", "urn:ietf:params:oauth:grant-type:pre-authorized_code"), ("pre-authorized_code", "x")];

async fn opened() -> World {
    let doors =
        "    signingKey: corp.pem\n    doors: { brokerToken: open, preAuthorizedCode: open, introspectionJwt: open }\n";
    Plan::new().await.configure("    signingKey: corp.pem\n", doors).start().await
}

fn asked(method: &str, target: &str) -> Request<Bytes> {
    let request = Request::builder().method(method).uri(target).header("authorization", "Bearer x");
    request.body(Bytes::new()).unwrap()
}

fn introspection(target: &str, token: &str, accept: &[&str]) -> Request<Bytes> {
    let fields = [("token", token), ("client_id", "back-end-api"), ("client_secret", "back-end-secret")];
    let mut request = client::form_request(target, &fields);
    for value in accept {
        request.headers_mut().append("accept", value.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn endpoints_that_give_tokens_are_closed_in_every_spelling() {
    let world = World::start().await;
    for (name, method, target, reason, door) in [
        ("broker", "GET", BROKER, "door_closed", json!("broker_token")),
        ("broker, version 2", "POST", BROKER, "door_closed", json!("broker_token")),
        ("broker, HEAD", "HEAD", BROKER, "door_closed", json!("broker_token")),
        ("broker, another method", "PUT", BROKER, "door_closed", json!("broker_token")),
        ("broker, slash", "GET", "/realms/corp/broker/partner/token/", "door_closed", json!("broker_token")),
        ("broker, query", "GET", "/realms/corp/broker/partner/token?a=b", "door_closed", json!("broker_token")),
        ("broker of another realm", "GET", "/realms/other/broker/partner/token", "door_closed", json!("broker_token")),
        ("broker, escaped", "GET", "/realms/corp/broker/partner/%74oken", "path_not_canonical", json!(null)),
        ("broker, parameters", "GET", "/realms/corp/broker/partner;a=b/token", "path_not_canonical", json!(null)),
        ("broker, slashes", "GET", "/realms/corp//broker/partner/token", "path_not_canonical", json!(null)),
        ("offer", "GET", OFFER, "door_closed", json!("pre_authorized_code")),
        (
            "offer, slash",
            "GET",
            "/realms/corp/protocol/oid4vc/create-credential-offer/",
            "door_closed",
            json!("pre_authorized_code"),
        ),
        (
            "offer that is shown",
            "GET",
            "/realms/corp/protocol/oid4vc/credential-offer/x",
            "door_closed",
            json!("pre_authorized_code"),
        ),
        (
            "offer, escaped",
            "GET",
            "/realms/corp/protocol/oid4vc/%63reate-credential-offer",
            "path_not_canonical",
            json!(null),
        ),
    ] {
        let before = world.audit_so_far();
        let answer = client::send(world.address(), asked(method, target)).await;
        assert_eq!(answer.status.as_u16(), if reason == "door_closed" { 403 } else { 400 }, "{name}");
        let line = world.audit_after(before).await;
        assert_eq!((&line["reason"], &line["door"]), (&json!(reason), &door), "{name}: {line}");
        assert_eq!(line["outcome"], "denied", "{name}");
    }
    // What only looks like one passes.
    for target in ["/realms/corp/broker/partner/endpoint", "/realms/corp/protocol/oid4vc/credential-x"] {
        assert_eq!(client::send(world.address(), asked("GET", target)).await.status, 404, "{target}");
    }
    assert_ne!(client::send(world.address(), asked("OPTIONS", BROKER)).await.status, 403, "a preflight");
}

#[tokio::test]
async fn an_open_endpoint_passes_and_is_audited() {
    let world = opened().await;
    for (method, target, door) in
        [("GET", BROKER, "broker_token"), ("POST", BROKER, "broker_token"), ("GET", OFFER, "pre_authorized_code")]
    {
        let before = world.audit_so_far();
        let answer = client::send(world.address(), asked(method, target)).await;
        assert_eq!(answer.status, 404, "{method} {target}: the identity provider's word");
        let line = world.audit_after(before).await;
        assert_eq!((&line["event"], &line["door"]), (&json!("door_passed"), &json!(door)), "{line}");
    }
    let before = world.audit_so_far();
    let other = asked("GET", "/realms/other/broker/partner/token");
    assert_eq!(client::send(world.address(), other).await.status, 403, "another realm's stays closed");
    assert_eq!(world.audit_after(before).await["reason"], "door_closed");
    let exchange = client::form_request(BROKER, &[("grant_type", crate::support::world::EXCHANGE_GRANT)]);
    assert_eq!(client::send(world.address(), exchange).await.status, 400, "no exchange passes there");
}

#[tokio::test]
async fn a_pre_authorized_code_is_closed() {
    let world = World::start().await;
    let answer = client::post(world.address(), TOKEN_PATH, &PRE_AUTHORIZED).await;
    assert_eq!((answer.status.as_u16(), world.audit(1).await[0]["reason"].clone()), (403, json!("door_closed")));
    let elsewhere = client::post(world.address(), "/realms/corp/x", &PRE_AUTHORIZED).await;
    assert_eq!(
        (elsewhere.status.as_u16(), world.audit(2).await[1]["reason"].clone()),
        (400, json!("exchange_elsewhere"))
    );
    let world = opened().await;
    client::post(world.address(), TOKEN_PATH, &PRE_AUTHORIZED).await;
    assert_eq!(world.audit(1).await[0]["door"], "pre_authorized_code");
}

/// Keycloak makes a full token for all audiences of a token that says little.
#[tokio::test]
async fn introspection_with_a_jwt_as_answer_is_closed() {
    let world = World::start().await;
    let alice = world.alice().await;
    for (name, target, accept, reason) in [
        ("as Keycloak takes it", INTROSPECT, &["application/jwt"][..], "door_closed"),
        ("RFC 9701", INTROSPECT, &["application/token-introspection+jwt"], "door_closed"),
        ("another case, as one of several", INTROSPECT, &["application/json, APPLICATION/JWT;q=0.1"], "door_closed"),
        ("a second header", INTROSPECT, &["*/*", "application/jwt"], "door_closed"),
        (
            "of another realm",
            "/realms/other/protocol/openid-connect/token/introspect",
            &["application/jwt"],
            "door_closed",
        ),
    ] {
        let before = world.audit_so_far();
        let answer = client::send(world.address(), introspection(target, &alice, accept)).await;
        assert_eq!(answer.status, 403, "{name}");
        assert_eq!(world.audit_after(before).await["reason"], reason, "{name}");
    }
    // Whoever answers to another spelling of the path, it is no JWT.
    for target in [format!("{INTROSPECT}/"), INTROSPECT.replace("token", "%74oken"), format!("{INTROSPECT};a=b")] {
        let answer = client::send(world.address(), introspection(&target, &alice, &["application/jwt"])).await;
        assert!(answer.status.is_client_error(), "{target}");
    }
    let plain = client::send(world.address(), introspection(INTROSPECT, &alice, &["application/json"])).await;
    assert_eq!(plain.status, 200);
    let world = opened().await;
    let alice = world.alice().await;
    let answer = client::send(world.address(), introspection(INTROSPECT, &alice, &["application/jwt"])).await;
    assert_eq!((answer.status.as_u16(), world.audit(1).await[0]["door"].clone()), (200, json!("introspection_jwt")));
}
