use super::*;

/// Numbers stand for seconds.
fn order(share: usize, waiting: &[(&str, Waiting, u64, &str)], now: u64) -> Vec<String> {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut queue = Queue::default();
    let mut called = Vec::new();
    for (name, kind, since, peer) in waiting {
        let (call, receiver) = oneshot::channel();
        queue.enter(*kind, at(*since), network(peer.parse().unwrap()), call);
        called.push((*name, receiver));
    }
    let mut names = Vec::new();
    while queue.call(at(now), share) {
        let place = called.iter_mut().position(|(_, receiver)| receiver.try_recv().is_ok()).unwrap();
        names.push(called.remove(place).0.to_owned());
    }
    names
}

#[test]
fn the_longest_idle_goes_first() {
    use Waiting::{Idle, Unheard};
    for (name, share, waiting, expected) in [
        ("nobody", 8, vec![], vec![]),
        (
            "by age",
            8,
            vec![("b", Idle, 20, "1.1.1.1"), ("a", Idle, 10, "2.2.2.2"), ("c", Idle, 99, "3.3.3.3")],
            vec!["a", "b", "c"],
        ),
        (
            "slow heads after idle ones, new ones never",
            8,
            vec![("slow", Unheard, 10, "1.1.1.1"), ("new", Unheard, 99, "1.1.1.1"), ("idle", Idle, 99, "1.1.1.1")],
            vec!["idle", "slow"],
        ),
        (
            "a peer with more than its share goes first, down to its share",
            1,
            vec![
                ("old", Idle, 1, "1.1.1.1"),
                ("x", Idle, 50, "2.2.2.2"),
                ("y", Idle, 51, "2.2.2.2"),
                ("z", Idle, 52, "2.2.2.2"),
            ],
            vec!["x", "y", "old", "z"],
        ),
        (
            "even if it is in its heads",
            1,
            vec![("old", Idle, 1, "1.1.1.1"), ("x", Unheard, 50, "2.2.2.2"), ("y", Unheard, 51, "2.2.2.2")],
            vec!["x", "old", "y"],
        ),
    ] {
        assert_eq!(order(share, &waiting, 100), expected, "{name}");
    }
}

#[tokio::test]
async fn a_ticket_leaves_no_trace() {
    let crowd = Arc::new(Crowd::new(2));
    let peer = "1.1.1.1".parse().unwrap();
    let tickets: Vec<_> = (0..3).map(|_| crowd.enter(Waiting::Idle, Instant::now(), peer)).collect();
    assert!(crowd.queue().call(Instant::now(), 8));
    drop(tickets);
    let queue = crowd.queue();
    assert!(queue.all.is_empty() && queue.peers.is_empty() && queue.largest.is_empty(), "{queue:?}");
}

#[tokio::test(start_paused = true)]
async fn a_caller_gets_the_place_of_an_idle_connection_that_parks_itself_in_time() {
    let crowd = Arc::new(Crowd::new(1));
    let held = crowd.place().await;
    let waiting = tokio::spawn({
        let crowd = Arc::clone(&crowd);
        async move { crowd.place().await.is_some() }
    });
    // Every connection learns that a caller waits.
    crowd.pressed().await;
    assert!(crowd.is_crowded());
    crowd.enter(Waiting::Idle, Instant::now(), "1.1.1.1".parse().unwrap()).called().await;
    drop(held);
    assert!(waiting.await.unwrap());
    assert!(!crowd.is_crowded());
}
