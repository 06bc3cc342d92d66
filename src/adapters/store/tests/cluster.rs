//! Redis Cluster.

use std::sync::atomic::AtomicU16;

use super::fake::{FakeRedis, Then, say, usual};
use super::*;

/// A node that sends everything on, with `MOVED` or `ASK`.
async fn sending_on(word: &'static str, to: u16) -> FakeRedis {
    FakeRedis::start(move |command| match command {
        "INFO memory" => usual(command),
        _ => say(&format!("-{word} 3999 127.0.0.1:{to}")),
    })
    .await
}

fn cluster(nodes: &[u16], timeout: Duration) -> MarkStore {
    let servers = RedisServers::Cluster(nodes.iter().map(|port| address(*port)).collect());
    in_redis(&Redis { servers, timeout, ..redis_at(1) })
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn the_node_of_a_slot_is_learned() {
    let owner = FakeRedis::start(usual).await;
    let entry = sending_on("MOVED", owner.port).await;
    let store = cluster(&[entry.port], LONG);
    for _ in 0..3 {
        assert!(store.claim(&key("a"), at(60)).await.unwrap());
    }
    store.mark(&key("a"), at(60)).await.unwrap();
    assert_eq!(entry.connections("SET").len(), 1, "the entry did not execute the claim");
    assert_eq!(owner.connections("SET"), [0, 0, 0, 0]);
    assert!(!store.is_marked(&key("in another slot")).await.unwrap());
    assert_eq!(entry.connections("EXISTS"), [0], "a redirection is no reason for a new connection");
}

#[tokio::test]
async fn a_slot_on_its_way_is_asked_for_and_not_learned() {
    let next = FakeRedis::start(usual).await;
    let entry = sending_on("ASK", next.port).await;
    let store = cluster(&[entry.port], LONG);
    assert!(store.claim(&key("a"), at(60)).await.unwrap());
    store.mark(&key("a"), at(60)).await.unwrap();
    let heard = next.heard().into_iter().map(|(_, text)| text).skip(1);
    let words: Vec<_> = heard.map(|text| text.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(words, ["ASKING", "SET", "ASKING", "GET", "ASKING", "PEXPIRE", "ASKING", "SET"]);
    assert_eq!(entry.connections("SET").len(), 2, "the next operation begins where the slot still is");
}

#[tokio::test]
async fn other_answers_of_a_cluster_are_refusals() {
    for word in ["TRYAGAIN", "CLUSTERDOWN"] {
        let node = FakeRedis::start(move |command| match command {
            "INFO memory" => usual(command),
            _ => say(&format!("-{word} for some reason")),
        })
        .await;
        let store = cluster(&[node.port], LONG);
        let error = store.claim(&key("a"), at(60)).await.unwrap_err();
        assert_eq!(error.to_string(), format!("redis: refused: {word}"));
        assert_eq!(node.connections("SET").len(), 1, "{word}");
        // PING would be answered.
        assert!(store.reachable().await.is_err(), "{word}");
    }
}

#[tokio::test]
async fn redirections_come_to_an_end() {
    let port = Arc::new(AtomicU16::new(0));
    let own = Arc::clone(&port);
    let node = FakeRedis::start(move |command| match command {
        "INFO memory" => usual(command),
        // Without a host, the node that answers is meant.
        _ => say(&format!("-MOVED 3999 :{}", own.load(Ordering::Relaxed))),
    })
    .await;
    port.store(node.port, Ordering::Relaxed);
    let error = cluster(&[node.port], LONG).claim(&key("a"), at(60)).await.unwrap_err();
    assert_eq!(error.to_string(), "redis: refused: MOVED");
    assert_eq!(node.connections("SET").len(), 5);
}

#[tokio::test]
async fn a_node_that_is_gone_is_found_anew() {
    let gone = Arc::new(AtomicBool::new(false));
    let is_gone = Arc::clone(&gone);
    let one =
        FakeRedis::start(move |command| if is_gone.load(Ordering::Relaxed) { Then::End("") } else { usual(command) })
            .await;
    let other = FakeRedis::start(usual).await;
    let owner = Arc::new(AtomicU16::new(one.port));
    let named = Arc::clone(&owner);
    let entry = FakeRedis::start(move |command| match command {
        "INFO memory" => usual(command),
        _ => say(&format!("-MOVED 3999 127.0.0.1:{}", named.load(Ordering::Relaxed))),
    })
    .await;
    let hanging = FakeRedis::start(|_| Then::Hang).await;
    let store = cluster(&[hanging.port, entry.port], Duration::from_millis(900));
    assert!(store.claim(&key("a"), at(60)).await.unwrap(), "a node that hangs leaves time for the next");

    gone.store(true, Ordering::Relaxed);
    owner.store(other.port, Ordering::Relaxed);
    assert!(store.claim(&key("a"), at(60)).await.unwrap(), "the claim is sent once more, to the new node");
    assert_eq!((one.connections("SET").len(), other.connections("SET").len()), (2, 1));
}
