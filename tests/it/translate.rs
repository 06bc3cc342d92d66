//! A foreign token by way of the identity provider's own grant (RFC 7523), then a standard exchange, then the contract.

use serde_json::{Value, json};

use crate::support::files::BACK_END_API;
use crate::support::world::{Plan, TOKEN_PATH, World, login};
use crate::support::{client, token};

const PARTNER: &str = "permissions:
  - { clients: [front-end-app], issuers: [partner], issuance: translate, subjectTokens: [access_token, jwt], scopes: [email, profile] }
";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

async fn world(permissions: &str) -> World {
    Plan::new()
        .await
        .configure("    signingKey: corp.pem", "    signingKey: corp.pem\n    doors: { jwtBearer: judged }")
        .audience("back-end-api", &format!("{BACK_END_API}{permissions}"))
        .start()
        .await
}

/// Carol's token of the realm `partner`, which nobody in corp has issued.
async fn carol(world: &World) -> String {
    let path = "/realms/partner/protocol/openid-connect/token";
    login(world.idp.address(), path, "partner-app", "partner-secret", "carol").await.access_token()
}

fn assertion_fields(assertion: &str) -> Vec<(&str, &str)> {
    vec![
        ("grant_type", JWT_BEARER),
        ("assertion", assertion),
        ("audience", "back-end-api"),
        ("client_id", "front-end-app"),
        ("client_secret", "front-end-secret"),
    ]
}

#[tokio::test]
async fn a_foreign_token_becomes_one_of_a_local_user_with_the_audiences_roles() {
    let world = world(PARTNER).await;
    let before = world.audit_so_far();
    let answer = world.exchange(&carol(&world).await, &[]).await;
    let issued = token::claims(&answer.access_token());
    assert_eq!(issued["iss"], "http://sso.example.org/realms/corp");
    assert_eq!(issued["sub"], "5d6a1b0e-6f3c-4c55-9a3b-1f1d0c6a11ce", "the local user that partner's is linked to");
    assert_eq!(issued["azp"], "front-end-app");
    assert_eq!(issued["aud"], "back-end-api");
    assert_eq!(token::role_clients(&issued), ["back-end-api"]);
    assert_eq!(token::client_roles(&issued, "back-end-api"), ["backend_user"]);
    assert_eq!(token::realm_roles(&issued), [""; 0]);
    assert_eq!(answer.json()["issued_token_type"], crate::support::world::ACCESS_TOKEN);
    let line = world.audit_after(before).await;
    assert_eq!(line["outcome"], "allowed", "{line}");
    assert_eq!(line["issuance"], "translate");
    assert_eq!(line["subject_issuer"], "partner");
}

#[tokio::test]
async fn what_goes_upstream_is_the_grant_and_then_an_exchange() {
    let world = world(PARTNER).await;
    let carol = carol(&world).await;
    world.idp.faults().forget();
    assert_eq!(world.exchange(&carol, &[]).await.status, 200);
    let received = world.idp.faults().received();
    let forms: Vec<String> = received
        .iter()
        .filter(|request| request.method == "POST")
        .map(|request| String::from_utf8(request.body.to_vec()).unwrap())
        .collect();
    assert_eq!(forms.len(), 2, "{forms:?}");
    assert!(forms[0].contains("jwt-bearer") && forms[0].contains(&carol), "the grant, with the foreign token");
    assert!(!forms[0].contains("audience="), "Keycloak would ignore it");
    assert!(forms[1].contains("token-exchange") && forms[1].contains("audience=back-end-api"));
    assert!(!forms[1].contains(&carol), "the exchange is of what the grant gave");
}

