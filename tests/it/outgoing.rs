//! Requests that Cambio makes itself say so in `User-Agent`; those that it forwards keep the caller's.

use http::HeaderValue;
use http::header::USER_AGENT;

use crate::support::client;
use crate::support::files::BACK_END_API;
use crate::support::world::{CERTS_PATH, DISCOVERY_PATH, Plan, TOKEN_PATH, World, exchange_fields, until};

const CALLER: &str = "caller/1.0";
const CAMBIO: &str = concat!("cambio/", env!("CARGO_PKG_VERSION"));
const INTROSPECT: &str = "/realms/corp/protocol/openid-connect/token/introspect";
const PARTNER_CERTS: &str = "/realms/partner/protocol/openid-connect/certs";

async fn world(issuance: &str) -> World {
    plan(issuance).await.start().await
}

/// A world in which an exchange makes Cambio ask for everything: client, token, user and roles.
pub async fn plan(issuance: &str) -> Plan {
    let audience =
        BACK_END_API.replace("roles: { own: true }", "roles: { own: true, source: directory, default: [guest] }");
    let audience = if issuance == "mint" { audience } else { BACK_END_API.to_owned() };
    let permissions = "permissions:\n  - { clients: [front-end-app], scopes: [email, profile], stillActive: true }\n";
    let plan = Plan::new().await;
    plan.folder.write("cambio-secret", "cambio-secret\n");
    plan.folder.write("back-end-secret", "back-end-secret\n");
    plan.configure(
        "    signingKey: corp.pem",
        "    signingKey: corp.pem
    introspection: { clientId: back-end-api, clientSecretFile: back-end-secret }
    directory: { clientId: cambio, clientSecretFile: cambio-secret, cacheFor: 0s }",
    )
    .audience("back-end-api", &format!("{audience}issuance: {issuance}\n{permissions}"))
}

/// Sends a form as [`CALLER`].
async fn post(world: &World, fields: &[(&str, &str)]) -> client::Answer {
    let mut request = client::form_request(TOKEN_PATH, fields);
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(CALLER));
    client::send(world.address(), request).await
}

/// Who asked the identity provider for what: method and path without the query.
fn asked(world: &World, agent: &str) -> Vec<String> {
    let received = world.idp.faults().received();
    let of_agent = received.iter().filter(|one| one.headers.get(USER_AGENT).is_some_and(|name| name == agent));
    of_agent.map(|one| format!("{} {}", one.method, one.target.split('?').next().unwrap())).collect()
}

/// Keycloak reads one kind of forwarding headers and ignores the other: `--proxy-headers=xforwarded` or `forwarded`.
#[tokio::test]
async fn what_cambio_asks_names_the_public_address_in_both_kinds_of_headers() {
    let world = world("mint").await;
    let alice = world.alice().await;
    world.exchange(&alice, &[]).await.access_token();
    let received = world.idp.faults().received();
    let own: Vec<_> = received
        .iter()
        .filter(|one| one.headers.get(USER_AGENT).is_some_and(|name| name.as_bytes().starts_with(b"cambio/")))
        .filter(|one| one.target.contains("/corp"))
        .collect();
    for part in ["/certs", "/token/introspect", "/admin/realms/corp/users"] {
        assert!(own.iter().any(|one| one.target.contains(part)), "{part}");
    }
    for request in own {
        let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
        assert_eq!(header("host"), Some("sso.example.org"), "{}", request.target);
        assert_eq!(header("x-forwarded-host"), Some("sso.example.org"), "{}", request.target);
        assert_eq!(header("x-forwarded-proto"), Some("http"), "{}", request.target);
        assert_eq!(header("x-forwarded-port"), Some("80"), "{}", request.target);
        let forwarded = header("forwarded").unwrap_or_default();
        let parts: Vec<&str> = forwarded.split(';').collect();
        assert!(parts.contains(&"host=\"sso.example.org\"") && parts.contains(&"proto=http"), "{}", request.target);
    }
}

#[tokio::test]
async fn what_cambio_asks_bears_its_name() {
    let world = world("mint").await;
    let login = [
        ("grant_type", "password"),
        ("client_id", "front-end-app"),
        ("client_secret", "front-end-secret"),
        ("username", "alice"),
        ("password", "alice-password"),
    ];
    let alice = post(&world, &login).await.access_token();
    let answer = post(&world, &exchange_fields(&alice)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(client::get(world.address(), DISCOVERY_PATH).await.status, 200);
    assert_eq!(client::get(world.cambio.admin, "/readyz?include=upstream").await.status, 200);
    until("partner's keys", async || asked(&world, CAMBIO).contains(&format!("GET {PARTNER_CERTS}")).then_some(()))
        .await;

    assert_eq!(asked(&world, CALLER), [format!("POST {TOKEN_PATH}")], "the login alone is forwarded");
    let asked = asked(&world, CAMBIO);
    let times = |what: String| asked.iter().filter(|one| **one == what).count();
    for (name, what, expected) in [
        ("the realm's keys", format!("GET {CERTS_PATH}"), 1),
        ("the client, and the token", format!("POST {INTROSPECT}"), 2),
        ("the directory's token", format!("POST {TOKEN_PATH}"), 1),
        ("discovery", format!("GET {DISCOVERY_PATH}"), 1),
        ("readiness", "HEAD /".to_owned(), 1),
    ] {
        assert_eq!(times(what), expected, "{name}: {asked:#?}");
    }
    assert!(asked.iter().any(|one| one.starts_with("GET /admin/realms/corp/users/")), "{asked:#?}");
    assert_eq!(asked.len() + 1, world.idp.faults().received().len(), "every other request: {asked:#?}");
}

#[tokio::test]
async fn an_exchange_that_the_identity_provider_makes_keeps_the_callers_name() {
    let world = world("reissue").await;
    let alice = world.alice().await;
    world.idp.faults().forget();
    let answer = post(&world, &exchange_fields(&alice)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(asked(&world, CALLER), [format!("POST {TOKEN_PATH}")]);
    assert!(asked(&world, CAMBIO).contains(&format!("POST {INTROSPECT}")), "stillActive");
}
