//! Registered clients at the front door.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cambio::client::secret::SecretHash;
use cambio::secret::Secret;
use http::StatusCode;

use crate::support::world::{Plan, TOKEN_PATH, World, exchange_fields};
use crate::support::{client, form};

const REALM: &str = "    subjectIssuers: [corp, partner]\n";

/// front-end-app is registered with its secret at the identity provider, and others with none.
async fn start() -> World {
    let hash = SecretHash::sha256(&Secret::new("front-end-secret"));
    let clients = format!(
        "    clients:\n      front-end-app: [{{ method: client_secret, secretHash: '{hash}' }}]\n      \
         single-page-app: [{{ method: none }}]\n"
    );
    Plan::new().await.configure(REALM, &format!("{REALM}{clients}")).start().await
}

/// An exchange by Basic.
async fn by_basic(world: &World, token: &str, pair: &str) -> client::Answer {
    let body = form::changed(&exchange_fields(token), &[("client_id", "-"), ("client_secret", "-")]);
    let basic = format!("Basic {}", STANDARD.encode(pair));
    let mut request = client::form_request(TOKEN_PATH, &body);
    request.headers_mut().insert("authorization", basic.parse().unwrap());
    client::send(world.address(), request).await
}

#[tokio::test]
async fn a_registered_client_is_held_to_its_registry() {
    let world = start().await;
    let token = world.alice().await;
    let exchanged = world.idp.faults().exchanged();
    for (name, changes, status, reason) in [
        ("right", &[][..], StatusCode::OK, ""),
        ("wrong", &[("client_secret", "gue55")], StatusCode::UNAUTHORIZED, "client_unauthenticated"),
        ("without", &[("client_secret", "-")], StatusCode::UNAUTHORIZED, "client_unauthenticated"),
        (
            "a public one, with a secret",
            &[("client_id", "single-page-app")],
            StatusCode::UNAUTHORIZED,
            "client_unauthenticated",
        ),
    ] {
        let before = world.audit_so_far();
        let answer = world.exchange(&token, changes).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        let line = world.audit_after(before).await;
        assert_eq!(line["reason"].as_str().unwrap_or_default(), reason, "{name}: {line}");
        assert_eq!(answer.header("www-authenticate"), "", "{name}: it did not use the Authorization header");
        assert!(
            !line.to_string().contains("gue55") && !line.to_string().contains("front-end-secret"),
            "{line}"
        );
    }
    assert_eq!(world.idp.faults().exchanged(), exchanged + 1, "only the right one went upstream");
    let labels = "method=\"client_secret\",outcome=\"allowed\",realm=\"corp\"";
    assert!(
        (world.metric(&format!("cambio_client_authentications_total{{{labels}}}")).await - 1.0).abs() < 0.1
    );
}

#[tokio::test]
async fn who_came_with_basic_is_challenged() {
    let world = start().await;
    let token = world.alice().await;
    assert_eq!(by_basic(&world, &token, "front-end-app:front-end-secret").await.status, StatusCode::OK);
    let encoded = by_basic(&world, &token, "front%2Dend-app:front%2Dend-secret").await;
    assert_eq!(encoded.status, StatusCode::OK, "RFC 6749 section 2.3.1");
    for pair in ["front-end-app:wrong", "front-end-app:", "single-page-app:x"] {
        let answer = by_basic(&world, &token, pair).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{pair}");
        assert_eq!(answer.header("www-authenticate"), "Basic realm=\"corp\"", "{pair}");
        assert_eq!(answer.json()["error"], "invalid_client", "{pair}");
    }
}

#[tokio::test]
async fn a_registry_is_reloaded_with_its_files() {
    let world = Plan::new().await;
    let hash = |secret: &str| SecretHash::sha256(&Secret::new(secret));
    world.folder.write("front-end.hash", &hash("another"));
    let clients =
        "    clients: { front-end-app: [{ method: client_secret, secretHashFile: front-end.hash }] }\n";
    let world = world.configure(REALM, &format!("{REALM}{clients}")).start().await;
    let token = world.alice().await;
    assert_eq!(world.exchange(&token, &[]).await.status, StatusCode::UNAUTHORIZED);
    world.rewrite("front-end.hash", &hash("front-end-secret")).await;
    assert_eq!(world.exchange(&token, &[]).await.status, StatusCode::OK);
}
