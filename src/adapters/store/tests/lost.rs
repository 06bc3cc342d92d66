//! The rule of the store: a claim whose answer is lost is sent once more under its own id, on another connection, and so
//! learns whether the key is its own. It holds for one server, behind Sentinel and in a cluster.

use std::sync::atomic::AtomicUsize;

use super::fake::{FakeRedis, Then, bulk, say, usual};
use super::*;

const KINDS: [&str; 3] = ["single", "sentinel", "cluster"];
const LIMIT: Duration = Duration::from_millis(300);

/// Servers of which one loses the answers to the first claims.
struct Losing {
    server: Arc<FakeRedis>,
    /// The others live as long.
    _others: Vec<FakeRedis>,
    store: Arc<MarkStore>,
}

/// What a server loses, and whose a key is when somebody asks.
#[derive(Clone)]
struct Loss {
    then: Then,
    /// So many answers to `SET` are lost.
    times: usize,
    owner: Then,
}

impl Losing {
    async fn new(kind: &str, loss: Loss, limit: Duration) -> Self {
        let heard = AtomicUsize::new(0);
        let server = FakeRedis::start(move |command| match command.split(' ').next() {
            Some("SET") if heard.fetch_add(1, Ordering::Relaxed) < loss.times => loss.then.clone(),
            Some("GET") => loss.owner.clone(),
            _ => usual(command),
        })
        .await;
        let port = server.port;
        let (servers, others) = match kind {
            "single" => (RedisServers::Single(address(port)), Vec::new()),
            "sentinel" => {
                let sentinel = FakeRedis::start(move |_| {
                    let digits = port.to_string();
                    say(&format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{digits}", digits.len()))
                })
                .await;
                let (sentinels, master) = (vec![address(sentinel.port)], "mymaster".to_owned());
                (RedisServers::Sentinel { sentinels, master, password_file: None }, vec![sentinel])
            }
            _ => {
                let entry = FakeRedis::start(move |_| say(&format!("-MOVED 1 127.0.0.1:{port}"))).await;
                (RedisServers::Cluster(vec![address(entry.port), address(port)]), vec![entry])
            }
        };
        let store = in_redis(&Redis { servers, timeout: limit, ..redis_at(port) });
        Self { server: Arc::new(server), _others: others, store: Arc::new(store) }
    }

    /// So many claims came, all with one id and each on a connection of its own. Nothing was asked after a lost one on
    /// its connection.
    async fn assert_rule(&self, name: &str, claims: usize, lost: usize) {
        let connections = self.server.connections("SET");
        assert_eq!(connections.len(), claims, "{name}: {:?}", self.server.heard());
        let distinct: std::collections::BTreeSet<_> = connections.iter().collect();
        assert_eq!(distinct.len(), claims, "{name}: {:?}", self.server.heard());
        let said: std::collections::BTreeSet<_> =
            self.server.heard().into_iter().map(|(_, text)| text).filter(|text| text.starts_with("SET")).collect();
        assert_eq!(said.len(), 1, "{name}: {said:?}");
        for connection in &connections[..lost] {
            let heard = self.server.until_end(*connection).await;
            let claim = heard.iter().position(|text| text.starts_with("SET")).unwrap();
            let after: Vec<_> = heard[claim + 1..].iter().filter(|text| !text.starts_with("GET")).collect();
            assert_eq!(after, ["(end)"], "{name}");
        }
    }
}

fn losses() -> [(&'static str, Then, &'static str); 4] {
    [
        ("the connection ends", Then::End(""), "no connection: "),
        ("it ends within the answer", Then::End("+O"), "something that is no answer"),
        ("no answer in time", Then::Hang, "no answer in time"),
        ("garbage", Then::End("HTTP/1.1 400 Bad Request\r\n\r\n"), "something that is no answer"),
    ]
}

#[tokio::test]
async fn a_claim_whose_answer_is_lost_learns_whose_the_key_is() {
    for kind in KINDS {
        for (loss, then, _) in losses() {
            for (owner, first) in [(Then::Held, true), (bulk("another"), false)] {
                let name = format!("{kind}, {loss}, {first}");
                let world = Losing::new(kind, Loss { then: then.clone(), times: 1, owner }, LIMIT).await;
                assert_eq!(world.store.claim(&key("a"), at(60)).await.unwrap(), first, "{name}");
                assert!(counted(&world.store, "claim", if first { "ok" } else { "used" }), "{name}");
                world.assert_rule(&name, 2, 1).await;
            }
        }
    }
}

#[tokio::test]
async fn a_claim_whose_answer_is_lost_twice_has_failed() {
    for kind in KINDS {
        for (loss, then, expected) in losses() {
            let name = format!("{kind}, {loss}");
            let world = Losing::new(kind, Loss { then, times: 2, owner: Then::Held }, LIMIT).await;
            let error = world.store.claim(&key("a"), at(60)).await.unwrap_err().to_string();
            // The second command may find the end of the connection first.
            assert!(error.contains(expected) || error.contains("no connection: "), "{name}: {error}");
            assert!(counted(&world.store, "claim", "error"), "{name}");
            assert!(!world.store.is_marked(&key("a")).await.unwrap(), "{name}");
            world.assert_rule(&name, 2, 2).await;
        }
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_the_connection_along() {
    for kind in KINDS {
        let loss = Loss { then: Then::Hang, times: 1, owner: Then::Held };
        let world = Losing::new(kind, loss, Duration::from_secs(20)).await;
        let store = Arc::clone(&world.store);
        let caller = tokio::spawn(async move { store.claim(&key("a"), at(60)).await.is_ok() });
        while world.server.connections("SET").is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        caller.abort();
        world.assert_rule(kind, 1, 1).await;
    }
}
