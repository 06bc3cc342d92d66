//! The rule of the store: a claim whose answer is lost counts as failed, is never sent again, and its connection serves
//! nothing else. It holds for one server, behind Sentinel and in a cluster.

use super::fake::{FakeRedis, Then, say, usual};
use super::*;

const KINDS: [&str; 3] = ["single", "sentinel", "cluster"];
const LIMIT: Duration = Duration::from_millis(300);

/// Servers of which one loses the answer to the first claim.
struct Losing {
    server: Arc<FakeRedis>,
    /// The others live as long.
    _others: Vec<FakeRedis>,
    store: Arc<MarkStore>,
}

impl Losing {
    async fn new(kind: &str, lost: Then, limit: Duration) -> Self {
        let first = AtomicBool::new(true);
        let server = FakeRedis::start(move |command| {
            if command.starts_with("SET") && first.swap(false, Ordering::Relaxed) {
                lost.clone()
            } else {
                usual(command)
            }
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
                // An entry that is asked again would have the claim sent once more.
                (RedisServers::Cluster(vec![address(entry.port), address(port)]), vec![entry])
            }
        };
        let store = in_redis(&Redis { servers, timeout: limit, ..redis_at(port) });
        Self { server: Arc::new(server), _others: others, store: Arc::new(store) }
    }

    /// One claim came, and nothing after it on its connection; the next operation comes on another one.
    async fn assert_rule(&self, name: &str) {
        let claims = self.server.connections("SET");
        assert_eq!(claims.len(), 1, "{name}: {:?}", self.server.heard());
        let heard = self.server.until_end(claims[0]).await;
        let claim = heard.iter().position(|text| text.starts_with("SET")).unwrap();
        assert_eq!(heard[claim + 1..], ["(end)"], "{name}");

        assert!(!self.store.is_marked(&key("a")).await.unwrap(), "{name}");
        let looks = self.server.connections("EXISTS");
        assert!(looks.len() == 1 && looks[0] != claims[0], "{name}: {:?}", self.server.heard());
        assert_eq!(self.server.connections("SET"), claims, "{name}: it is not sent later either");
    }
}

#[tokio::test]
async fn a_claim_whose_answer_is_lost_has_failed_and_is_not_sent_again() {
    let losses = [
        ("the connection ends", Then::End(""), "no connection: "),
        ("it ends within the answer", Then::End("+O"), "something that is no answer"),
        ("no answer in time", Then::Hang, "no answer in time"),
        ("garbage", Then::End("HTTP/1.1 400 Bad Request\r\n\r\n"), "something that is no answer"),
    ];
    for kind in KINDS {
        for (loss, then, expected) in losses.clone() {
            let losing = Losing::new(kind, then, LIMIT).await;
            let name = format!("{kind}, {loss}");
            let error = losing.store.claim(&key("a"), at(60)).await.unwrap_err().to_string();
            assert!(error.contains(expected), "{name}: {error}");
            assert!(counted(&losing.store, "claim", "error"), "{name}");
            losing.assert_rule(&name).await;
        }
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_the_connection_along() {
    for kind in KINDS {
        let losing = Losing::new(kind, Then::Hang, Duration::from_secs(20)).await;
        let store = Arc::clone(&losing.store);
        let caller = tokio::spawn(async move { store.claim(&key("a"), at(60)).await.is_ok() });
        while losing.server.connections("SET").is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        caller.abort();
        losing.assert_rule(kind).await;
    }
}
