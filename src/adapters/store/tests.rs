use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;

const PREFIX: &str = "cambio:";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn key(id: &str) -> Key {
    Key::new(Kind::SubjectToken, &["corp", id])
}

fn store(place: Place) -> (Store, Arc<crate::words::clock::ManualClock>) {
    let (clock, hand) = Clock::manual(at(0));
    let metrics = Arc::new(Metrics::new().unwrap());
    (Store { place, clock, metrics, away: AtomicBool::new(false) }, hand)
}

fn in_redis(port: u16) -> Store {
    store(Place::Redis(Box::new(Redis::new(&redis_at(port)).unwrap()))).0
}

fn redis_at(port: u16) -> config::Redis {
    config::Redis {
        host: "127.0.0.1".to_owned(),
        port,
        tls_name: None,
        database: 0,
        username: None,
        password_file: None,
        ca: None,
        prefix: PREFIX.to_owned(),
        timeout: Duration::from_secs(20),
    }
}

fn counted(store: &Store, operation: &str, outcome: &str) -> bool {
    let text = String::from_utf8(store.metrics.exposition().unwrap()).unwrap();
    let line = format!("cambio_store_operations_total{{operation=\"{operation}\",outcome=\"{outcome}\"}} 1");
    text.lines().any(|one| one == line)
}

#[tokio::test]
async fn a_thing_is_taken_once_until_its_time_has_passed() {
    let (store, hand) = store(Place::Memory(Memory::new()));
    assert!(store.claim(&key("a"), at(60)).await.unwrap());
    assert!(!store.claim(&key("a"), at(600)).await.unwrap());
    assert!(store.claim(&key("b"), at(60)).await.unwrap());
    assert!(store.claim(&Key::new(Kind::DpopProof, &["corp", "a"]), at(60)).await.unwrap());
    // The margin included.
    hand.advance(SignedDuration::from_secs(119));
    assert!(!store.claim(&key("a"), at(60)).await.unwrap());
    hand.advance(SignedDuration::from_secs(1));
    assert!(store.claim(&key("a"), at(180)).await.unwrap());
    assert!(counted(&store, "claim", "ok") || store.is_marked(&key("a")).await.unwrap());
}

#[tokio::test]
async fn what_is_of_no_use_any_more_is_taken_once_too() {
    let (store, _) = store(Place::Memory(Memory::new()));
    assert!(store.claim(&key("a"), at(-3600)).await.unwrap());
    assert!(!store.claim(&key("a"), at(-3600)).await.unwrap());
}

#[tokio::test]
async fn a_mark_is_only_ever_prolonged() {
    let (store, hand) = store(Place::Memory(Memory::new()));
    assert!(!store.is_marked(&key("a")).await.unwrap());
    for until in [100, 300, 200] {
        store.mark(&key("a"), at(until)).await.unwrap();
    }
    for (second, marked) in [(0, true), (359, true), (360, false)] {
        hand.advance(SignedDuration::from_secs(at(second).duration_since(store.clock.now()).as_secs()));
        assert_eq!(store.is_marked(&key("a")).await.unwrap(), marked, "{second}");
    }
}

#[tokio::test]
async fn a_clock_set_back_forgets_nothing() {
    let (store, hand) = store(Place::Memory(Memory::new()));
    assert!(store.claim(&key("a"), at(60)).await.unwrap());
    hand.advance(SignedDuration::from_secs(-3600));
    assert!(!store.claim(&key("a"), at(60)).await.unwrap());
}

#[tokio::test]
async fn full_is_an_error_and_each_kind_has_its_own_room() {
    let (store, hand) = store(Place::Memory(Memory::with_room(16)));
    let mut taken = Vec::new();
    let mut full = 0;
    for id in 0..200 {
        let key = key(&id.to_string());
        match store.claim(&key, at(60)).await {
            Ok(first) => {
                assert!(first);
                taken.push(key);
            }
            Err(StoreError::Full) => full += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((taken.len(), full), (16, 184));
    for key in &taken {
        assert!(!store.claim(key, at(60)).await.unwrap(), "nothing was forgotten");
    }
    assert!(store.claim(&Key::new(Kind::ClientAssertion, &["corp", "0"]), at(60)).await.unwrap());
    hand.advance(SignedDuration::from_secs(120));
    for key in &taken {
        assert!(store.claim(key, at(180)).await.unwrap(), "there is room again");
    }
}

#[tokio::test]
async fn one_of_many_at_once_is_the_first() {
    let (store, _) = store(Place::Memory(Memory::new()));
    let store = Arc::new(store);
    let claims: Vec<_> = (0..64)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.claim(&key("a"), at(60)).await.unwrap() })
        })
        .collect();
    let mut first = 0;
    for claim in claims {
        first += usize::from(claim.await.unwrap());
    }
    assert_eq!(first, 1);
}

