//! A primary that Sentinel names.

use std::sync::Mutex;

use super::fake::{FakeRedis, Then, say, usual};
use super::*;

/// A Sentinel that names what stands in the cell, or nobody.
async fn sentinel(named: &Arc<Mutex<Option<u16>>>) -> FakeRedis {
    let named = Arc::clone(named);
    FakeRedis::start(move |command| match (command, *named.lock().unwrap()) {
        ("AUTH default of-the-sentinels", _) => say("+OK"),
        ("SENTINEL GET-MASTER-ADDR-BY-NAME mymaster", Some(port)) => {
            say(&format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}", port.to_string().len()))
        }
        _ => say("*-1"),
    })
    .await
}

fn behind(sentinels: &[u16], timeout: Duration) -> MarkStore {
    let sentinels = sentinels.iter().map(|port| address(*port)).collect();
    let servers = RedisServers::Sentinel { sentinels, master: "mymaster".to_owned(), password_file: None };
    in_redis(&Redis { servers, timeout, ..redis_at(1) })
}

#[tokio::test]
async fn after_a_failover_the_sentinels_are_asked_again() {
    let demoted = Arc::new(AtomicBool::new(false));
    let is_demoted = Arc::clone(&demoted);
    let one = FakeRedis::start(move |command| {
        if command.starts_with("SET") && is_demoted.load(Ordering::Relaxed) {
            say("-READONLY You can't write against a read only replica.")
        } else {
            usual(command)
        }
    })
    .await;
    let other = FakeRedis::start(usual).await;
    let named = Arc::new(Mutex::new(Some(one.port)));
    let sentinel = sentinel(&named).await;
    let store = behind(&[sentinel.port], Duration::from_secs(20));
    for id in ["a", "b"] {
        assert!(store.claim(&key(id), at(60)).await.unwrap());
    }
    assert_eq!(sentinel.connections("SENTINEL").len(), 1, "a kept connection needs no question");
    assert_eq!(one.connections("SET"), [0, 0]);

    demoted.store(true, Ordering::Relaxed);
    *named.lock().unwrap() = Some(other.port);
    let error = store.claim(&key("c"), at(60)).await.unwrap_err();
    assert_eq!(error.to_string(), "redis: refused: READONLY");
    assert!(store.claim(&key("d"), at(60)).await.unwrap());
    assert_eq!((one.connections("SET").len(), other.connections("SET").len()), (3, 1));
}

#[tokio::test]
async fn a_server_that_is_no_primary_is_not_asked() {
    let replica = FakeRedis::start(|command| match command {
        "ROLE" => say("*5\r\n$5\r\nslave\r\n$1\r\na\r\n:1\r\n$9\r\nconnected\r\n:0"),
        _ => usual(command),
    })
    .await;
    let named = Arc::new(Mutex::new(Some(replica.port)));
    let sentinel = sentinel(&named).await;
    let store = behind(&[sentinel.port], Duration::from_secs(20));
    for port in [Some(replica.port), None] {
        *named.lock().unwrap() = port;
        let error = store.is_marked(&key("a")).await.unwrap_err();
        assert_eq!(error.to_string(), "redis: the sentinels name no primary");
    }
    assert!(replica.connections("EXISTS").is_empty());
}

#[tokio::test]
async fn a_sentinel_that_hangs_leaves_time_for_the_next() {
    let primary = FakeRedis::start(usual).await;
    let hanging = FakeRedis::start(|_| Then::Hang).await;
    let good = sentinel(&Arc::new(Mutex::new(Some(primary.port)))).await;
    let store = behind(&[hanging.port, good.port], Duration::from_millis(900));
    assert!(store.claim(&key("a"), at(60)).await.unwrap());
    assert_eq!((hanging.connections("SENTINEL").len(), good.connections("SENTINEL").len()), (1, 1));
}

#[tokio::test]
async fn sentinels_have_a_password_of_their_own() {
    let path = std::env::temp_dir().join(format!("cambio-sentinel-{}", uuid::Uuid::new_v4()));
    std::fs::write(&path, "of-the-sentinels\n").unwrap();
    let primary = FakeRedis::start(usual).await;
    let sentinel = sentinel(&Arc::new(Mutex::new(Some(primary.port)))).await;
    let servers = RedisServers::Sentinel {
        sentinels: vec![address(sentinel.port)],
        master: "mymaster".to_owned(),
        password_file: Some(path.clone()),
    };
    let store = in_redis(&Redis { servers, database: 2, ..redis_at(1) });
    store.reachable().await.unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(sentinel.connections("AUTH default of-the-sentinels"), [0]);
    assert_eq!((sentinel.connections("SELECT"), primary.connections("SELECT 2")), (vec![], vec![0]));
    assert!(primary.connections("AUTH").is_empty());
}
