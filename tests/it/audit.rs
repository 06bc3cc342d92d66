//! One line for each exchange, whatever became of it. docs/audit-log.md says what the fields mean.

use crate::support::world::{Plan, World};
use crate::support::{client, golden, token};

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
    let rows: [&[(&str, &str)]; 4] = [&[], &[("client_secret", "wrong")], &[("audience", "x")], &[("scope", "a  b")]];
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

/// Nothing is issued unaudited. /dev/full opens as a file does and takes no byte.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_exchange_that_can_not_be_audited_is_refused() {
    let world = Plan::new().await.configure("output: audit.jsonl", "output: /dev/full").start().await;
    let alice = world.alice().await;
    let exchanged = world.idp.faults().exchanged();
    let answer = world.exchange(&alice, &[]).await;
    assert_eq!(answer.status, 500, "{}", answer.text());
    assert_eq!(answer.json()["error"], "server_error");
    assert!(!answer.text().contains("token\":"), "{}", answer.text());
    assert_eq!(world.idp.faults().exchanged(), exchanged + 1, "it was the answer that was withheld");
    // A refusal needs no line to stand.
    assert_eq!(world.exchange(&alice, &[("audience", "other-api")]).await.status, 403);
    let text = client::get(world.cambio.admin, "/metrics").await.text();
    let is_counted =
        |line: &&str| line.starts_with("cambio_exchange") && !line.contains("seconds") && !line.ends_with(" 0");
    let counted: Vec<_> = text.lines().filter(is_counted).collect();
    let row = |reason| format!("cambio_exchange_refusals_total{{realm=\"corp\",reason=\"{reason}\"}} 1");
    for row in [row("internal"), row("audience_unknown")] {
        assert!(counted.contains(&row.as_str()), "{row} in {counted:?}");
    }
    assert_eq!(counted.len(), 4, "each once, by audience and by reason: {counted:?}");
    assert!(world.metric("cambio_audit_failures_total").await >= 2.0);
    // What is no exchange goes on.
    assert_eq!(client::get(world.address(), "/admin/master/console/").await.status, 200);
}

#[tokio::test]
async fn a_file_that_can_not_be_opened_stops_the_start() {
    let plan = Plan::new().await.configure("output: audit.jsonl", "output: nowhere/audit.jsonl");
    let error = plan.try_start().await.expect_err("no start");
    assert!(error.contains("nowhere/audit.jsonl"), "{error}");
}
