//! One line for each exchange, whatever became of it. docs/audit-log.md says what the fields mean.

use crate::support::world::World;
use crate::support::{golden, token};

#[tokio::test]
async fn an_allowed_exchange_leaves_a_line_that_says_what_was_granted() {
    let world = World::start().await;
    let alice = world.alice().await;
    let issued = world.exchange(&alice, &[("scope", "email")]).await.access_token();
    let line = world.audit(1).await.remove(0);
    let text = line.to_string();
    for known in ["front-end-app", "back-end-api", "corp", "backend_user", "reissue"] {
        assert!(text.contains(known), "{known} is missing in {text}");
    }
    let jti = token::claims(&issued)["jti"].as_str().unwrap().to_owned();
    assert!(text.contains(&jti), "names the token that was issued: {text}");
    for (name, secret) in [("subject token", &alice), ("issued token", &issued)] {
        assert!(!text.contains(secret.rsplit('.').next().unwrap()), "the {name} leaks");
    }
    golden::check("audit/allowed.json", &golden::audit(&line));
}

#[tokio::test]
async fn a_refused_exchange_leaves_a_line_that_says_what_is_missing() {
    let world = World::start().await;
    world.permit(false).await;
    world.exchange(&world.alice().await, &[]).await;
    let line = world.audit(1).await.remove(0);
    assert_eq!(line["reason"], "client_not_permitted");
    assert!(line.to_string().contains("back-end-api"), "{line}");
    golden::check("audit/refused.json", &golden::audit(&line));
}

#[tokio::test]
async fn every_exchange_has_exactly_one_line_and_its_caller_can_name_it() {
    let world = World::start().await;
    let alice = world.alice().await;
    let rows: [&[(&str, &str)]; 4] =
        [&[], &[("client_secret", "wrong")], &[("audience", "x")], &[("scope", "a  b")]];
    for (index, changes) in rows.into_iter().enumerate() {
        let answer = world.exchange(&alice, changes).await;
        let lines = world.audit(index + 1).await;
        assert_eq!(lines.len(), index + 1);
        // What the identity provider refused bears its own words.
        if index > 1 {
            assert_eq!(answer.header("x-correlation-id"), lines[index]["id"].as_str().unwrap());
        }
    }
    assert_eq!(world.audit(4).await.len(), 4);
}
