mod cluster;
mod fake;
mod lost;
mod redis;
mod sentinel;

use std::time::Duration;

use super::*;
use crate::adapters::config::{Redis, RedisAddress, RedisServers};
use crate::adapters::metrics::Scrape;

const PREFIX: &str = "cambio:";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn key(id: &str) -> MarkKey {
    MarkKey::new(MarkKind::SubjectToken, &["corp", id])
}

fn store(place: Place) -> (MarkStore, Arc<crate::words::clock::ManualClock>) {
    let (clock, hand) = Clock::manual(at(0));
    let metrics = Arc::new(Metrics::new().unwrap());
    (MarkStore::at(place, clock, metrics), hand)
}

fn in_redis(config: &Redis) -> MarkStore {
    store(Place::Redis(Box::new(RedisMarks::new(config).unwrap()))).0
}

fn redis_at(port: u16) -> Redis {
    Redis {
        servers: RedisServers::Single(address(port)),
        tls: false,
        database: 0,
        username: None,
        password_file: None,
        ca: None,
        prefix: PREFIX.to_owned(),
        timeout: Duration::from_secs(20),
    }
}

fn address(port: u16) -> RedisAddress {
    RedisAddress { host: "127.0.0.1".to_owned(), port }
}

fn counted(store: &MarkStore, operation: &str, outcome: &str) -> bool {
    let text = store.metrics.exposition(Scrape::default()).unwrap();
    let line = format!("cambio_store_operations_total{{operation=\"{operation}\",outcome=\"{outcome}\"}} 1");
    text.lines().any(|one| one == line)
}

#[tokio::test]
async fn a_thing_is_taken_once_until_its_time_has_passed() {
    let (store, hand) = store(Place::Memory(MemoryMarks::new()));
    assert!(store.claim(&key("a"), at(60)).await.unwrap());
    assert!(!store.claim(&key("a"), at(600)).await.unwrap());
    assert!(store.claim(&key("b"), at(60)).await.unwrap());
    assert!(store.claim(&MarkKey::new(MarkKind::DpopProof, &["corp", "a"]), at(60)).await.unwrap());
    // The margin included.
    hand.advance(SignedDuration::from_secs(119));
    assert!(!store.claim(&key("a"), at(60)).await.unwrap());
    hand.advance(SignedDuration::from_secs(1));
    assert!(store.claim(&key("a"), at(180)).await.unwrap());
    assert!(counted(&store, "claim", "ok") || store.is_marked(&key("a")).await.unwrap());
}

#[tokio::test]
async fn what_is_of_no_use_any_more_is_taken_once_too() {
    let (store, _) = store(Place::Memory(MemoryMarks::new()));
    assert!(store.claim(&key("a"), at(-3600)).await.unwrap());
    assert!(!store.claim(&key("a"), at(-3600)).await.unwrap());
}

#[tokio::test]
async fn a_mark_is_only_ever_prolonged() {
    let (store, hand) = store(Place::Memory(MemoryMarks::new()));
    assert!(!store.is_marked(&key("a")).await.unwrap());
    for until in [100, 300, 200] {
        store.mark(&key("a"), at(until)).await.unwrap();
    }
    for (second, marked) in [(0, true), (359, true), (360, false)] {
        hand.advance(SignedDuration::from_secs(at(second).duration_since(store.clock.now()).as_secs()));
        assert_eq!(store.is_marked(&key("a")).await.unwrap(), marked, "{second}");
    }
}

/// A wall clock that is set wrong, and right again, forgets nothing that can still be used.
#[tokio::test]
async fn a_clock_that_jumps_forgets_nothing() {
    for (name, before, after) in [("ahead after the claim", 0, 3), ("ahead before the claim", 3, 0)] {
        let (store, hand) = store(Place::Memory(MemoryMarks::new()));
        let hours = |hours| SignedDuration::from_hours(hours);
        hand.set(hours(before));
        // Good for four hours, as the right clock says.
        assert!(store.claim(&key("a"), at(4 * 3600)).await.unwrap(), "{name}");
        hand.set(hours(after));
        // Others are claimed meanwhile.
        assert!(store.claim(&key("b"), at(4 * 3600)).await.unwrap(), "{name}");
        hand.set(hours(-before - after));
        for passed in [0, 2, 1] {
            hand.advance(hours(passed));
            assert!(!store.claim(&key("a"), at(4 * 3600)).await.unwrap(), "{name}, {passed} h on");
        }
        hand.advance(hours(8));
        assert!(!store.is_marked(&key("a")).await.unwrap(), "{name}: its time has passed on each clock");
    }
}

