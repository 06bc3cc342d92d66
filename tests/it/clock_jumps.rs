//! The clock jumps: tokens, keys and documents are judged by the new time, and nothing gets stuck.

use jiff::SignedDuration;
use serde_json::json;

use crate::support::client;
use crate::support::faults::{Endpoint, Fault};
use crate::support::files::{BACK_END_API, PERMITTED};
use crate::support::world::{CERTS_PATH, DISCOVERY_PATH, Plan, World};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn asked(world: &World, path: &str) -> usize {
    world.idp.faults().received().iter().filter(|request| request.target == path).count()
}

#[tokio::test]
async fn tokens_expire_by_it_and_are_of_the_future_when_it_is_set_back() {
    let world = World::start().await;
    let alice = world.alice().await;
    for (name, jump, reason) in [
        ("now", SignedDuration::ZERO, json!(null)),
        ("forwards", HOUR, json!("subject_token_expired")),
        ("back again", -HOUR, json!(null)),
        ("backwards", -HOUR, json!("subject_token_not_yet_valid")),
        ("and right", HOUR, json!(null)),
    ] {
        world.clock.advance(jump);
        let before = world.audit_so_far();
        let answer = world.exchange(&alice, &[]).await;
        assert_eq!(answer.status == 200, reason.is_null(), "{name}: {}", answer.text());
        let line = world.audit_after(before).await;
        assert_eq!(line.get("reason").cloned().unwrap_or_default(), reason, "{name}");
    }
}

/// At each new time there are new tokens, and they can be exchanged.
#[tokio::test]
async fn a_jump_stops_nothing() {
    let world = World::start().await;
    for hours in [0, 2, -2, -100_000, 150_000] {
        world.clock.advance(HOUR * hours);
        let answer = world.exchange(&world.alice().await, &[]).await;
        assert_eq!(answer.status, 200, "{hours} hours: {}", answer.text());
        for path in [CERTS_PATH, DISCOVERY_PATH] {
            assert_eq!(client::get(world.address(), path).await.status, 200, "{hours} hours: {path}");
        }
    }
}

/// The cool-down after an unknown `kid` began in what is the future now: it must not last until then.
#[tokio::test]
async fn new_keys_are_found_after_it_was_set_back() {
    let world = World::start().await;
    let alice = world.alice().await;
    world.exchange(&alice, &[]).await.access_token();
    let claims = crate::support::token::claims(&alice);
    let forged = world.idp.signing_key("partner").unwrap().sign(claims.as_object().unwrap()).unwrap();
    world.exchange(&forged, &[]).await;
    world.clock.advance(-HOUR);
    // Ten seconds, however the clock jumps.
    world.clock.advance(SignedDuration::from_secs(11));
    world.idp.rotate("corp", true).unwrap();
    world.exchange(&world.alice().await, &[]).await.access_token();
}

/// Keys could not be had, and the clock was set back: they are asked for again after a second.
#[tokio::test]
async fn failed_fetches_are_repeated_after_it_was_set_back() {
    let world = World::start().await;
    world.exchange(&world.alice().await, &[]).await.access_token();
    world.idp.faults().set(Endpoint::Certs, Fault::Answer(500, "text/plain", String::new()));
    world.clock.advance(HOUR * 2);
    assert_eq!(world.exchange(&world.alice().await, &[]).await.status, 503, "too old, and no new ones");
    world.idp.faults().clear();
    world.clock.advance(-HOUR);
    world.clock.advance(SignedDuration::from_secs(1));
    world.exchange(&world.alice().await, &[]).await.access_token();
}

/// Keys grow old by themselves, not by the wall clock: `maxStale` is an hour.
#[tokio::test]
async fn keys_grow_old_whatever_the_clock_shows() {
    for (name, jump, passed, expected) in [
        ("nothing happens", SignedDuration::ZERO, SignedDuration::ZERO, 200),
        ("the clock is set ahead", HOUR * 3, SignedDuration::ZERO, 200),
        ("the clock is set back", -HOUR, HOUR * 2, 503),
    ] {
        let world = World::start().await;
        world.exchange(&world.alice().await, &[]).await.access_token();
        world.idp.faults().set(Endpoint::Certs, Fault::Answer(500, "text/plain", String::new()));
        world.clock.advance(passed);
        world.clock.set(jump);
        assert_eq!(world.exchange(&world.alice().await, &[]).await.status, expected, "{name}");
    }
}

/// The clock is set ahead, others use tokens meanwhile, and the clock is set right again.
#[tokio::test]
async fn a_token_that_was_used_once_stays_used() {
    let permitted = PERMITTED.replace("scopes:", "oneTime: true, scopes:");
    assert!(permitted.contains("oneTime"));
    let world = Plan::new().await.audience("back-end-api", &format!("{BACK_END_API}{permitted}")).start().await;
    let alice = world.alice().await;
    world.exchange(&alice, &[]).await.access_token();
    for (name, jump) in [("ahead", HOUR * 3), ("right again", -HOUR * 3), ("back", -HOUR), ("and right", HOUR)] {
        world.clock.set(jump);
        let before = world.audit_so_far();
        let again = world.exchange(&alice, &[]).await;
        assert_ne!(again.status, 200, "{name}");
        let reason = world.audit_after(before).await["reason"].clone();
        if name.contains("right") {
            assert_eq!(reason, "subject_token_used", "{name}");
        }
        world.exchange(&world.alice().await, &[]).await.access_token();
    }
}

#[tokio::test]
async fn discovery_is_fetched_again_when_it_is_old() {
    let world = World::start().await;
    for (name, jump, fetches) in [
        ("first", SignedDuration::ZERO, 1),
        ("kept", SignedDuration::from_secs(59), 0),
        ("old", SignedDuration::from_secs(2), 1),
        ("the clock is set back", -HOUR, 0),
        ("old again", SignedDuration::from_secs(61), 1),
    ] {
        world.clock.advance(jump);
        let before = asked(&world, DISCOVERY_PATH);
        assert_eq!(client::get(world.address(), DISCOVERY_PATH).await.status, 200, "{name}");
        assert_eq!(asked(&world, DISCOVERY_PATH) - before, fetches, "{name}");
    }
}
