//! The demo's identity provider answers as Keycloak was seen to: the other scenarios stand on it.

use std::net::SocketAddr;

use bytes::Bytes;
use cambio::tools::demo::IdpOptions;
use cambio::words::clock::Clock;
use http::Request;
use serde_json::json;

use crate::support::client::{self, Answer};
use crate::support::faults::{Endpoint, Fault, FaultyIdp};
use crate::support::tamper::Tamper;
use crate::support::{form, keys, token};

const PATH: &str = "/realms/corp/protocol/openid-connect/token";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";

async fn idp() -> FaultyIdp {
    FaultyIdp::start(IdpOptions { port: 0, clock: Clock::System, keys: Some(keys()) }).await.unwrap()
}

async fn login(address: SocketAddr, client: &str, secret: &str, user: &str) -> Answer {
    let password = format!("{user}-password");
    let fields = [
        ("grant_type", "password"),
        ("client_id", client),
        ("client_secret", secret),
        ("username", user),
        ("password", &password),
    ];
    client::post(address, PATH, &fields).await
}

fn exchange_fields(token: &str) -> [(&str, &str); 6] {
    [
        ("grant_type", EXCHANGE),
        ("client_id", "front-end-app"),
        ("client_secret", "front-end-secret"),
        ("subject_token", token),
        ("subject_token_type", ACCESS),
        ("audience", "back-end-api"),
    ]
}

#[tokio::test]
async fn an_exchange_keeps_every_realm_role_and_drops_other_clients_roles() {
    let idp = idp().await;
    let alice = login(idp.address(), "front-end-app", "front-end-secret", "alice").await.access_token();
    let before = token::claims(&alice);
    assert_eq!(token::client_roles(&before, "front-end-app"), ["frontend_user", "administrator"]);
    assert_eq!(before["aud"], json!(["account", "back-end-api", "other-api"]));

    let answer = client::post(idp.address(), PATH, &exchange_fields(&alice)).await;
    let after = token::claims(&answer.access_token());
    assert_eq!(token::role_clients(&after), ["back-end-api"]);
    assert_eq!(token::realm_roles(&after), token::realm_roles(&before));
    assert_eq!(after["aud"], "back-end-api");
    assert_eq!(answer.json()["issued_token_type"], ACCESS);
    assert_eq!(answer.json()["scope"], "email profile");
}

#[tokio::test]
async fn answers_of_the_token_endpoint_are_keycloaks() {
    let idp = idp().await;
    let alice = login(idp.address(), "front-end-app", "front-end-secret", "alice").await.access_token();
    let bob = login(idp.address(), "front-end-app", "front-end-secret", "bob").await.access_token();
    let public = login(idp.address(), "single-page-app", "", "alice").await.access_token();
    let none: &[(&str, &str)] = &[];
    #[rustfmt::skip]
    let rows: &[(&str, &str, &[(&str, &str)], u16, &str, &str)] = &[
        ("plain", &alice, &[("audience", "-")], 200, "", ""),
        ("audience", &alice, none, 200, "", ""),
        ("ID token", &alice, &[("requested_token_type", "urn:ietf:params:oauth:token-type:id_token")], 200, "", ""),
        ("actor", &alice, &[("actor_token", "x"), ("actor_token_type", "y")], 200, "", ""),
        ("resource", &alice, &[("resource", "https://x")], 200, "", ""),
        ("legacy", &alice, &[("subject_token_type", "-")], 200, "", ""),
        ("SAML", &alice, &[("requested_token_type", "urn:ietf:params:oauth:token-type:saml2")], 400, "invalid_request", "requested_token_type unsupported"),
        ("unknown audience", &alice, &[("audience", "x")], 400, "invalid_client", "Audience not found"),
        ("malformed", "x", none, 400, "invalid_request", "Invalid token"),
        ("JWT", &alice, &[("subject_token_type", "urn:ietf:params:oauth:token-type:jwt")], 400, "invalid_request", "Invalid token type, must be access token"),
        ("no subject token", &alice, &[("subject_token", "-")], 500, "unknown_error", "For more on this error consult the server log."),
        ("unknown scope", &alice, &[("scope", "zzz")], 400, "invalid_scope", "Invalid scopes: zzz"),
        ("offline", &alice, &[("scope", "offline_access")], 400, "not_allowed", "Offline tokens not allowed for the user or client"),
        ("wrong secret", &alice, &[("client_secret", "x")], 401, "unauthorized_client", "Invalid client or Invalid client credentials"),
        ("unknown client", &alice, &[("client_id", "x")], 401, "invalid_client", "Invalid client or Invalid client credentials"),
        ("not in aud", &alice, &[("client_id", "legacy-app"), ("client_secret", "legacy-secret")], 403, "access_denied", "Client is not within the token audience"),
        ("public, another's", &alice, &[("client_id", "single-page-app"), ("client_secret", "-")], 403, "access_denied", "Client is not the holder of the token"),
        ("public, own", &public, &[("client_id", "single-page-app"), ("client_secret", "-")], 403, "access_denied", "Client not allowed to exchange"),
        ("impersonation", &alice, &[("requested_subject", "bob")], 403, "access_denied", "Client not allowed to exchange"),
        ("foreign", &alice, &[("subject_issuer", "x")], 400, "invalid_issuer", "Invalid subject_issuer parameter"),
        ("no grant", &alice, &[("grant_type", "-")], 400, "invalid_request", "Missing form parameter: grant_type"),
        ("unknown grant", &alice, &[("grant_type", "x")], 400, "unsupported_grant_type", "Unsupported grant_type"),
        ("twice", &alice, &[("scope", "email"), ("scope", "email")], 400, "invalid_request", "duplicated parameter"),
        ("no role there", &bob, none, 400, "invalid_request", "Requested audience not available: back-end-api"),
    ];
    for (name, token, changes, status, error, description) in rows {
        let answer = client::post(idp.address(), PATH, &form::changed(&exchange_fields(token), changes)).await;
        assert_eq!(answer.status, *status, "{name}: {}", answer.text());
        assert_eq!(answer.header("cache-control"), "no-store", "{name}");
        if *status != 200 {
            assert_eq!(answer.json(), json!({"error": error, "error_description": description}), "{name}");
        }
    }
}