/// Entries in a shared store have a length, which must not be too short.
#[tokio::test]
async fn a_clock_that_was_set_ahead_makes_no_entry_shorter() {
    let (store, hand) = store(Place::Memory(MemoryMarks::new()));
    let kept = |until| {
        let (kept, now) = store.term(until);
        kept.after(now).as_secs()
    };
    assert_eq!(kept(at(600)), 660);
    hand.set(SignedDuration::from_secs(500));
    assert_eq!(kept(at(600)), 660, "as long as the right clock says");
    hand.set(SignedDuration::from_hours(100_000));
    assert_eq!(kept(at(600)), 60 + 24 * 3600, "a day more at the most");
    hand.set(-SignedDuration::from_hours(100_000));
    assert_eq!(kept(at(600)), 660);
}

#[tokio::test]
async fn a_store_without_room_takes_no_entries() {
    let (store, _) = store(Place::Memory(MemoryMarks::with_room(16)));
    store.takes_entries().await.unwrap();
    while store.claim(&key(&uuid::Uuid::new_v4().to_string()), at(60)).await.is_ok() {}
    assert!(matches!(store.takes_entries().await, Err(StoreError::Full)));
}

#[tokio::test]
async fn a_clock_set_back_forgets_nothing() {
    let (store, hand) = store(Place::Memory(MemoryMarks::new()));
    assert!(store.claim(&key("a"), at(60)).await.unwrap());
    hand.advance(SignedDuration::from_secs(-3600));
    assert!(!store.claim(&key("a"), at(60)).await.unwrap());
}

#[tokio::test]
async fn full_is_an_error_and_each_kind_has_its_own_room() {
    let (store, hand) = store(Place::Memory(MemoryMarks::with_room(16)));
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
    assert!(store.claim(&MarkKey::new(MarkKind::ClientAssertion, &["corp", "0"]), at(60)).await.unwrap());
    hand.advance(SignedDuration::from_secs(120));
    for key in &taken {
        assert!(store.claim(key, at(180)).await.unwrap(), "there is room again");
    }
}

#[tokio::test]
async fn one_of_many_at_once_is_the_first() {
    let (store, _) = store(Place::Memory(MemoryMarks::new()));
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

#[tokio::test]
async fn a_text_is_kept_until_it_is_forgotten_or_its_time_has_passed() {
    let (store, hand) = store(Place::Memory(MemoryMarks::new()));
    assert_eq!(store.kept(&key("a")).await.unwrap(), None);
    store.keep(&key("a"), "one", at(60)).await.unwrap();
    store.keep(&key("a"), "two", at(60)).await.unwrap();
    store.keep(&key("b"), "three", at(60)).await.unwrap();
    assert_eq!(store.kept(&key("a")).await.unwrap().as_deref(), Some("two"));
    assert!(!store.is_marked(&key("a")).await.unwrap(), "a text is no mark");
    store.forget(&key("a")).await.unwrap();
    assert_eq!(store.kept(&key("a")).await.unwrap(), None);
    hand.advance(SignedDuration::from_secs(121));
    assert_eq!(store.kept(&key("b")).await.unwrap(), None);
    let huge = "x".repeat(17 << 20);
    assert!(store.keep(&key("a"), &huge, at(600)).await.is_err());
}

#[tokio::test]
async fn texts_of_one_kind_take_no_room_of_another() {
    let (store, hand) = store(Place::Memory(MemoryMarks::new()));
    let named = |kind, id: i64| MarkKey::new(kind, &["corp", &id.to_string()]);
    let text = "x".repeat(1 << 20);
    for id in 0..16 {
        store.keep(&named(MarkKind::RefreshSuccessor, id), &text, at(60)).await.unwrap();
        // In the place of itself, a text takes no room.
        store.keep(&named(MarkKind::RefreshSuccessor, id), &text, at(60 + id)).await.unwrap();
    }
    assert!(store.keep(&named(MarkKind::RefreshSuccessor, 16), "x", at(60)).await.is_err(), "full");
    store.keep(&named(MarkKind::RefreshReplacement, 16), &text, at(60)).await.unwrap();
    store.forget(&named(MarkKind::RefreshSuccessor, 3)).await.unwrap();
    store.keep(&named(MarkKind::RefreshSuccessor, 16), &text, at(60)).await.unwrap();
    hand.advance(SignedDuration::from_secs(130));
    let mut left = 0;
    for id in 0..17 {
        left += usize::from(store.kept(&named(MarkKind::RefreshSuccessor, id)).await.unwrap().is_some());
    }
    assert_eq!(left, 5, "those from the eleventh on, until their later time");
}
