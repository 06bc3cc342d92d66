use std::future::poll_fn;

use tokio::time::advance;

use super::*;

const LIMIT: Duration = Duration::from_secs(60);

/// Seconds until a caller is cut who moves `bytes` each `step`, of 10,000 at most.
fn cut_after(bytes: u64, step: u64) -> Option<u64> {
    let mut patience = Patience::default();
    let mut time = 0;
    while time < 10_000 {
        let step = Duration::from_secs(step);
        let left = patience.left(LIMIT);
        if left <= step {
            return Some(time + left.as_secs());
        }
        time += step.as_secs();
        patience.waited(step, bytes);
    }
    None
}

#[test]
fn nobody_is_slow_for_long() {
    for (name, bytes, step, expected) in [
        ("silent", 0, 1, Some(60)),
        ("a byte each second", 1, 1, Some(60)),
        ("1 KiB each second", 1024, 1, Some(79)),
        ("4 KiB each second", 4096, 1, None),
        ("a page each half minute", 256 * 1024, 30, None),
        ("a frame just before each limit", 16 * 1024, 59, Some(64)),
        ("much after a pause that is too long", 1 << 30, 61, Some(60)),
    ] {
        assert_eq!(cut_after(bytes, step), expected, "{name}");
    }
}

#[test]
fn bytes_give_no_more_than_the_limit() {
    let mut patience = Patience::default();
    patience.waited(Duration::ZERO, u64::MAX);
    assert_eq!(patience.left(LIMIT), LIMIT);
    patience.waited(Duration::from_secs(1000), 0);
    assert_eq!(patience.left(LIMIT), Duration::ZERO);
}

async fn has_waited(idle: &mut Idle) -> bool {
    poll_fn(|cx| Poll::Ready(idle.poll(cx).is_ready())).await
}

#[tokio::test(start_paused = true)]
async fn waits_for_a_caller_add_up_and_others_do_not() {
    for (name, mut idle, expected) in
        [("caller", Idle::of_caller(LIMIT), true), ("identity provider", Idle::new(LIMIT), false)]
    {
        assert!(!has_waited(&mut idle).await, "{name}");
        advance(LIMIT / 2).await;
        assert!(!has_waited(&mut idle).await, "{name}");
        idle.ended(1);
        // Time between two waits is nobody's.
        advance(LIMIT * 2).await;
        assert!(!has_waited(&mut idle).await, "{name}");
        advance(LIMIT * 3 / 4).await;
        assert_eq!(has_waited(&mut idle).await, expected, "{name}");
        advance(LIMIT / 4).await;
        assert!(has_waited(&mut idle).await, "{name}");
    }
}