#[tokio::test]
async fn the_jwt_authorization_grant_is_a_door_to_the_same_judgement() {
    let world = world(PARTNER).await;
    let carol = carol(&world).await;
    let before = world.audit_so_far();
    let answer = client::post(world.address(), TOKEN_PATH, &assertion_fields(&carol)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.json().get("issued_token_type").is_none(), "RFC 6749's answer, not RFC 8693's");
    assert_eq!(token::claims(&answer.access_token())["aud"], "back-end-api");
    let line = world.audit_after(before).await;
    assert_eq!((&line["door"], &line["outcome"]), (&json!("jwt_bearer"), &json!("allowed")), "{line}");

    let other = [("client_id", "back-end-api"), ("client_secret", "back-end-secret")];
    let rows: [(&str, &[(&str, &str)], u16, &str, &str); 5] = [
        ("a broken assertion", &[("assertion", "x.y.z")], 400, "invalid_grant", "subject_token_malformed"),
        ("no target", &[("audience", "")], 400, "invalid_request", "audience_missing"),
        ("another audience", &[("audience", "other-api")], 403, "access_denied", "audience_unknown"),
        ("another client", &other, 403, "access_denied", "client_not_permitted"),
        ("an actor", &[("actor_token", &carol)], 400, "invalid_request", "parameter_unknown"),
    ];
    for (name, changes, status, code, reason) in rows {
        let before = world.audit_so_far();
        let fields = crate::support::form::changed(&assertion_fields(&carol), changes);
        let answer = client::post(world.address(), TOKEN_PATH, &fields).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        assert_eq!(answer.json()["error"], code, "{name}");
        assert_eq!(world.audit_after(before).await["reason"], reason, "{name}");
    }
}

#[tokio::test]
async fn refusals() {
    let world = world(PARTNER).await;
    let carol = carol(&world).await;
    let alice = world.alice().await;
    let assertion = unsigned(&json!({"iss": "front-end-app", "sub": "front-end-app"}));
    let by_assertion = [
        ("client_secret", "-"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion.as_str()),
    ];
    let other = [("client_id", "back-end-api"), ("client_secret", "back-end-secret")];
    let rows: [(&str, &str, &[(&str, &str)], u16, &str); 5] = [
        ("corp's own token", &alice, &[], 403, "issuer_not_permitted"),
        ("a client that may not use the grant", &carol, &other, 403, "client_not_permitted"),
        ("a wrong secret", &carol, &[("client_secret", "wrong")], 401, "upstream_refused"),
        ("an assertion that nobody signed", &carol, &by_assertion, 401, "upstream_refused"),
        ("a tampered token", &carol[..carol.len() - 4], &[], 400, "subject_token_signature"),
    ];
    for (name, subject, changes, status, reason) in rows {
        let before = world.audit_so_far();
        let answer = world.exchange(subject, changes).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        assert_eq!(world.audit_after(before).await["reason"], reason, "{name}");
    }
}

/// The grant and the exchange are two calls, and an assertion is good for one.
#[tokio::test]
async fn an_assertion_of_the_client_does_not_suffice() {
    let plan = Plan::new().await;
    let key = plan.idp.signing_key("partner").unwrap();
    plan.folder.write("front-end.jwks", &json!({ "keys": [key.jwk()] }).to_string());
    let method = "{ method: private_key_jwt, jwksFile: front-end.jwks, algorithms: [RS256] }";
    let clients = format!("    signingKey: corp.pem\n    clients: {{ front-end-app: [{method}] }}");
    let plan = plan.configure("    signingKey: corp.pem", &clients);
    let world = plan.audience("back-end-api", &format!("{BACK_END_API}{PARTNER}")).start().await;
    let claims = json!({
        "iss": "front-end-app", "sub": "front-end-app", "aud": "http://sso.example.org/realms/corp", "jti": "1",
        "exp": world.now() + 60, "iat": world.now(),
    });
    let assertion = key.sign(claims.as_object().unwrap()).unwrap();
    let by_assertion = [
        ("client_secret", "-"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion.as_str()),
    ];
    let before = world.audit_so_far();
    let answer = world.exchange(&carol(&world).await, &by_assertion).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(world.audit_after(before).await["reason"], "credentials_single_use");
}

#[tokio::test]
async fn a_client_that_the_identity_provider_does_not_let_use_the_grant() {
    let world = world(&PARTNER.replace("front-end-app", "reporting-app")).await;
    let before = world.audit_so_far();
    let changes = [("client_id", "reporting-app"), ("client_secret", "reporting-secret")];
    let answer = world.exchange(&carol(&world).await, &changes).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["error"], "invalid_request");
    assert_eq!(world.audit_after(before).await["reason"], "grant_refused");
}

/// Three parts, the last of no meaning.
fn unsigned(claims: &Value) -> String {
    use base64::Engine as _;
    let part = |value: &Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.c2ln", part(&json!({"alg": "RS256"})), part(claims))
}
