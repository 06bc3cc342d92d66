//! Keys come and go; error pages and empty sets never replace them.

use jiff::SignedDuration;

use crate::support::client;
use crate::support::faults::{Endpoint, Fault};
use crate::support::tamper::sign_as;
use crate::support::world::{CERTS_PATH, Plan, World};

fn certs_fetches(world: &World) -> usize {
    let received = world.idp.faults().received();
    received.iter().filter(|request| request.target == CERTS_PATH).count()
}

#[tokio::test]
async fn a_new_key_is_found_by_its_kid_within_one_refetch() {
    let world = World::start().await;
    world.exchange(&world.alice().await, &[]).await.access_token();
    world.clock.advance(SignedDuration::from_secs(11));
    world.idp.rotate("corp", true).unwrap();
    let before = certs_fetches(&world);
    world.exchange(&world.alice().await, &[]).await.access_token();
    assert_eq!(certs_fetches(&world) - before, 1);
}

#[tokio::test]
async fn unknown_kids_do_not_hammer_the_identity_provider() {
    let world = World::start().await;
    let alice = world.alice().await;
    world.exchange(&alice, &[]).await.access_token();
    let foreign = world.idp.signing_key("partner").unwrap();
    let claims = crate::support::token::claims(&alice);
    let before = certs_fetches(&world);
    for index in 0..20 {
        let forged = sign_as(&foreign, &format!("unknown-{index}"), claims.as_object().unwrap()).unwrap();
        let answer = world.exchange(&forged, &[]).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
    }
    assert!(certs_fetches(&world) - before <= 1, "at most one fetch within the cool-down");
}

#[tokio::test]
async fn bad_answers_never_replace_keys() {
    let world = World::start().await;
    let alice = world.alice().await;
    world.exchange(&alice, &[]).await.access_token();
    for (name, fault) in [
        ("500", Fault::Answer(500, "application/json", "{}".into())),
        ("an HTML page", Fault::Answer(200, "text/html", "<h1>Maintenance</h1>".into())),
        ("an empty set", Fault::Answer(200, "application/json", r#"{"keys":[]}"#.into())),
        (
            "encryption keys only",
            Fault::Answer(200, "application/json", r#"{"keys":[{"kty":"RSA","use":"enc"}]}"#.into()),
        ),
        ("garbage", Fault::Answer(200, "application/json", "{".into())),
        ("closed", Fault::CloseAtOnce),
        ("cut", Fault::CloseMidBody),
        ("a redirect", Fault::Answer(302, "text/html", String::new())),
        ("5 MB", Fault::Answer(200, "application/json", format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(5 << 20)))),
    ] {
        world.idp.faults().set(Endpoint::Certs, fault);
        // Past the cool-down, an unknown kid makes it ask again.
        world.clock.advance(SignedDuration::from_secs(11));
        let forged = world.idp.signing_key("partner").unwrap();
        let claims = crate::support::token::claims(&alice);
        let before = certs_fetches(&world);
        world.exchange(&forged.sign(claims.as_object().unwrap()).unwrap(), &[]).await;
        assert!(certs_fetches(&world) > before, "{name}: was asked");
        let answer = world.exchange(&alice, &[]).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    }
}

#[tokio::test]
async fn without_keys_nothing_is_exchanged_and_they_are_found_when_they_come() {
    let plan = Plan::new().await;
    plan.idp.faults().set(Endpoint::Certs, Fault::Answer(500, "text/plain", String::new()));
    let world = plan.start().await;
    let alice = world.alice().await;
    let answer = world.exchange(&alice, &[]).await;
    assert!(answer.status.is_server_error(), "{}", answer.text());
    assert_eq!(world.audit(1).await[0]["reason"], "keys_unavailable");
    world.idp.faults().clear();
    world.clock.advance(SignedDuration::from_secs(11));
    crate::support::world::until("an exchange", async || {
        (world.exchange(&alice, &[]).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn stale_keys_are_used_for_a_bounded_time() {
    let limits = "    signingKey: corp.pem\n    jwks: { refreshInterval: 5m, maxStale: 1h }";
    let world = Plan::new().await.configure("    signingKey: corp.pem", limits).start().await;
    world.exchange(&world.alice().await, &[]).await.access_token();
    world.idp.faults().set(Endpoint::Certs, Fault::Answer(500, "text/plain", String::new()));
    world.clock.advance(SignedDuration::from_mins(50));
    world.exchange(&world.alice().await, &[]).await.access_token();
    world.clock.advance(SignedDuration::from_mins(20));
    let answer = world.exchange(&world.alice().await, &[]).await;
    assert!(answer.status.is_server_error(), "{}", answer.text());
    // What needs no keys works all the same.
    assert_eq!(client::get(world.address(), "/admin/master/console/").await.status, 200);
}
