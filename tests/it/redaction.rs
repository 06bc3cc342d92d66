//! No token and no secret stands where it could be read later: audit, metrics, /config, log, Debug.

use crate::support::client;
use crate::support::world::{EXCHANGE_GRANT, World};

#[tokio::test]
async fn nothing_that_cambio_writes_holds_a_secret() {
    let world = World::start().await;
    let alice = world.alice().await;
    let issued = world.exchange(&alice, &[]).await.access_token();
    let mut secrets = vec!["front-end-secret".to_owned(), "wrong-secret".into(), "alice-password".into()];
    secrets.extend([&alice, &issued].map(|token| token.rsplit('.').next().unwrap().to_owned()));
    secrets.extend([&alice, &issued].map(|token| token.split('.').nth(1).unwrap().to_owned()));
    // Each way to fail has its own words.
    for changes in [
        vec![("client_secret", "wrong-secret")],
        vec![("subject_token", "secret-garbage.secret-garbage.secret-garbage")],
        vec![("audience", "other-api")],
        vec![("actor_token", "secret-actor")],
        vec![("x_custom", "secret-parameter")],
        vec![("scope", "secret  scope")],
        vec![("grant_type", EXCHANGE_GRANT), ("grant_type", "secret-grant")],
    ] {
        world.exchange(&alice, &changes).await;
    }
    secrets.extend(["secret-garbage", "secret-actor", "secret-parameter", "secret-grant"].map(str::to_owned));
    world.audit(8).await;
    let mut written = vec![("audit", world.folder.read("audit.jsonl"))];
    for path in ["/metrics", "/config"] {
        written.push((path, client::get(world.cambio.admin, path).await.text()));
    }
    written.push(("Debug", format!("{:?}", world.cambio)));
    for (place, text) in written {
        assert!(!text.is_empty(), "{place}");
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{place} holds {secret}");
        }
    }
}