#[tokio::test]
async fn a_refresh_brings_the_dropped_roles_back() {
    let idp = idp().await;
    let alice = login(idp.address(), "front-end-app", "front-end-secret", "alice").await.access_token();
    let changes = [("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")];
    let both = client::post(idp.address(), PATH, &form::changed(&exchange_fields(&alice), &changes)).await;
    let refresh = both.json()["refresh_token"].as_str().unwrap().to_owned();
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", "front-end-app"),
        ("client_secret", "front-end-secret"),
        ("refresh_token", &refresh),
    ];
    let claims = token::claims(&client::post(idp.address(), PATH, &fields).await.access_token());
    assert_eq!(token::client_roles(&claims, "front-end-app"), ["frontend_user", "administrator"]);
}

#[tokio::test]
async fn the_issuer_follows_host_and_forwarding_headers() {
    let idp = idp().await;
    for (name, headers, issuer) in [
        ("host", vec![], "http://sso.example.org/realms/corp"),
        ("proto", vec![("x-forwarded-proto", "https")], "https://sso.example.org/realms/corp"),
        (
            "host and proto",
            vec![("x-forwarded-proto", "https"), ("x-forwarded-host", "a.b")],
            "https://a.b/realms/corp",
        ),
    ] {
        let mut request = Request::get("/realms/corp/.well-known/openid-configuration");
        for (header, value) in headers {
            request = request.header(header, value);
        }
        let answer = client::send(idp.address(), request.body(Bytes::new()).unwrap()).await;
        assert_eq!(answer.json()["issuer"], issuer, "{name}");
    }
}

#[tokio::test]
async fn faults_do_what_they_say() {
    let idp = idp().await;
    let certs = "/realms/corp/protocol/openid-connect/certs";
    let faults = idp.faults();
    faults.set(Endpoint::Certs, Fault::Answer(500, "text/html", "<h1>no</h1>".into()));
    assert_eq!(client::get(idp.address(), certs).await.status, 500);
    for fault in [Fault::CloseAtOnce, Fault::CloseMidBody] {
        faults.set(Endpoint::Certs, fault.clone());
        let request = Request::get(certs).body(Bytes::new()).unwrap();
        let outcome = client::try_send(idp.address(), request).await;
        assert!(matches!(outcome, Err(client::NoAnswer::Broken)), "{fault:?}: {outcome:?}");
    }
    faults.set(Endpoint::Certs, Fault::Hang);
    let arrived = faults.arrived();
    let address = idp.address();
    let waiting = tokio::spawn(async move { client::get(address, certs).await });
    faults.reached(arrived + 1).await;
    faults.release();
    assert_eq!(waiting.await.unwrap().json()["keys"].as_array().unwrap().len(), 2);
    assert_eq!(faults.received().last().unwrap().target, certs);

    faults.tamper(Tamper::RealmRole("admin"));
    faults.tamper(Tamper::ClientRole("back-end-api", "root"));
    faults.tamper(Tamper::DropIssuedTokenType);
    let alice = login(idp.address(), "front-end-app", "front-end-secret", "alice").await.access_token();
    let answer = client::post(idp.address(), PATH, &exchange_fields(&alice)).await;
    let claims = token::claims(&answer.access_token());
    assert!(token::realm_roles(&claims).contains(&"admin"));
    assert_eq!(token::client_roles(&claims, "back-end-api"), ["backend_user", "root"]);
    assert_eq!(answer.json().get("issued_token_type"), None);
}

#[tokio::test]
async fn a_stopped_provider_starts_again_on_its_port() {
    let first = idp().await;
    let port = first.address().port();
    let request = || Request::get("/realms/corp/protocol/openid-connect/certs").body(Bytes::new()).unwrap();
    let address = first.address();
    assert_eq!(client::send(address, request()).await.status, 200);
    first.stop().await;
    assert!(matches!(client::try_send(address, request()).await, Err(client::NoAnswer::Connect)));
    let second = FaultyIdp::start(IdpOptions { port, clock: Clock::System, keys: Some(keys()) }).await.unwrap();
    assert_eq!(client::send(second.address(), request()).await.status, 200);
}
