use std::sync::mpsc;

use tokio::task::JoinHandle;

use super::*;

const LONG: Duration = Duration::from_secs(3600);

fn peer(last: u8) -> Requester {
    Requester::caller([192, 0, 2, last].into())
}

/// Joins the queue, and tells its name when the turn comes.
async fn wait(
    turns: &Arc<FairTurns>,
    asker: Requester,
    name: &'static str,
    told: &mpsc::Sender<&'static str>,
) -> JoinHandle<()> {
    let (turns, told) = (Arc::clone(turns), told.clone());
    let task = tokio::spawn(async move {
        match turns.turn(asker, LONG).await {
            Ok(_turn) => told.send(name).unwrap(),
            Err(NoTurn) => told.send("refused").unwrap(),
        }
    });
    // On a test's one thread, the task runs until it waits.
    tokio::task::yield_now().await;
    task
}

async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn lines_take_turns() {
    let turns = Arc::new(FairTurns::new(8));
    let (told, heard) = mpsc::channel();
    let mut held = Vec::new();
    for other in 11..19 {
        held.push(turns.turn(peer(other), LONG).await.unwrap());
    }
    for (asker, name) in [(1, "a1"), (1, "a2"), (1, "a3"), (2, "b1"), (3, "c1"), (2, "b2")] {
        wait(&turns, peer(asker), name, &told).await;
    }
    drop(held.pop());
    settle().await;
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["a1", "b1", "c1", "a2", "b2", "a3"]);
    assert!(!turns.is_awaited());
}

#[tokio::test(start_paused = true)]
async fn who_leaves_takes_no_turn() {
    let turns = Arc::new(FairTurns::new(3));
    let (told, heard) = mpsc::channel();
    let held = [turns.turn(peer(11), LONG).await.unwrap(), turns.turn(peer(12), LONG).await.unwrap()];
    let last = turns.turn(peer(13), LONG).await.unwrap();
    let gone = wait(&turns, peer(2), "gone", &told).await;
    wait(&turns, peer(3), "stays", &told).await;
    gone.abort();
    settle().await;
    drop(last);
    settle().await;
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["stays"]);
    drop(held);
    for other in 11..14 {
        std::mem::forget(turns.turn(peer(other), Duration::ZERO).await.unwrap());
    }
    assert_eq!(turns.turn(peer(14), Duration::ZERO).await.unwrap_err(), NoTurn, "three turns, and no more");
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_does_not_come_is_not_waited_for() {
    let turns = Arc::new(FairTurns::new(1));
    let _held = turns.turn(peer(1), LONG).await.unwrap();
    assert_eq!(turns.turn(peer(2), Duration::from_secs(5)).await.unwrap_err(), NoTurn);
    assert!(!turns.is_awaited());
}

#[tokio::test(start_paused = true)]
async fn the_longest_line_loses_its_last() {
    let turns = Arc::new(FairTurns::new(3));
    let (told, heard) = mpsc::channel();
    let mut held = Vec::new();
    for other in 11..14 {
        held.push(turns.turn(peer(other), LONG).await.unwrap());
    }
    for name in ["a1", "a2", "a3"] {
        wait(&turns, peer(1), name, &told).await;
    }
    wait(&turns, peer(1), "a4", &told).await;
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["refused"], "the longest line is the asker's own");
    wait(&turns, peer(2), "b1", &told).await;
    settle().await;
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["refused"], "a3 made room");
    wait(&turns, peer(2), "b2", &told).await;
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["refused"], "no line is longer by two");
    drop(held);
    settle().await;
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["a1", "b1", "a2"]);
}

/// Whoever has requests that never end leaves turns for the others.
#[tokio::test(start_paused = true)]
async fn nobody_has_more_turns_than_are_free() {
    let turns = Arc::new(FairTurns::new(12));
    let (told, heard) = mpsc::channel();
    let mut first = Vec::new();
    while let Ok(turn) = turns.turn(peer(1), Duration::ZERO).await {
        first.push(turn);
    }
    assert_eq!(first.len(), 6, "one alone has half");
    wait(&turns, peer(1), "more of the first", &told).await;
    let mut second = Vec::new();
    while let Ok(turn) = turns.turn(peer(2), Duration::ZERO).await {
        second.push(turn);
    }
    assert_eq!(second.len(), 3, "the second has as many as are left free");
    for _ in 0..3 {
        std::mem::forget(turns.turn(Requester::Judgement, Duration::ZERO).await.unwrap());
    }
    // Three have gone, so four are free only after a fourth: the first has two then.
    first.truncate(2);
    settle().await;
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["more of the first"]);
    drop((first, second));
    settle().await;
    assert_eq!(turns.lock().free, 9);
    assert_eq!(turns.lock().held.len(), 1, "only Cambio's own are held");
}
