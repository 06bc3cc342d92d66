//! One Redis server.

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use super::fake::{FakeRedis, Then, bulk, say, usual};
use super::*;

/// Answers in this order, after `INFO`.
async fn answering(replies: &[&str]) -> FakeRedis {
    let replies: Vec<String> = replies.iter().rev().map(ToString::to_string).collect();
    let replies = Mutex::new(replies);
    FakeRedis::start(move |command| {
        if command == "INFO memory" { usual(command) } else { say(&replies.lock().unwrap().pop().unwrap()) }
    })
    .await
}

#[tokio::test]
async fn redis_takes_marks_and_looks_on_one_connection() {
    let claims = AtomicUsize::new(0);
    let replies = Mutex::new(vec!["+PONG", ":0", ":1", "+OK", ":0", "$-1", ":1"]);
    let server = FakeRedis::start(move |command| match command.split(' ').next() {
        Some("INFO") => usual(command),
        // The first claim has the key, the second does not get it.
        Some("SET") if claims.load(Ordering::Relaxed) < 2 => {
            say(if claims.load(Ordering::Relaxed) == 0 { "+OK" } else { "$-1" })
        }
        Some("GET") => {
            if claims.fetch_add(1, Ordering::Relaxed) == 0 {
                Then::Held
            } else {
                bulk("another")
            }
        }
        _ => say(replies.lock().unwrap().pop().unwrap()),
    })
    .await;
    let store = in_redis(&redis_at(server.port));
    assert!(store.claim(&key("a"), at(60)).await.unwrap());
    assert!(!store.claim(&key("a"), at(-600)).await.unwrap());
    store.mark(&key("a"), at(60)).await.unwrap();
    store.mark(&key("a"), at(60)).await.unwrap();
    assert!(store.is_marked(&key("a")).await.unwrap());
    assert!(!store.is_marked(&key("a")).await.unwrap());
    store.reachable().await.unwrap();
    assert!(counted(&store, "claim", "ok") && counted(&store, "claim", "used"));

    let name = key("a").written(PREFIX);
    let set = |value: &str, kept: &str| format!("SET {name} {value} NX PX {kept}");
    let (prolong, exists, get) = (format!("PEXPIRE {name} 120000 GT"), format!("EXISTS {name}"), format!("GET {name}"));
    let heard = server.heard();
    let ids: Vec<_> = [1, 3].map(|index| heard[index].1.split(' ').nth(2).unwrap().to_owned()).into();
    assert!(ids[0] != ids[1] && ids.iter().all(|id| id.len() == 32), "{ids:?}");
    let expected = [
        "INFO memory",
        &set(&ids[0], "120000"),
        &get,
        &set(&ids[1], "60000"),
        &get,
        &prolong,
        &set("1", "120000"),
        &prolong,
        &set("1", "120000"),
        &exists,
        &exists,
        "PING",
    ];
    assert_eq!(heard, expected.map(|text| (0, text.to_owned())));
}

