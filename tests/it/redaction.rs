//! No token and no secret stands where it could be read later: audit, metrics, /config, log, Debug.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use crate::support::client;
use crate::support::world::{EXCHANGE_GRANT, World};

#[tokio::test]
async fn nothing_that_cambio_writes_holds_a_secret() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer({
        let log = log.clone();
        move || log.clone()
    });
    // One thread runs all of the scenario, Cambio and the identity provider included.
    let _guard = tracing::subscriber::set_default(subscriber.finish());
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
    written.push(("log", log.text()));
    written.push(("Debug", format!("{:?}", world.cambio)));
    for (place, text) in written {
        assert!(!text.is_empty(), "{place}");
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{place} holds {secret}");
        }
    }
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