/// A server of one script: for each connection, what it must be sent and what it answers; `None` hangs up.
async fn scripted(script: Vec<Vec<(String, Option<&'static str>)>>) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        for connection in script {
            let (mut stream, _) = listener.accept().await.unwrap();
            for (expected, answer) in connection {
                assert_eq!(sent(&mut stream, expected.len()).await, expected);
                let Some(answer) = answer else { break };
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    (port, task)
}

async fn sent(stream: &mut TcpStream, length: usize) -> String {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

fn said(words: &[&str]) -> String {
    let mut out = Vec::new();
    resp::command(&mut out, words);
    String::from_utf8(out).unwrap()
}

fn info() -> (String, Option<&'static str>) {
    (said(&["INFO", "memory"]), Some("-NOPERM no\r\n"))
}

fn claim_of(id: &str, kept: &str) -> String {
    said(&["SET", &key(id).written(PREFIX), "1", "NX", "PX", kept])
}

#[tokio::test]
async fn redis_takes_marks_and_looks_on_one_connection() {
    let name = key("a").written(PREFIX);
    let mark = said(&["PEXPIRE", &name, "120000", "GT"]) + &said(&["SET", &name, "1", "NX", "PX", "120000"]);
    let (port, server) = scripted(vec![vec![
        info(),
        (claim_of("a", "120000"), Some("+OK\r\n")),
        (claim_of("a", "60000"), Some("$-1\r\n")),
        (mark.clone(), Some(":1\r\n$-1\r\n")),
        (mark, Some(":0\r\n+OK\r\n")),
        (said(&["EXISTS", &name]), Some(":1\r\n")),
        (said(&["EXISTS", &name]), Some(":0\r\n")),
        (said(&["PING"]), Some("+PONG\r\n")),
    ]])
    .await;
    let store = in_redis(port);
    assert!(store.claim(&key("a"), at(60)).await.unwrap());
    assert!(!store.claim(&key("a"), at(-600)).await.unwrap());
    store.mark(&key("a"), at(60)).await.unwrap();
    store.mark(&key("a"), at(60)).await.unwrap();
    assert!(store.is_marked(&key("a")).await.unwrap());
    assert!(!store.is_marked(&key("a")).await.unwrap());
    store.reachable().await.unwrap();
    server.await.unwrap();
    assert!(counted(&store, "claim", "ok") && counted(&store, "claim", "used"));
}

#[tokio::test]
async fn the_password_is_shown_and_the_database_chosen() {
    let path = std::env::temp_dir().join(format!("cambio-store-{}", uuid::Uuid::new_v4()));
    std::fs::write(&path, "s3cret \n").unwrap();
    let (port, server) = scripted(vec![
        vec![
            (said(&["AUTH", "gate", "s3cret "]), Some("+OK\r\n")),
            (said(&["SELECT", "3"]), Some("+OK\r\n")),
            info(),
            (said(&["PING"]), Some("+PONG\r\n")),
        ],
        vec![(said(&["AUTH", "gate", "new"]), Some("-WRONGPASS invalid\r\n"))],
    ])
    .await;
    let config = config::Redis {
        database: 3,
        username: Some("gate".to_owned()),
        password_file: Some(path.clone()),
        ..redis_at(port)
    };
    let (store, _) = store(Place::Redis(Box::new(Redis::new(&config).unwrap())));
    store.reachable().await.unwrap();
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
    server.await.unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(store.reachable().await.unwrap_err().to_string().contains("passwordFile"));
}

#[tokio::test]
async fn what_goes_wrong_is_an_error_and_nothing_is_sent_again() {
    let cases = [
        ("hangs up", None, "no connection"),
        ("no redis", Some("HTTP/1.1 400 Bad Request\r\n\r\n"), "something that is no answer"),
        ("a number", Some(":1\r\n"), "something that is no answer"),
        ("another word", Some("+QUEUED\r\n"), "something that is no answer"),
        (
            "a replica",
            Some("-READONLY You can't write against a read only replica.\r\n"),
            "refused: READONLY",
        ),
        ("a cluster", Some("-MOVED 3999 127.0.0.1:6381\r\n"), "refused: MOVED"),
        ("no memory", Some("-OOM command not allowed when used memory > 'maxmemory'.\r\n"), "refused: OOM"),
        ("no password", Some("-NOAUTH Authentication required.\r\n"), "refused: NOAUTH"),
    ];
    for (name, answer, expected) in cases {
        // The next operation comes on a new connection, whose first words are its own.
        let (port, server) = scripted(vec![
            vec![info(), (claim_of("a", "120000"), answer)],
            vec![(said(&["PING"]), Some("+PONG\r\n"))],
        ])
        .await;
        let store = in_redis(port);
        let error = store.claim(&key("a"), at(60)).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{name}: {error}");
        assert!(counted(&store, "claim", "error"), "{name}");
        store.reachable().await.unwrap();
        server.await.unwrap();
    }
}

#[tokio::test]
async fn nobody_there_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = in_redis(port).claim(&key("a"), at(60)).await.unwrap_err();
    assert!(error.to_string().starts_with("redis: no connection: "), "{error}");
}

#[tokio::test]
async fn silence_ends_at_the_time_limit_and_a_late_answer_reaches_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = config::Redis { timeout: Duration::from_millis(50), ..redis_at(port) };
    let (store, _) = store(Place::Redis(Box::new(Redis::new(&config).unwrap())));
    let error = store.claim(&key("a"), at(60)).await.unwrap_err();
    assert_eq!(error.to_string(), "redis: no answer in time");
    // The connection is closed: what was sent on it is all there will be.
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    assert_eq!(String::from_utf8(all).unwrap(), info().0);
}

#[tokio::test]
async fn a_kept_connection_that_says_something_unasked_is_not_used() {
    let (port, server) = scripted(vec![
        vec![info(), (said(&["PING"]), Some("+PONG\r\n+OK\r\n"))],
        vec![(claim_of("a", "120000"), Some("$-1\r\n"))],
    ])
    .await;
    let store = in_redis(port);
    // Both replies come in one piece or in two; either way the second one answers nothing.
    store.reachable().await.unwrap();
    match store.claim(&key("a"), at(60)).await {
        Ok(first) => assert!(!first, "an answer to nobody was taken for one"),
        Err(error) => assert!(matches!(error, StoreError::Redis(RedisError::Connection(_))), "{error}"),
    }
    server.abort();
}
