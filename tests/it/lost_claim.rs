//! What a caller sees when a claim's answer is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::files::BACK_END_API;
use crate::support::world::Plan;

/// A Redis that reads a claim and ends the connection; its port, and how many claims it read.
async fn losing_redis() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let claims = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&claims);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut bytes).await {
                if String::from_utf8_lossy(&bytes[..read]).contains("\r\nSET\r\n") {
                    counted.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                stream.write_all(b"-NOPERM this user has no permissions\r\n").await.unwrap();
            }
        }
    });
    (port, claims)
}

#[tokio::test]
async fn the_request_is_refused_and_the_claim_is_sent_once_more() {
    let once = BACK_END_API.to_owned() + "permissions:\n  - { clients: [front-end-app], oneTime: true }\n";
    for scheme in ["redis", "redis+cluster"] {
        let (port, claims) = losing_redis().await;
        let store = format!("store: {{ redis: {{ url: '{scheme}://127.0.0.1:{port}', timeout: 5s }} }}\nupstream:\n");
        let plan = Plan::new().await.configure("upstream:\n", &store);
        let world = plan.audience("back-end-api", &once).start().await;
        let exchanged = world.idp.faults().exchanged();
        let before = world.audit_so_far();
        let answer = world.exchange(&world.alice().await, &[]).await;
        assert_eq!(answer.status, 503, "{scheme}: {}", answer.text());
        let line = world.audit_after(before).await;
        assert_eq!(line["reason"], "store_unavailable", "{scheme}: {line}");
        assert_eq!(claims.load(Ordering::Relaxed), 2, "{scheme}");
        // The identity provider's token is dropped.
        assert_eq!(world.idp.faults().exchanged(), exchanged + 1, "{scheme}");
        assert_eq!(answer.json().get("access_token"), None, "{scheme}");
    }
}