#[tokio::test]
async fn the_password_is_shown_and_the_database_chosen() {
    let path = std::env::temp_dir().join(format!("cambio-store-{}", uuid::Uuid::new_v4()));
    std::fs::write(&path, "s3cret \n").unwrap();
    let server = FakeRedis::start(|command| match command {
        "AUTH gate new" => say("-WRONGPASS invalid"),
        "PING" => Then::End("+PONG\r\n"),
        _ => usual(command),
    })
    .await;
    let (username, password_file) = (Some("gate".to_owned()), Some(path.clone()));
    let store = in_redis(&Redis { database: 3, username, password_file, ..redis_at(server.port) });
    store.reachable().await.unwrap();
    let heard = server.until_end(0).await;
    assert_eq!(heard, ["AUTH gate s3cret ", "SELECT 3", "INFO memory", "PING", "(end)"]);

    std::fs::write(&path, "new").unwrap();
    let error = loop {
        // Until the end of the first connection is noticed, the operation fails on it.
        match store.reachable().await {
            Ok(()) => panic!("the first connection has ended"),
            Err(StoreError::Redis(RedisError::Connection(_))) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.to_string(), "redis: refused: WRONGPASS");
    std::fs::remove_file(&path).unwrap();
    assert!(store.reachable().await.unwrap_err().to_string().contains("passwordFile"));
}

#[tokio::test]
async fn a_refusal_is_an_error_and_nothing_is_sent_again() {
    let cases = [
        ("a replica", "-READONLY You can't write against a read only replica.", "refused: READONLY"),
        ("a cluster", "-MOVED 3999 127.0.0.1:6381", "refused: MOVED"),
        ("no memory", "-OOM command not allowed when used memory > 'maxmemory'.", "refused: OOM"),
        ("no password", "-NOAUTH Authentication required.", "refused: NOAUTH"),
        ("free text", "-oops 'secret'", "refused: ERR"),
    ];
    for (name, answer, expected) in cases {
        let server = answering(&[answer, answer, "+PONG"]).await;
        let store = in_redis(&redis_at(server.port));
        let error = store.claim(&key("a"), at(60)).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{name}: {error}");
        assert!(counted(&store, "claim", "error"), "{name}");
        store.reachable().await.unwrap();
        assert_eq!(server.connections("SET"), [0], "{name}");
    }
}

/// A replica answers every question, and takes nothing.
#[tokio::test]
async fn a_server_that_takes_no_entries_is_not_ready() {
    for (name, set, expected) in [
        ("a primary", "+OK", None),
        ("a replica", "-READONLY You can't write against a read only replica.", Some("refused: READONLY")),
        ("no memory", "-OOM command not allowed when used memory > 'maxmemory'.", Some("refused: OOM")),
    ] {
        let server = FakeRedis::start(move |command| match command {
            _ if command.starts_with("SET") => say(set),
            _ => usual(command),
        })
        .await;
        let store = in_redis(&redis_at(server.port));
        store.reachable().await.unwrap();
        let taken = store.takes_entries().await.map_err(|error| error.to_string());
        match expected {
            None => assert_eq!(taken, Ok(()), "{name}"),
            Some(expected) => assert!(taken.unwrap_err().contains(expected), "{name}"),
        }
    }
}

#[tokio::test]
async fn what_is_no_answer_is_an_error() {
    let cases =
        [("a number", [":1", "$1\r\na"]), ("another word", ["+QUEUED", "$1\r\na"]), ("no owner", ["+OK", "$-1"])];
    for (name, answers) in cases {
        let [one, other] = answers;
        let server = answering(&[one, other, one, other, "+PONG"]).await;
        let store = in_redis(&redis_at(server.port));
        let error = store.claim(&key("a"), at(60)).await.unwrap_err().to_string();
        assert!(error.contains("something that is no answer"), "{name}: {error}");
        assert!(counted(&store, "claim", "error"), "{name}");
        assert_eq!(server.connections("SET").len(), 2, "{name}: sent once more");
    }
}

/// The next connection may lead to a server that does not refuse.
#[tokio::test]
async fn after_a_refusal_the_next_operation_comes_on_a_new_connection() {
    let refusal = "-READONLY You can't write against a read only replica.";
    let server = answering(&[refusal, refusal, "+PONG"]).await;
    let store = in_redis(&redis_at(server.port));
    assert!(store.claim(&key("a"), at(60)).await.is_err());
    store.reachable().await.unwrap();
    assert_eq!(server.connections("PING"), [1]);
}

#[tokio::test]
async fn nobody_there_is_an_error() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = in_redis(&redis_at(port)).claim(&key("a"), at(60)).await.unwrap_err();
    assert!(error.to_string().starts_with("redis: no connection: "), "{error}");
}

#[tokio::test]
async fn an_answer_to_nobody_is_nobodys() {
    let server = FakeRedis::start(|command| match command {
        "PING" => say("+PONG\r\n+OK"),
        _ if command.starts_with("SET") => say("$-1"),
        _ if command.starts_with("GET") => bulk("another"),
        _ => usual(command),
    })
    .await;
    let store = in_redis(&redis_at(server.port));
    store.reachable().await.unwrap();
    assert!(!store.claim(&key("a"), at(60)).await.unwrap(), "an answer to nobody was taken for one");
}

#[tokio::test]
async fn a_text_is_set_read_and_deleted() {
    let server = FakeRedis::start(|command| match command.split(' ').next() {
        Some("SET") => say("+OK"),
        Some("GET") => bulk("text"),
        Some("DEL") => say(":1"),
        _ => usual(command),
    })
    .await;
    let store = in_redis(&redis_at(server.port));
    store.keep(&key("a"), "text", at(60)).await.unwrap();
    assert_eq!(store.kept(&key("a")).await.unwrap().as_deref(), Some("text"));
    store.forget(&key("a")).await.unwrap();
    let name = key("a").written(PREFIX);
    let expected =
        ["INFO memory".to_owned(), format!("SET {name} text PX 120000"), format!("GET {name}"), format!("DEL {name}")];
    assert_eq!(server.heard(), expected.map(|text| (0, text)));
}
